"""Applications whose software is not carried out yet: refused by name."""

from dataclasses import dataclass

from core.access import Reader
from core.checks import Check
from core.errors import Refused
from core.step import ReadingStep
from tasks.software.registry import NOT_YET


@dataclass(frozen=True, kw_only=True)
class RefuseSoftware(ReadingStep[None]):
    """Stands in the graph for work this version cannot do, so that it is seen and blocks what needs it."""

    key: str
    needs: tuple[str, ...] = ()
    item: str = ""
    software: str

    def inspect(self, reader: Reader) -> None:
        raise self._refusal()

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        raise self._refusal()

    def _refusal(self) -> Refused:
        return Refused(
            f"application {self.item}: software {self.software!r} is not carried out by this version",
            why=f"{NOT_YET[self.software]} Move it by hand, or take it off the migration list.",
            next_command="qianyun check PROJECT",
        )
