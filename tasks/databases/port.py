"""The narrow port between the database steps and an engine: what they ask of a server, engine by engine.

An engine is one package implementing ReadPort and WritePort plus its line in engines.py. Texts that an
engine makes for itself (definitions, literals of keys, batches of rows) are opaque to the steps.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from core.access import Endpoint
from core.plan import sha256_json
from core.secret import Secret

Purpose: TypeAlias = Literal["copy-from", "copy-to", "accounts-from", "accounts-to", "freeze"]
"""What privileges are looked at for."""

ObjectKind: TypeAlias = Literal["function", "procedure", "view", "trigger", "event"]


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
    """A view, routine, trigger or event; `definition` without its definer, events always as disabled."""

    kind: ObjectKind
    name: str
    definition: str
    definer: str
    settings: Mapping[str, str]
    """What its text depends on: sql_mode, character set, collation, time zone."""
    enabled: bool = True
    table: str = ""
    """The table that a trigger belongs to."""

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Grant:
    """Privileges on a schema ("*") or on one thing in it."""

    privileges: tuple[str, ...]
    on: str
    grantable: bool = False

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
class RowBatch:
    """Some rows, encoded by the reading engine for the writing one."""

    rows: int
    payload: bytes


@dataclass(frozen=True)
class Mark:
    """On the target, per table: its content is our copy; `digest` of the source's content once done."""

    state: Literal["copying", "done"]
    digest: str = ""


@dataclass(frozen=True)
class Marks:
    tables: Mapping[str, Mark] = field(default_factory=dict)
    refreshed: bool = False


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

    def marks(self, schema: str) -> Marks | None: ...


class AccountReader(Protocol):
    def account_names(self) -> frozenset[str]: ...

    def account(self, schema: str, name: str) -> Account | None: ...

    def authentication(self, name: str) -> Secret:
        """How the account proves itself (password hash), for WritePort.create_account."""


class ContentReader(Protocol):
    """Rows: read, digested, compared."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Within it all reads of this port see one consistent moment."""

    def ranges(self, schema: str, table: Table, rows: int) -> Iterator[KeyRange]:
        """Cut the whole key space (open at both ends) into ranges of about `rows` rows."""

    def rows(self, schema: str, table: Table, within: KeyRange) -> Iterator[RowBatch]: ...

    def digest(self, schema: str, table: Table, within: KeyRange) -> ContentDigest: ...

    def row_digests(self, schema: str, table: Table, within: KeyRange) -> Iterator[tuple[str, str]]:
        """Key (for people) and digest of each row."""

    def is_empty(self, schema: str, table: str) -> bool: ...

    def answer(self, schema: str, query: str) -> tuple[tuple[str | None, ...], ...]:
        """What one reading query gives, as texts.

        Raises: errors.Refused for anything but a reading query.
        """


class FreezeReader(Protocol):
    def is_frozen(self) -> bool:
        """Whether the settings forbid writing; who is still writing is for `write_state`."""

    def write_state(self) -> WriteState: ...


class ReadPort(CatalogReader, AccountReader, ContentReader, FreezeReader, Protocol):
    def close(self) -> None: ...


class WritePort(Protocol):
    """Every method journals before each write; dropping what is not there is no error."""

    def close(self) -> None: ...

    def create_schema(self, schema: str, options: SchemaOptions) -> None: ...

    def change_schema(self, schema: str, options: SchemaOptions) -> None: ...

    def drop_schema(self, schema: str) -> None: ...

    def create_table(self, schema: str, name: str, definition: str) -> None: ...

    def drop_table(self, schema: str, name: str) -> None: ...

    def create_object(self, schema: str, wished: StoredObject) -> None: ...

    def drop_object(self, schema: str, kind: ObjectKind, name: str) -> None: ...

    def create_marks(self, schema: str) -> None: ...

    def drop_marks(self, schema: str) -> None: ...

    def begin_table(self, schema: str, table: str) -> None:
        """Mark the table as being copied by us."""

    def replace_range(self, schema: str, table: Table, within: KeyRange, batches: Iterator[RowBatch]) -> int:
        """Put these rows in the place of all rows of the range, with the mark, in one transaction."""

    def raise_auto_increment(self, schema: str, table: str, value: int) -> None: ...

    def finish_table(self, schema: str, table: str, digest: str) -> None:
        """Mark the table as copied whole, with the digest of the source's content."""

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
