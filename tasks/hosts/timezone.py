"""The time zone of a host: the link /etc/localtime and the name in /etc/timezone."""

from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check
from core.errors import Refused
from core.facts import ABSENT, Fact, Known
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from tasks.hosts.ports import FileState, HostEndpoint
from tasks.hosts.undoing import undoing

LINK = "/etc/localtime"
NAME = "/etc/timezone"
ZONES = "/usr/share/zoneinfo"


@dataclass(frozen=True)
class TimezoneFacts:
    timezone: Fact[str]
    link: str | None
    name: str | None
    zone: Fact[FileState]


@dataclass(frozen=True, kw_only=True)
class SetTimezone(Step[TimezoneFacts]):
    """Wants the host's clock shown in a zone, for running programs (/etc/localtime) and packages alike."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    server: str
    timezone: str
    host: HostEndpoint

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "sets the zone before; programs that run keep theirs until restarted")

    def inspect(self, reader: Reader) -> TimezoneFacts:
        look = reader.open(self.host)
        link, name = look.file(LINK), look.read_file(NAME)
        return TimezoneFacts(
            timezone=look.timezone(),
            link=link.value.target if isinstance(link, Known) else None,
            name=name.value.decode(errors="replace") if isinstance(name, Known) else None,
            zone=look.file(f"{ZONES}/{self.timezone}"),
        )

    def plan(self, facts: TimezoneFacts) -> Plan:
        if facts.timezone == Known(self.timezone) and facts.name == f"{self.timezone}\n":
            return Plan(nothing_because=f"{self.server} is in {self.timezone}")
        if facts.zone == ABSENT:
            raise Refused(
                f"{self.server} does not know the time zone {self.timezone!r}",
                why="The name is wrong, or the host lacks the package tzdata.",
                next_command=f"ssh {self.host.address.partition(':')[0]} apt-get install tzdata",
            )
        before = {
            "timezone": facts.timezone.value if isinstance(facts.timezone, Known) else None,
            "link": facts.link,
            "name": facts.name,
        }
        change = Change("change", f"time zone of {self.server}", before, {"timezone": self.timezone})
        return Plan((change,), duration=Duration(1, 5))

    def apply(self, plan: Plan, writer: Writer) -> None:
        host = writer.open(self.host)
        for _ in plan.changes:
            host.link(LINK, f"{ZONES}/{self.timezone}")
            host.put_file(NAME, f"{self.timezone}\n".encode(), mode="644", owner="root", group="root")

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        zone = facts.timezone.value if isinstance(facts.timezone, Known) else "none"
        return (
            Check.equal(LINK, self.timezone, zone),
            Check.equal(NAME, self.timezone, (facts.name or "").strip()),
        )

    def undo(self, plan: Plan, writer: Writer) -> None:
        with undoing(self.key):
            host = writer.open(self.host)
            for change in plan.changes:
                if change.before["link"] is None:
                    host.remove([LINK], LINK)
                else:
                    host.link(LINK, change.before["link"])
                if change.before["name"] is None:
                    host.remove([NAME], NAME)
                else:
                    text = change.before["name"].encode()
                    host.put_file(NAME, text, mode="644", owner="root", group="root")
