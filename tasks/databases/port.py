"""The narrow port between the database steps and an engine: what they ask of a server, engine by engine.

An engine is one package implementing ReadPort and WritePort plus its line in engines.py. Texts that an
engine makes for itself (definitions, literals of keys, batches of rows) are opaque to the steps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

from core.access import Endpoint
from core.secret import Secret
from tasks.databases.model import (
    WHOLE,
    Account,
    Changes,
    ContentDigest,
    Grant,
    KeyRange,
    Marks,
    ObjectKind,
    Origin,
    Purpose,
    Replication,
    RowBatch,
    RowDigest,
    RowForm,
    SchemaOptions,
    SequenceState,
    Server,
    StoredObject,
    Table,
    WriteState,
)


class CatalogReader(Protocol):
    """What is there."""

    def server(self) -> Server: ...

    def missing_privileges(self, schema: str, purpose: Purpose) -> tuple[str, ...]:
        """The statements that would grant what is missing. Without them "absent" cannot be told."""

    def options(self, schema: str) -> SchemaOptions | None: ...

    def tables(self, schema: str) -> tuple[Table, ...]: ...

    def auto_increment(self, schema: str, table: str) -> int | None:
        """The next number that the table would give out."""

    def objects(self, schema: str) -> tuple[StoredObject, ...]:
        """In an order in which they can be made; views after the views they read."""

    def with_triggers(self, schema: str) -> tuple[str, ...]:
        """Tables on which there are triggers."""

    def unmovable(self, schema: str) -> tuple[str, ...]:
        """Everything in the schema that this engine's package cannot carry, each by name with the reason."""

    def flavour(self) -> str:
        """Which of the engine's kinds of server it is, such as "mariadb" or "mysql"."""

    def between(self, flavours: Callable[[], tuple[str, str]]) -> "ReadPort":
        """This port as one side of a move from the first flavour to the second: where they are not the same,
        its definitions come in the words of the second, and `unmovable` names what has none there.
        """

    def translated(self, schema: str) -> Mapping[str, tuple[str, ...]]:
        """By label what of a definition is said otherwise than this server says it; see `between`."""

    def marks(self, schema: str) -> Marks | None: ...

    def sequences(self, schema: str) -> Mapping[str, SequenceState]:
        """How far each sequence has got."""

    def open_for(self, seconds: int) -> tuple[str, ...]:
        """Transactions that have been open for so long, whatever they do."""


class AccountReader(Protocol):
    def account_names(self) -> frozenset[str]: ...

    def account(self, schema: str, name: str) -> Account | None: ...

    def authentication(self, name: str) -> Secret:
        """How the account proves itself (password hash), for WritePort.create_account."""


class ContentReader(Protocol):
    """Rows: read, digested, compared."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Within it all reads of this port see one consistent moment."""

    def one_reader_because(self) -> str:
        """Why no second port can see the same moment; "" where it can."""

    def snapshot_with(self, others: "Sequence[ReadPort]") -> AbstractContextManager[str]:
        """As `snapshot`, for these ports too; gives the moment's position in the change log, "" if unknown.

        Raises: errors.Unreadable, transient where writers would have been held up for too long.
        """

    def ranges(self, schema: str, table: Table, rows: int, within: KeyRange = WHOLE) -> Iterator[KeyRange]:
        """Cut a range, by default the whole key space (open at both ends), into ranges of `rows` rows."""

    def rows(
        self, schema: str, table: Table, within: KeyRange, form: RowForm = "statement"
    ) -> Iterator[RowBatch]: ...

    def digest(self, schema: str, table: Table, within: KeyRange) -> ContentDigest: ...

    def row_digests(self, schema: str, table: Table, within: KeyRange) -> Iterator[RowDigest]: ...

    def bags(
        self, schema: str, table: Table, signs: int, prefixes: Sequence[str] = ()
    ) -> Mapping[str, ContentDigest]:
        """Count and digest of rows by the first `signs` signs of each row's digest, for tables without a key.

        `prefixes`: only rows whose digest begins so; all where none is given.
        """

    def running(self) -> int:
        """How many statements the server works on now, this one included."""

    def is_empty(self, schema: str, table: str) -> bool: ...

    def answer(self, schema: str, query: str) -> tuple[tuple[str | None, ...], ...]:
        """What one reading query gives, as texts.

        Raises: errors.Refused for anything but a reading query.
        """


class FreezeReader(Protocol):
    def is_frozen(self) -> bool:
        """Whether the settings forbid writing; who is still writing is for `write_state`."""

    def write_state(self) -> WriteState: ...


class ChangeReader(Protocol):
    """What the source's change log says, and on the target what the relay changed."""

    def position(self) -> str:
        """The current end of the change log; "" where the server keeps none."""

    def not_followable(self, schema: str) -> tuple[str, ...]:
        """Each reason why the schema cannot be followed, with the statement that mends it."""

    def changes(self, schema: str, after: str, upto: str = "") -> Iterator[Changes]:
        """Whole transactions in commit order, beginning after a position.

        Ends once `upto` is reached; without it never, and gives row-less Changes at least every 0.2 s.
        Raises: errors.Unreadable, transient where the server or the cable went away.
        """

    def clock(self) -> float:
        """The server's own time, seconds since the epoch; that of `Changes.committed_at`."""

    def lag_bytes(self, position: str) -> int:
        """How much of the change log lies beyond the position."""

    def dirty(self, schema: str, most: int) -> tuple[tuple[str, str], ...]:
        """Table and key literal of rows that the relay changed on this server, at most so many."""

    def key_digests(self, schema: str, table: Table, keys: Sequence[str]) -> Mapping[str, str]:
        """Digest of each row by its key literal; rows that are not there are missing."""


