"""Which schema moves from where to where, and what all its steps ask first."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.access import Reader
from core.errors import Refused, Unreadable
from core.plan import Duration
from tasks.databases.estimate import UNMEASURED, Rates
from tasks.databases.leaving import without
from tasks.databases.model import Origin, Purpose, StoredObject, Table
from tasks.databases.port import DatabaseServer, ReadPort

# Assumed, by table size: half of what a busy 2-core machine did with MariaDB 10.11 at both ends and a table
# with three secondary indexes (54 MB: copied at 20 MB/s, compared at 55 MB/s); the worst is thrice that.
_COPY_BYTES_PER_S = 10_000_000
_DIGEST_BYTES_PER_S = 25_000_000
_SLOWEST = 3.0
_TABLE_S = 0.05
# What a sample of the source cannot tell: the target writes rows and makes indexes, which took 5.6 times
# the reading (54 MB with three secondary indexes, MariaDB 10.11); what lies beyond the sample may be cold.
_WRITING = 6.0
_UNMEASURED = 2.0


@dataclass(frozen=True, kw_only=True)
class Move:
    """One schema on its way from a source to a target server."""

    source: DatabaseServer
    source_schema: str
    target: DatabaseServer
    target_schema: str
    accounts: tuple[str, ...] = ()
    """Accounts (name@host) that move with it."""
    left_out: tuple[str, ...] = ()
    """Labels ("table x") of what stays behind, by decision of the inventory."""
    replicate_from: Origin | None = None
    """Where the target reaches the source itself: then its own replication carries the rows."""

    @property
    def from_label(self) -> str:
        return f"{self.source.address}/{self.source_schema}"

    @property
    def to_label(self) -> str:
        return f"{self.target.address}/{self.target_schema}"

    def open_source(self, reader: Reader, purpose: Purpose = "copy-from") -> ReadPort:
        port = open_with(reader, self.source, self.source_schema, purpose)
        return without(self._crossing(reader, port), self.left_out)

    def open_source_itself(self, reader: Reader, purpose: Purpose = "copy-from") -> ReadPort:
        """As `open_source`, its definitions in its own words even where the target speaks in others."""
        return without(open_with(reader, self.source, self.source_schema, purpose), self.left_out)

    def open_target(self, reader: Reader, purpose: Purpose = "copy-to") -> ReadPort:
        return self._crossing(reader, open_with(reader, self.target, self.target_schema, purpose))

    def look_at_target(self, reader: Reader) -> ReadPort:
        """As `open_target`, where what our account may do there is known already."""
        return self._crossing(reader, reader.open(self.target))

    def _crossing(self, reader: Reader, port: ReadPort) -> ReadPort:
        """Both sides speak of definitions in the target's words."""
        return port.between(lambda: (reader.open(self.source).flavour(), reader.open(self.target).flavour()))

    def refuse_unless_possible(self, source_port: ReadPort, target_port: ReadPort) -> None:
        """What no step of the move could do anything about.

        Raises: errors.Refused
        """
        target = target_port.server()
        if self.source == self.target:
            raise Refused(
                f"{self.from_label} and {self.to_label} are on the same server",
                why="The target would be read within the source's snapshot; that is no migration either.",
            )
        if target.read_only:
            raise Refused(
                f"{self.target.address} is set read-only",
                why="Nothing can be written there; was it frozen by an earlier cutover?",
                next_command="SET GLOBAL read_only = 0;  # on the target, if it is meant to be written",
            )

    def wished_objects(self, found: Iterable[StoredObject], reader: Reader) -> tuple[StoredObject, ...]:
        """The source's objects as they shall be on the target: a definer not there becomes our account.

        Raises: errors.Refused where a text names the schema and the schema changes its name.
        """
        found = tuple(found)
        if self.source_schema != self.target_schema:
            named = re.compile(rf"(?<!\w){re.escape(self.source_schema)}(?!\w)`?\s*\.", re.IGNORECASE)
            if stuck := [o.label for o in found if named.search(o.definition)]:
                raise Refused(
                    f"{', '.join(stuck)}: their texts name schema {self.source_schema},"
                    f" which is {self.target_schema} on the target",
                    why="They would go on reading the old name; texts are never rewritten by guessing.",
                )
        if not found:
            return ()
        target = self.open_target(reader, "accounts-from")
        keeps = target.account_names() | set(self.accounts)
        ours = target.server().account
        return tuple(o if not o.definer or o.definer in keeps else replace(o, definer=ours) for o in found)


def open_with(reader: Reader, server: DatabaseServer, schema: str, purpose: Purpose) -> ReadPort:
    """Open for reading, sure to see everything: with too few privileges things only look absent.

    Raises: errors.Unreadable naming the GRANT to run.
    """
    port = reader.open(server)
    if missing := port.missing_privileges(schema, purpose):
        raise Unreadable(
            f"{server.address}/{schema}: privileges are missing ({purpose})",
            why="What they hide would look absent. Let an administrator of that server run:",
            next_command="\n    ".join(missing),
        )
    return port


def copy_time(tables: list[Table], rates: Rates = UNMEASURED) -> Duration:
    """Copying and digesting, by what the source was measured to give out or else the rates above."""
    size = sum(table.size_bytes for table in tables)
    if not rates.read_p50:
        p50 = len(tables) * _TABLE_S + size / _COPY_BYTES_PER_S + size / _DIGEST_BYTES_PER_S
        return Duration(p50, p50 * _SLOWEST)
    p50 = len(tables) * _TABLE_S + size / rates.read_p50 * _WRITING + size / rates.digest_p50
    p90 = len(tables) * _TABLE_S + size / rates.read_p90 * _WRITING + size / rates.digest_p90
    return Duration(p50, p90 * _UNMEASURED)


def compare_time(tables: list[Table], rates: Rates = UNMEASURED) -> Duration:
    """Both servers digest at the same time; the target is taken to be no slower."""
    size, fixed = sum(table.size_bytes for table in tables), len(tables) * _TABLE_S
    if not rates.digest_p50:
        p50 = fixed + size / _DIGEST_BYTES_PER_S
        return Duration(p50, p50 * _SLOWEST)
    return Duration(fixed + size / rates.digest_p50, (fixed + size / rates.digest_p90) * _UNMEASURED)
