"""Backups of servers: an AWS Backup vault, a plan with schedule and retention, a selection per server."""

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.access import Reader
from core.checks import Check
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.instances import find_instances
from tasks.aws.marks import PROJECT_TAG, STEP_TAG, Mark, at_most_one, instance_key, required
from tasks.aws.step import AwsStep, fact, known

if TYPE_CHECKING:
    from mypy_boto3_backup.type_defs import BackupPlanInputTypeDef, BackupSelectionTypeDef

ROLE = "role/service-role/AWSBackupDefaultServiceRole"
"""The role that AWS Backup works under; AWS makes it when its console is first opened in the account."""


@dataclass(frozen=True)
class BackupPlan:
    """`rules`: the plan's rules as AWS tells them, to put them back."""

    id: str
    schedule: str
    keep_days: int
    vault: str
    rules: list[dict[str, Any]]

    @property
    def settings(self) -> dict[str, str | int]:
        return {"schedule": self.schedule, "keep_days": self.keep_days, "vault": self.vault}


@dataclass(frozen=True)
class BackupFacts:
    """`selections`: ids by server; `protected`: how many instances each server's selection finds."""

    vault: Fact[str]
    plan: Fact[BackupPlan]
    selections: dict[str, str]
    protected: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class SetBackupPlan(AwsStep[BackupFacts]):
    """Scheduled backups of the named servers, deleted after `keep_days`.

    A server is selected by the tags of its instance, so that one made anew stays protected.
    """

    name: str
    servers: tuple[str, ...]
    schedule: str
    keep_days: int

    @property
    def reversal(self) -> Reversal:
        return Reversal(
            "reversible",
            "selections, plan and vault are deleted; AWS refuses to delete a vault that holds backups",
        )

    def _look(self, cloud: AwsReader) -> BackupFacts:
        # Listed, not described: asked for a vault that is not there, AWS answers "denied".
        vaults = [
            found["BackupVaultName"]
            for page in cloud.backup.get_paginator("list_backup_vaults").paginate()
            for found in page["BackupVaultList"]
        ]
        plan = self._plan(cloud)
        return BackupFacts(
            vault=fact(self._long_name if self._long_name in vaults else None),
            plan=fact(plan),
            selections=self._selections(cloud, plan.id) if plan else {},
            protected={server: len(find_instances(cloud, self._mark_of(server))) for server in self.servers},
        )

    def plan(self, facts: BackupFacts) -> Plan:
        plan = known(facts.plan)
        changes = []
        if known(facts.vault) is None:
            changes.append(Change("create", f"backup vault {self._long_name}"))
        wanted = {"schedule": self.schedule, "keep_days": self.keep_days, "vault": self._long_name}
        if plan is None:
            changes.append(Change("create", f"backup plan {self.name}", after=wanted))
        elif plan.settings != wanted:
            before = {**plan.settings, "rules": plan.rules}
            changes.append(Change("change", f"backup plan {self.name}", before, wanted))
        for server in self.servers:
            if server not in facts.selections:
                changes.append(Change("create", self._selection(server), after={"by": self._tags(server)}))
        because = "" if changes else f"backup plan {self.name} keeps {self.keep_days} days of every server"
        return Plan(tuple(changes), because, Duration(4, 20))

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if change.object.startswith("backup vault"):
            tags = self.mark.tags()
            cloud.backup.create_backup_vault(BackupVaultName=self._long_name, BackupVaultTags=tags)
        elif change.object.startswith("backup plan"):
            self._set_plan(cloud, [self._rule])
        else:
            plan = required(self._plan(cloud), f"backup plan {self.name}")
            server = change.object.removeprefix(self._selection(""))
            cloud.backup.create_backup_selection(
                BackupPlanId=plan.id,
                BackupSelection=self._selecting(cloud, server),
                CreatorRequestId=_short(f"{self._long_name}-{server}"),
            )

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        plan = self._plan(cloud)
        if change.object.startswith("backup vault"):
            none_on(
                lambda: cloud.backup.delete_backup_vault(BackupVaultName=self._long_name),
                "ResourceNotFoundException",
            )
        elif plan is None:
            return
        elif change.object.startswith("backup plan") and change.action == "create":
            cloud.backup.delete_backup_plan(BackupPlanId=plan.id)
        elif change.object.startswith("backup plan"):
            self._set_plan(cloud, change.before["rules"])
        else:
            server = change.object.removeprefix(self._selection(""))
            selection = self._selections(cloud, plan.id).get(server)
            if selection:
                cloud.backup.delete_backup_selection(BackupPlanId=plan.id, SelectionId=selection)

    @property
    def _rule(self) -> dict[str, Any]:
        return {
            "RuleName": "scheduled",
            "TargetBackupVaultName": self._long_name,
            "ScheduleExpression": self.schedule,
            "Lifecycle": {"DeleteAfterDays": self.keep_days},
        }

    def _set_plan(self, cloud: AwsWriter, rules: Any) -> None:
        now = self._plan(cloud)
        document: BackupPlanInputTypeDef = {"BackupPlanName": self._long_name, "Rules": rules}
        if now is None:
            cloud.backup.create_backup_plan(BackupPlan=document, BackupPlanTags=self.mark.tags())
        elif now.rules != rules:
            cloud.backup.update_backup_plan(BackupPlanId=now.id, BackupPlan=document)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        plan = known(facts.plan)
        return (
            Check.equal(f"backup vault {self._long_name} exists", True, known(facts.vault) is not None),
            Check.equal(
                f"backup plan {self.name}",
                {"schedule": self.schedule, "keep_days": self.keep_days, "vault": self._long_name},
                plan.settings if plan else "no plan",
            ),
            Check.equal("selected servers", sorted(self.servers), sorted(facts.selections)),
            *(
                Check.equal(f"instances that the selection of {server} finds", 1, found)
                for server, found in facts.protected.items()
            ),
        )

    def _plan(self, cloud: AwsReader) -> BackupPlan | None:
        pages = cloud.backup.get_paginator("list_backup_plans").paginate()
        ids = [
            found["BackupPlanId"]
            for page in pages
            for found in page["BackupPlansList"]
            if found["BackupPlanName"] == self._long_name
        ]
        id_ = at_most_one(ids, self.key)
        if id_ is None:
            return None
        told = cloud.backup.get_backup_plan(BackupPlanId=id_)["BackupPlan"]["Rules"]
        # Ids are AWS's own and are not taken back.
        rules = [{key: value for key, value in rule.items() if key != "RuleId"} for rule in told]
        # Several rules, or one without an end, are not what we set: they show as a difference.
        return BackupPlan(
            id=id_,
            schedule=" and ".join(rule.get("ScheduleExpression", "") for rule in told),
            keep_days=sum(rule.get("Lifecycle", {}).get("DeleteAfterDays", 0) for rule in told),
            vault=" and ".join(rule["TargetBackupVaultName"] for rule in told),
            rules=rules,
        )

    def _selections(self, cloud: AwsReader, plan: str) -> dict[str, str]:
        """Ids of the selections that select by exactly our tags, by server."""
        pages = cloud.backup.get_paginator("list_backup_selections").paginate(BackupPlanId=plan)
        ids = {
            found["SelectionName"]: found["SelectionId"]
            for page in pages
            for found in page["BackupSelectionsList"]
        }
        return {server: ids[_short(server)] for server in self.servers if _short(server) in ids}

    def _selecting(self, cloud: AwsReader, server: str) -> "BackupSelectionTypeDef":
        return {
            "SelectionName": _short(server),
            "IamRoleArn": f"arn:{cloud.partition}:iam::{self.account.account}:{ROLE}",
            "Resources": [f"arn:{cloud.partition}:ec2:*:*:instance/*"],
            "Conditions": {
                "StringEquals": [
                    {"ConditionKey": f"aws:ResourceTag/{key}", "ConditionValue": value}
                    for key, value in self._tags(server).items()
                ]
            },
        }

    def _tags(self, server: str) -> dict[str, str]:
        mark = self._mark_of(server)
        return {PROJECT_TAG: mark.project, STEP_TAG: mark.step}

    def _mark_of(self, server: str) -> Mark:
        return Mark(self.account.project, instance_key(server))

    def _selection(self, server: str) -> str:
        return f"selection of backup plan {self.name}: {server}"

    @property
    def _long_name(self) -> str:
        return _short(f"{self.account.project}-{self.name}")


def _short(name: str) -> str:
    """A name that AWS Backup takes (letters, digits, dash, underscore; at most 50), still one of a kind."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    if plain == name and len(plain) <= 50:
        return plain
    return f"{plain[:41]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