class ReplicaReader(Protocol):
    """A replication that the target's server carries out itself."""

    def replication(self, schema: str) -> Replication | None:
        """On the target: the one that bears our name for the schema."""

    def not_replicable(
        self, schema: str, origin: Origin, source: "ReadPort", source_schema: str
    ) -> tuple[str, ...]:
        """On the target: each reason why its server must not or cannot do it, with what mends it."""

    def lacking_to_replicate(self, user: str) -> tuple[str, ...]:
        """At the source: the statements that would give an account what it lacks, where that can be seen."""

    def replication_place(self, position: str = "") -> str:
        """At the source: a position of its change log (by default its end) as replication names it."""

    def replicated_beyond(self, schema: str, place: str) -> bool:
        """On the target: whether replication has brought more than is before such a place."""


class ReadPort(
    CatalogReader, AccountReader, ContentReader, FreezeReader, ChangeReader, ReplicaReader, Protocol
):
    def close(self) -> None: ...

    def another(self) -> "ReadPort":
        """A further connection to the same server."""


class FollowWriter(Protocol):
    """What the relay writes on the target."""

    def set_position(self, schema: str, position: str) -> None: ...

    def apply_changes(self, schema: str, tables: Mapping[str, Table], batch: Sequence[Changes]) -> int:
        """Whole transactions, their dirty keys and the position after them, in one transaction; rows applied.

        Where the target's own replication carries the rows, waits for it instead and notes the rest.
        Raises: errors.ApplyFailed naming table and key where the target has diverged; nothing is applied.
        """

    def clear_dirty(self, schema: str, keys: Sequence[tuple[str, str]]) -> None: ...

    def set_stage(self, schema: str, stage: str) -> None: ...

    def admit_us(self) -> None:
        """Where a setting that forbids writing stops even us, take that one back; others stay shut out."""


class ReplicaWriter(Protocol):
    """A replication that the target's server carries out itself. Without one the last three do nothing."""

    def begin_replication(self, schema: str, origin: Origin, place: str) -> None:
        """Set it up from a place of the source's log; one that is there already goes on where it stands.

        Raises: errors.ApplyFailed with the server's words; what was made for it is gone again.
        """

    def await_replication(self, schema: str, place: str) -> None:
        """Until it has carried out everything before a place of the source's log.

        Raises: errors.ApplyFailed, transient where only the connection is lost.
        """

    def halt_replication(self, schema: str) -> None:
        """Where it stands; it can go on."""

    def end_replication(self, schema: str) -> None:
        """Take it away, with everything that was set for it."""


class WritePort(FollowWriter, ReplicaWriter, Protocol):
    """Every method journals before each write; dropping what is not there is no error."""

    def close(self) -> None: ...

    def another(self) -> "WritePort":
        """A further connection to the same server, with the same journal."""

    def create_schema(self, schema: str, options: SchemaOptions) -> None: ...

    def change_schema(self, schema: str, options: SchemaOptions) -> None: ...

    def drop_schema(self, schema: str) -> None: ...

    def create_table(self, schema: str, name: str, definition: str) -> None: ...

    def drop_table(self, schema: str, name: str) -> None: ...

    def create_object(self, schema: str, wished: StoredObject) -> None: ...

    def drop_object(self, schema: str, kind: ObjectKind, name: str) -> None: ...

    def advance_sequence(self, schema: str, name: str, state: SequenceState) -> None:
        """So far that it gives out nothing that was given out at `state`; never backwards."""

    def enable_event(self, schema: str, name: str, *, enabled: bool) -> None: ...

    def create_marks(self, schema: str) -> None: ...

    def drop_marks(self, schema: str) -> None: ...

    def begin_table(self, schema: str, table: str) -> None:
        """Mark the table as being copied by us."""

    def row_form(self) -> RowForm:
        """How this server takes rows fastest."""

    def replace_range(
        self, schema: str, table: Table, within: KeyRange, batches: Iterator[RowBatch], fresh: bool = False
    ) -> int:
        """Put these rows in the place of all rows of the range, with the mark, in one transaction.

        The rows come in `row_form`. `fresh`: there are none in the range yet.
        """

    def clear_range(self, schema: str, table: Table, within: KeyRange) -> None: ...

    def put_off_indexes(self, schema: str, table: Table) -> None:
        """Drop what an empty table need not keep up for every row; its mark says what there was."""

    def make_indexes(self, schema: str, table: str) -> None:
        """Make what was put off; the definition is then as before."""

    def raise_auto_increment(self, schema: str, table: str, value: int) -> None: ...

    def finish_table(self, schema: str, table: str, digest: str, position: str = "") -> None:
        """Mark the table as copied whole, with digest and position of the source's content."""

    def empty_table(self, schema: str, table: str) -> None: ...

    def set_refreshed(self, schema: str, value: bool) -> None: ...

    def create_account(self, name: str, authentication: Secret) -> None: ...

    def drop_account(self, name: str) -> None: ...

    def grant(self, schema: str, name: str, grant: Grant) -> None: ...

    def revoke(self, schema: str, name: str, grant: Grant) -> None: ...

    def restrict_writes(self, settings: Mapping[str, str], wait_s: int) -> None:
        """Set what forbids writing; waits at most `wait_s` seconds for running writers.

        Raises: errors.ApplyFailed (transient) naming the writers still running.
        """


DatabaseServer: TypeAlias = Endpoint[ReadPort, WritePort]
