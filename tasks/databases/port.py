"""The narrow port between the database steps and an engine: what they ask of a server, engine by engine.

An engine is one package implementing ReadPort and WritePort plus its line in engines.py. Texts that an
engine makes for itself (definitions, literals of keys, batches of rows) are opaque to the steps.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from core.access import Endpoint
from core.plan import sha256_json
from core.secret import Secret

Purpose: TypeAlias = Literal[
    "copy-from", "copy-to", "accounts-from", "accounts-to", "freeze", "follow-from", "return-to"
]
"""What privileges are looked at for."""

ObjectKind: TypeAlias = Literal[
    "sequence", "function", "procedure", "package", "package body", "view", "trigger", "event"
]


@dataclass(frozen=True)
class Server:
    """What a server says of itself."""

    flavour: str
    version: str
    account: str
    """Who we are there, as name@host."""
    read_only: bool
    settings: Mapping[str, str]


@dataclass(frozen=True)
class SchemaOptions:
    charset: str
    collation: str


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    """Lower-case base type, such as "varchar"."""
    charset: str = ""
    collation: str = ""
    generated: bool = False
    extra: str = ""


@dataclass(frozen=True)
class Table:
    """A table as it is: its normalised definition, and what is needed to carry its rows."""

    name: str
    definition: str
    """Without volatile parts such as the next auto-increment value."""
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    """Columns that name every row uniquely, by which it is cut into ranges; () where there are none."""
    engine: str
    rows_estimate: int
    size_bytes: int
    auto_increment: int | None = None


@dataclass(frozen=True)
class StoredObject:
    """Anything but a table; `definition` without its definer, events always as disabled."""

    kind: ObjectKind
    name: str
    definition: str
    definer: str
    settings: Mapping[str, str]
    """What its text depends on: sql_mode, character set, collation, time zone."""
    enabled: bool = True
    table: str = ""
    """The table that a trigger belongs to."""
    order: int = 0
    """Among the triggers of one event: which comes first."""

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class SequenceState:
    """How far a sequence has got: `next` was not given out yet, and nothing beyond it."""

    next: int
    step: int
    last: int
    """The bound it runs into."""
    round: int = 0

    def is_behind(self, other: "SequenceState") -> bool:
        if self.round != other.round:
            return self.round < other.round
        return self.next < other.next if other.step > 0 else self.next > other.next


@dataclass(frozen=True)
class Grant:
    """Privileges on a schema ("*") or on one thing in it; or a role, as MEMBER on "ROLE name"."""

    privileges: tuple[str, ...]
    on: str
    grantable: bool = False
    role: str = ""
    """The account label of the role that it gives."""

    def __str__(self) -> str:
        option = " WITH GRANT OPTION" if self.grantable else ""
        return f"{', '.join(self.privileges)} ON {self.on}{option}"


@dataclass(frozen=True)
class Account:
    """An account with its rights in one schema; of its authentication a digest only."""

    name: str
    authentication_digest: str
    grants: tuple[Grant, ...]
    left_behind: tuple[str, ...]
    """Rights outside the schema, which do not move."""


@dataclass(frozen=True)
class KeyRange:
    """Rows with after < key <= upto; an open end is None. Bounds are literals in the engine's own form."""

    after: tuple[str, ...] | None = None
    upto: tuple[str, ...] | None = None


WHOLE = KeyRange()


@dataclass(frozen=True)
class ContentDigest:
    """Count and strong digest of rows, independent of their order; digests of disjoint ranges add up."""

    rows: int = 0
    sums: tuple[int, ...] = ()

    def __add__(self, other: "ContentDigest") -> "ContentDigest":
        longest = max(len(self.sums), len(other.sums))
        mine, theirs = (s + (0,) * (longest - len(s)) for s in (self.sums, other.sums))
        return ContentDigest(self.rows + other.rows, tuple(a + b for a, b in zip(mine, theirs, strict=True)))

    def __str__(self) -> str:
        # As hex of a hash: the sums themselves grow with the number of rows.
        sums = [str(s) for s in self.sums] if any(self.sums) else []
        return f"{self.rows} rows {sha256_json(sums)[:32]}"


