"""CompareFollowed: the copy as proof; once the relay has moved on, only what is on its way may differ."""

from dataclasses import dataclass, replace

from core.access import Reader
from core.checks import Check, Status
from tasks.databases.compare import CompareDatabase, row_check
from tasks.databases.comparison import Pace, Verdict
from tasks.databases.dirty import sides
from tasks.databases.model import Marks

_IMPATIENT = Pace(tries=1, wait_s=0.2, patience_s=0.0)
"""Nobody applies changes while this step looks: waiting for the target to follow would be in vain."""


@dataclass(frozen=True, kw_only=True)
class CompareFollowed(CompareDatabase):
    """Rows that changed at the source since the last that was applied prove nothing and do not fail.

    The cutover's readiness applies them and proves them one by one. Where nothing is on its way, every
    difference fails.
    """

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        source, target = sides(self.move, reader)
        marks = target.port.marks(target.schema) or Marks()
        if not (marks.stage or marks.replicated or marks.moved_on):
            return super().verify(reader)
        on_its_way = source.port.lag_bytes(marks.position) > 0
        checks, pairs = self.definitions(reader)
        comparison = replace(self.comparison, followed=True, pace=_IMPATIENT)
        for result in comparison.run(reader, pairs, marks, lambda done, total, unit: None):
            check = row_check(result)
            if on_its_way and result.verdict is Verdict.CHANGING:
                actual = f"{check.actual} (changed at the source since, to be applied and proved)"
                check = replace(check, status=Status.PASS, actual=actual)
            checks.append(check)
        return tuple(checks) or (Check(f"schema {self.move.to_label}", Status.UNKNOWN, "tables", "none"),)
