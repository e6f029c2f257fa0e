"""What moto's AWS Backup lacks: selections, changing a plan, and a deleted plan being gone.

Source: AWS Backup API reference (CreateBackupSelection, ListBackupSelections, DeleteBackupSelection,
UpdateBackupPlan); the answers hold what our steps read.
"""

import json
from typing import Any
from uuid import uuid4

from moto.backup.exceptions import ResourceNotFoundException
from moto.backup.models import BackupBackend
from moto.backup.responses import BackupResponse


def add_selections() -> None:
    """Teach moto in this process; safe to call again."""
    for name, function in _OPERATIONS.items():
        setattr(BackupResponse, name, function)
    BackupBackend.delete_backup_plan = _forget_plan  # type: ignore[method-assign]


def _selections(response: BackupResponse) -> tuple[str, dict[str, Any]]:
    """The plan's id from the path /backup/plans/ID/selections/..., and its selections by id."""
    plan = response.path.split("/plans/")[1].split("/")[0]
    backend = response.backup_backend
    if plan not in backend.plans:
        raise ResourceNotFoundException(msg=f"no backup plan {plan}")
    return plan, backend.plans[plan].__dict__.setdefault("selections", {})


def _create_backup_selection(self: BackupResponse) -> str:
    plan, selections = _selections(self)
    id_ = str(uuid4())
    selections[id_] = json.loads(self.body)["BackupSelection"]
    return json.dumps({"SelectionId": id_, "BackupPlanId": plan})


def _list_backup_selections(self: BackupResponse) -> str:
    plan, selections = _selections(self)
    listed = [
        {"SelectionId": id_, "BackupPlanId": plan, "SelectionName": selection["SelectionName"]}
        for id_, selection in selections.items()
    ]
    return json.dumps({"BackupSelectionsList": listed})


def _get_backup_selection(self: BackupResponse) -> str:
    plan, selections = _selections(self)
    id_ = self.path.rstrip("/").split("/")[-1]
    if id_ not in selections:
        raise ResourceNotFoundException(msg=f"no selection {id_}")
    return json.dumps({"SelectionId": id_, "BackupPlanId": plan, "BackupSelection": selections[id_]})


def _delete_backup_selection(self: BackupResponse) -> str:
    selections = _selections(self)[1]
    selections.pop(self.path.rstrip("/").split("/")[-1], None)
    return "{}"


def _update_backup_plan(self: BackupResponse) -> str:
    plan = self.backup_backend.get_backup_plan(self.path.rstrip("/").split("/")[-1], None)
    plan.backup_plan = json.loads(self.body)["BackupPlan"]
    return json.dumps(plan.to_dict())


def _forget_plan(self: BackupBackend, backup_plan_id: str) -> tuple[str, str, float, str]:
    plan = self.get_backup_plan(backup_plan_id, None)
    del self.plans[backup_plan_id]
    return plan.backup_plan_id, plan.backup_plan_arn, plan.creation_date, plan.version_id


_OPERATIONS = {
    "create_backup_selection": _create_backup_selection,
    "list_backup_selections": _list_backup_selections,
    "get_backup_selection": _get_backup_selection,
    "delete_backup_selection": _delete_backup_selection,
    "update_backup_plan": _update_backup_plan,
}
