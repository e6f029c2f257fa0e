"""CopyAccounts: the named accounts with their authentication and their rights in this schema."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import Refused
from core.plan import Change, Duration, Plan, Value
from core.step import Reversal, Step
from tasks.databases.model import Account, Grant
from tasks.databases.move import Move
from tasks.databases.port import ReadPort


@dataclass(frozen=True)
class AccountsFacts:
    source: tuple[Account, ...]
    missing_at_source: tuple[str, ...]
    target: tuple[Account, ...]
    crossing: bool = False
    """Source and target are of different flavours: a password hash of the one means nothing to the other."""


@dataclass(frozen=True, kw_only=True)
class CopyAccounts(Step[AccountsFacts]):
    """Password hashes go from server to server; plans and facts know a digest of them only."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    move: Move

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "drops the accounts that it made and takes back the rights it gave")

    def inspect(self, reader: Reader) -> AccountsFacts:
        source, target = self._ports(reader)
        names = self.move.accounts
        keeps = target.account_names() | set(names)
        here = [_with_roles_among(keeps, source.account(self.move.source_schema, name)) for name in names]
        there = [target.account(self.move.target_schema, name) for name in names]
        crossing = source.flavour() != target.flavour()
        if crossing:
            here = [_without_roles(account) for account in here]
        return AccountsFacts(
            crossing=crossing,
            source=tuple(a for a in here if a is not None),
            missing_at_source=tuple(n for n, a in zip(names, here, strict=True) if a is None),
            target=tuple(a for a in there if a is not None),
        )

    def plan(self, facts: AccountsFacts) -> Plan:
        if facts.missing_at_source:
            raise Refused(
                f"{self.move.source.address} has no account {', '.join(facts.missing_at_source)}",
                why="The inventory names it among the accounts that move.",
                next_command="SELECT User, Host FROM mysql.user;",
            )
        there = {a.name: a for a in facts.target}
        changes = []
        for wanted in facts.source:
            found = there.get(wanted.name)
            if found is None and facts.crossing:
                raise Refused(
                    f"account {wanted.name} is not at {self.move.target.address}, and"
                    f" {self.move.source.address} keeps its password in a form that is not known there",
                    why="Made there by hand with the password that its programs know, its rights are brought"
                    " along; or take it out of the accounts that move.",
                    next_command=f"CREATE USER {wanted.name} IDENTIFIED BY ...;  # at the target",
                )
            if found is None:
                notes = {"left_behind": list(wanted.left_behind)}
                changes.append(Change("create", f"account {wanted.name}", None, _state(wanted), notes))
            elif not facts.crossing and found.authentication_digest != wanted.authentication_digest:
                raise Refused(
                    f"account {wanted.name} is at {self.move.target.address} with another password",
                    why="Changing it could lock out whoever uses it there.",
                    next_command=f"SHOW GRANTS FOR {wanted.name};",
                )
            elif lacking(wanted.grants, found.grants):
                changes.append(Change("change", f"account {wanted.name}", _state(found), _state(wanted)))
        if not changes:
            return Plan(nothing_because=f"all {len(facts.source)} accounts are there with their rights")
        return Plan(tuple(changes), duration=Duration(0.1 * len(changes), 0.5 * len(changes)))

    def apply(self, plan: Plan, writer: Writer) -> None:
        source = self.move.open_source(writer.reader)
        port = writer.open(self.move.target)
        for change in plan.changes:
            if change.action == "create":
                port.create_account(_name(change), source.authentication(_name(change)))
        # After all of them are there: one may be a role that another is given.
        for change in plan.changes:
            for grant in lacking(_grants(change.after), _grants(change.before)):
                port.grant(self.move.target_schema, _name(change), grant)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        there = {a.name: a for a in facts.target}
        checks = [
            Check(f"account {name}", Status.FAIL, "at the source", "absent")
            for name in facts.missing_at_source
        ]
        for wanted in facts.source:
            found = there.get(wanted.name)
            checks.append(_authentication_check(wanted, found, facts.crossing))
            missing = lacking(wanted.grants, found.grants if found else ())
            checks.append(Check.equal(f"account {wanted.name}: rights missing", "none", _list(missing)))
        return tuple(checks) or (Check.equal("accounts that move with it", 0, 0),)

    def undo(self, plan: Plan, writer: Writer) -> None:
        look = writer.reader.open(self.move.target)
        port = writer.open(self.move.target)
        for change in reversed(plan.changes):
            found = look.account(self.move.target_schema, _name(change))
            if found is None:
                continue
            if change.action == "create":
                port.drop_account(_name(change))
                continue
            given = lacking(_grants(change.after), _grants(change.before))
            for grant in given:
                if not lacking([grant], found.grants):
                    port.revoke(self.move.target_schema, _name(change), grant)

    def _ports(self, reader: Reader) -> tuple[ReadPort, ReadPort]:
        self.move.open_target(reader)  # what it may not see of the schema, it could not grant either
        return self.move.open_source(reader, "accounts-from"), self.move.open_target(reader, "accounts-to")


def lacking(wanted: Iterable[Grant], found: Iterable[Grant]) -> list[Grant]:
    """What of the wanted rights is not among the found ones."""
    held = {grant.on: grant for grant in found}
    missing = []
    for grant in wanted:
        other = held.get(grant.on, Grant((), grant.on))
        left = tuple(p for p in grant.privileges if p not in other.privileges)
        if "ALL PRIVILEGES" in other.privileges:
            left = ()
        if left or (grant.grantable and not other.grantable):
            missing.append(
                replace(
                    grant,
                    privileges=left or grant.privileges,
                    grantable=grant.grantable and not other.grantable,
                )
            )
    return missing


def _with_roles_among(keeps: Collection[str], account: Account | None) -> Account | None:
    """A role that neither moves nor is at the target is left behind, by name."""
    if account is None:
        return None
    lost = [g for g in account.grants if g.role and g.role not in keeps]
    kept = tuple(g for g in account.grants if g not in lost)
    return replace(account, grants=kept, left_behind=(*account.left_behind, *map(str, lost)))


def _without_roles(account: Account | None) -> Account | None:
    """Roles are accounts in MySQL and things of their own in MariaDB: they are left behind, by name."""
    if account is None:
        return None
    roles = tuple(grant for grant in account.grants if grant.role)
    kept = tuple(grant for grant in account.grants if not grant.role)
    return replace(account, grants=kept, left_behind=(*account.left_behind, *map(str, roles)))


def _authentication_check(wanted: Account, found: Account | None, crossing: bool) -> Check:
    label = f"account {wanted.name}: authentication"
    if crossing:
        return Check.equal(label, "made by hand", "made by hand" if found else "absent")
    return Check.equal(
        label, wanted.authentication_digest, found.authentication_digest if found else "absent"
    )


def _state(account: Account) -> Value:
    grants = [
        {"privileges": list(g.privileges), "on": g.on, "grantable": g.grantable, "role": g.role}
        for g in account.grants
    ]
    return {"authentication_digest": account.authentication_digest, "grants": grants}


def _grants(state: Value) -> list[Grant]:
    listed = state["grants"] if state else []
    return [Grant(tuple(g["privileges"]), g["on"], g["grantable"], g.get("role", "")) for g in listed]


def _name(change: Change) -> str:
    return change.object.removeprefix("account ")


def _list(grants: Iterable[Grant]) -> str:
    return "; ".join(map(str, grants)) or "none"
