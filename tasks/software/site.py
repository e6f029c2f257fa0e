"""An application set to work on the target: its site's file, the services, and an answer over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.access import Reader, Writer
from core.checks import Check, Status
from core.errors import ApplyFailed, Unreadable
from core.facts import Fact
from core.plan import Change, Duration, Plan, sha256_json
from core.step import Reversal, Step
from tasks.hosts.keep import Keepsake
from tasks.hosts.ports import HostEndpoint, HostReader, HostWriter, Service
from tasks.hosts.undoing import undoing
from tasks.software import services
from tasks.software.content import MoveContent
from tasks.software.place import Place, place, sha256, wanted_text
from tasks.software.registry import SOFTWARE
from tasks.software.software import Software
from tasks.software.web import Answer, WebEndpoint, WebReader

ANSWER_S = 90.0


@dataclass(frozen=True)
class SiteFacts:
    """What the target has of the site; `wanted_sha256` is of the source's file with substitutions, or ""."""

    wanted_sha256: str
    file_sha256: str
    link: str
    retired: tuple[str, ...]
    services: Mapping[str, Fact[Service]]
    activated: str


@dataclass(frozen=True, kw_only=True)
class ConfigureSite(Step[SiteFacts]):
    """Wants an application configured, its services running and started with the host, and answering.

    `move` is the step that moved its files: they must still be equal when the application is proved.
    """

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    server: str
    software: tuple[str, ...]
    site: str
    health: str
    move: MoveContent
    source: HostEndpoint
    target: HostEndpoint
    web: WebEndpoint

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "puts back the configuration before and stops what was not running")

    def inspect(self, reader: Reader) -> SiteFacts:
        target, where = reader.open(self.target), self._place()
        record = Keepsake(self.key).read(target) or {}
        return SiteFacts(
            wanted_sha256=sha256(self._text(reader.open(self.source))),
            file_sha256=where.file_sha256(target) if where else "",
            link=where.linked_to(target) if where else "",
            retired=where.still_enabled(target) if where else (),
            services=services.states(target, self._parts()),
            activated=str(record.get("activated", "")),
        )

    def plan(self, facts: SiteFacts) -> Plan:
        # The host notes which configuration was last loaded: equal files alone do not say it was.
        pending = facts.activated != self._activation(facts.wanted_sha256)
        where = self._place()
        changes = list(self._file_changes(where, facts, pending)) if where else []
        for name, fact in facts.services.items():
            if pending or changes or not services.works(fact):
                after = {"running": True, "enabled": True, "configuration": "loaded"}
                changes.append(Change("run", f"service of {name} on {self.server}", None, after))
        if not changes:
            return Plan(nothing_because=f"{self.item} is configured and running on {self.server}")
        return Plan(tuple(changes), duration=Duration(10, 60))

    def _file_changes(self, where: Place, facts: SiteFacts, pending: bool) -> list[Change]:
        changes = []
        if facts.file_sha256 != facts.wanted_sha256:
            before = {"sha256": facts.file_sha256} if facts.file_sha256 else None
            after = {"sha256": facts.wanted_sha256}
            name = f"{where.file} on {self.server}"
            changes.append(Change("change" if before else "create", name, before, after))
        if facts.link != where.file:
            changes.append(Change("create", f"{where.link} on {self.server}", None, {"link": where.file}))
        # Its package brings the default site only when it is installed, so it is planned either way.
        for path in where.retired:
            if pending or path in facts.retired:
                changes.append(Change("delete", f"{path} on {self.server}"))
        return changes

    def apply(self, plan: Plan, writer: Writer) -> None:
        look, host, keepsake = writer.reader.open(self.target), writer.open(self.target), Keepsake(self.key)
        text, where = self._text(writer.reader.open(self.source)), self._place()
        found = services.require(look, self._parts(), self.server)
        record = keepsake.keep(
            look,
            host,
            where.paths if where else (),
            activated="",
            services={s.name: {"running": s.running, "enabled": s.enabled} for s in found.values()},
        )
        if record["activated"]:
            # Taken back first: a crash from here on must find work left to do.
            keepsake.write(look, host, {**record, "activated": ""})
        if where:
            where.enable(look, host, text)
        for part in self._parts():
            self._test(look, host, part, where, text)
            services.take_up(host, part, found[part.name])
        self._wait_for_answer(writer.reader.open(self.web), text)
        keepsake.write(look, host, {**record, "activated": self._activation(sha256(text))})

    def _test(
        self, look: HostReader, host: HostWriter, part: Software, where: Place | None, text: bytes
    ) -> None:
        """Only a configuration its server accepts is loaded; another is withdrawn."""
        try:
            if argv := part.check(look.packages()):
                host.check_configuration(argv)
            if part.site and where:
                where.require_sockets(look, text)
        except ApplyFailed:
            Keepsake(self.key).give_back(look, host)
            raise

    def _wait_for_answer(self, web: WebReader, text: bytes) -> None:
        last = "no answer"

        def answers() -> bool:
            nonlocal last
            try:
                answer = self._ask(web, text)
            except Unreadable as error:
                last = error.detail
                return False
            last = f"status {answer.status}"
            return answer.status == 200

        if not services.until(ANSWER_S, answers):
            raise ApplyFailed(
                f"{self.item} does not answer 200 at {self.web.address}{self.health}: {last}",
                why=f"It was waited for {ANSWER_S:.0f} s; the log of the service on {self.server} says more.",
                next_command=f"curl -v {self.web.address}{self.health}",
            )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts, where = self.inspect(reader), self._place()
        checks = services.checks(facts.services)
        if where:
            checks.append(Check.equal(f"{where.file}, sha256", facts.wanted_sha256, facts.file_sha256))
            checks.append(Check.equal(where.link, where.file, facts.link))
            checks.append(Check.equal("sites of the package still enabled", (), facts.retired))
        name = f"GET {self.web.address}{self.health}"
        try:
            answer = self._ask(reader.open(self.web), self._text(reader.open(self.source)))
            checks.append(Check.equal(name, 200, answer.status))
        except Unreadable as error:
            checks.append(Check(name, Status.FAIL, "200", error.detail))
        return (*checks, *self.move.checks(reader))

    def undo(self, plan: Plan, writer: Writer) -> None:
        look, keepsake = writer.reader.open(self.target), Keepsake(self.key)
        record = keepsake.read(look)
        with undoing(self.key):
            host = writer.open(self.target)
            if record:
                keepsake.give_back(look, host)
                services.put_back(look, host, self._parts(), record["services"])
            keepsake.drop(look, host)

    def _ask(self, web: WebReader, text: bytes) -> Answer:
        where = self._place()
        return web.get(self.health, where.layout.host_name(text.decode(errors="replace")) if where else "")

    def _text(self, source: HostReader) -> bytes:
        return wanted_text(source, self.item, self._place(), self.move.content.substitutions)

    def _parts(self) -> tuple[Software, ...]:
        return tuple(SOFTWARE[name] for name in self.software)

    def _place(self) -> Place | None:
        return place(self._parts(), self.site)

    def _activation(self, wanted_sha256: str) -> str:
        return sha256_json([self.software, self.site, wanted_sha256])
