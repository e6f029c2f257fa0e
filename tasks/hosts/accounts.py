"""Operating-system accounts and their groups on a host."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.errors import Refused
from core.facts import Fact, Known
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from inventory.targets import Account
from tasks.hosts.keep import Keepsake
from tasks.hosts.ports import AccountState, HostEndpoint
from tasks.hosts.undoing import undoing


@dataclass(frozen=True)
class AccountFacts:
    accounts: Mapping[str, Fact[AccountState]]


@dataclass(frozen=True, kw_only=True)
class SetAccounts(Step[AccountFacts]):
    """Wants accounts with their shell and at least these groups; further groups of an account are left."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    server: str
    accounts: tuple[Account, ...]
    host: HostEndpoint

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "removes added accounts with their homes and the groups made for them")

    def inspect(self, reader: Reader) -> AccountFacts:
        look = reader.open(self.host)
        return AccountFacts({account.name: look.account(account.name) for account in self.accounts})

    def plan(self, facts: AccountFacts) -> Plan:
        found = facts.accounts
        changes = [change for a in self.accounts if (change := self._change(a, found[a.name]))]
        if not changes:
            return Plan(nothing_because=f"all {len(self.accounts)} accounts of {self.server} are as wanted")
        return Plan(tuple(changes), duration=Duration(len(changes), 3 * len(changes)))

    def _change(self, account: Account, fact: Fact[AccountState]) -> Change | None:
        name = f"account {account.name} on {self.server}"
        after = {"uid": account.uid, "groups": sorted(account.groups), "shell": account.shell}
        if not isinstance(fact, Known):
            return Change("create", name, None, after)
        found = fact.value
        if account.uid not in (None, found.uid):
            raise Refused(
                f"account {account.name} on {self.server} has uid {found.uid}, wanted {account.uid}",
                why="Changing it would give all of its files to nobody. Nothing was touched.",
                next_command=f"ssh {self.host.address.partition(':')[0]} id {account.name}",
            )
        if found.shell == account.shell and set(account.groups) <= {*found.groups, found.group}:
            return None
        return Change("change", name, {"groups": list(found.groups), "shell": found.shell}, after)

    def apply(self, plan: Plan, writer: Writer) -> None:
        look, host, keepsake = writer.reader.open(self.host), writer.open(self.host), Keepsake(self.key)
        wanted = [a for a in self.accounts if any(c.object == self._object(a) for c in plan.changes)]
        new = {a.name for a in wanted if not isinstance(look.account(a.name), Known)}
        named = {group for account in wanted for group in account.groups}
        missing = sorted(group for group in named | new if not look.group_exists(group))
        # An account's own group comes and normally goes with it, but stays where others joined it.
        keepsake.keep(look, host, (), groups=missing)
        for group in missing:
            if group not in new:
                host.add_group(group)
        for account in wanted:
            if not isinstance(look.account(account.name), Known):
                host.add_account(account.name, account.uid, account.shell)
        for account in wanted:
            found = look.account(account.name)
            assert isinstance(found, Known), account.name
            groups = {*found.value.groups, *account.groups} - {found.value.group}
            if groups != set(found.value.groups) or found.value.shell != account.shell:
                host.change_account(account.name, sorted(groups), account.shell)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        checks = []
        for account in self.accounts:
            fact = facts.accounts[account.name]
            if not isinstance(fact, Known):
                checks.append(Check.equal(f"account {account.name}", "present", "absent"))
                continue
            found = fact.value
            missing = sorted(set(account.groups) - {*found.groups, found.group})
            checks.append(Check.equal(f"account {account.name}, groups missing", [], missing))
            checks.append(Check.equal(f"account {account.name}, shell", account.shell, found.shell))
            if account.uid is not None:
                checks.append(Check.equal(f"account {account.name}, uid", account.uid, found.uid))
        return tuple(checks) or (Check.equal("accounts wanted", 0, 0),)

    def undo(self, plan: Plan, writer: Writer) -> None:
        look, keepsake = writer.reader.open(self.host), Keepsake(self.key)
        record = keepsake.read(look)
        with undoing(self.key):
            host = writer.open(self.host)
            for change in reversed(plan.changes) if record else ():
                name = change.object.removeprefix("account ").removesuffix(f" on {self.server}")
                if not isinstance(look.account(name), Known):
                    continue
                if change.before is None:
                    host.remove_account(name)
                else:
                    host.change_account(name, change.before["groups"], change.before["shell"])
            for group in record["groups"] if record else ():
                if look.group_exists(group):
                    host.remove_group(group)
            keepsake.drop(look, host)

    def _object(self, account: Account) -> str:
        return f"account {account.name} on {self.server}"