@dataclass(frozen=True)
class RowDigest:
    """One row by its key, as literals in the engine's own form and as people would write it."""

    key: tuple[str, ...]
    label: str
    digest: str


RowForm: TypeAlias = Literal["statement", "stream"]
"""How rows travel: as parts of statements, or as the engine's bulk load takes them."""


@dataclass(frozen=True)
class RowBatch:
    """Some rows, encoded by the reading engine for the writing one; of a stream also parts of rows."""

    rows: int
    payload: bytes


@dataclass(frozen=True)
class Mark:
    """On the target, per table: its content is our copy; `digest` of the source's content once done."""

    state: Literal["copying", "done"]
    digest: str = ""
    position: str = ""
    """Of the moment copied, in the source's change log."""
    bare: str = ""
    """The table's definition while its indexes are put off, and `whole` what it will be again."""
    whole: str = ""


@dataclass(frozen=True)
class Marks:
    tables: Mapping[str, Mark] = field(default_factory=dict)
    refreshed: bool = False
    position: str = ""
    """Of the source's change log: up to there the target holds its content."""
    stage: str = ""
    """How far a schema that is followed has got: "" | "followed" | "ready" | "drained"; or "returning"."""


@dataclass(frozen=True)
class RowChange:
    """One row that a transaction changed; its values are opaque to the steps."""

    table: str
    kind: Literal["insert", "update", "delete"]
    before: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()
    foreign_key_checks: bool = True


@dataclass(frozen=True)
class Changes:
    """One committed transaction of the source, or (no rows) how far its log was read meanwhile."""

    position: str
    """Of the source's log just after it."""
    committed_at: float
    """By the source's clock, seconds since the epoch; 0.0 unknown."""
    size_bytes: int
    rows: Sequence[RowChange] = ()
    """In the order in which they were changed; of a large transaction read from a file as they are used."""


@dataclass(frozen=True)
class WriteState:
    """Who could still write to a server."""

    settings: Mapping[str, str]
    """The settings that forbid writing, as they are ("ON" | "OFF")."""
    writing: tuple[str, ...]
    """Open transactions that have changed rows, each by an identity of its own."""
    bypassing: tuple[str, ...]
    """Connected sessions, ours aside, that the settings do not stop."""

    @property
    def frozen(self) -> bool:
        return all(value == "ON" for value in self.settings.values())


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

    def unmovable(self, schema: str) -> tuple[str, ...]:
        """Everything in the schema that this engine's package cannot carry, each by name with the reason."""

    def unknown_to(self, schema: str, flavour: str) -> tuple[str, ...]:
        """What a server of another flavour does not know, each thing by name, with what it would become."""

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

    def lag_bytes(self, position: str) -> int:
        """How much of the change log lies beyond the position."""

    def dirty(self, schema: str, most: int) -> tuple[tuple[str, str], ...]:
        """Table and key literal of rows that the relay changed on this server, at most so many."""

    def key_digests(self, schema: str, table: Table, keys: Sequence[str]) -> Mapping[str, str]:
        """Digest of each row by its key literal; rows that are not there are missing."""


class ReadPort(CatalogReader, AccountReader, ContentReader, FreezeReader, ChangeReader, Protocol):
    def close(self) -> None: ...

    def another(self) -> "ReadPort":
        """A further connection to the same server."""


class FollowWriter(Protocol):
    """What the relay writes on the target."""

    def set_position(self, schema: str, position: str) -> None: ...

    def apply_changes(self, schema: str, tables: Mapping[str, Table], batch: Sequence[Changes]) -> int:
        """Whole transactions, their dirty keys and the position after them, in one transaction; rows applied.

        Raises: errors.ApplyFailed naming table and key where the target has diverged; nothing is applied.
        """

    def clear_dirty(self, schema: str, keys: Sequence[tuple[str, str]]) -> None: ...

    def set_stage(self, schema: str, stage: str) -> None: ...

    def admit_us(self) -> None:
        """Where a setting that forbids writing stops even us, take that one back; others stay shut out."""


class WritePort(FollowWriter, Protocol):
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
