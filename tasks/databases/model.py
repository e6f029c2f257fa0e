"""What databases and their servers are to the steps, engine by engine alike: values, no behaviour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from core.plan import sha256_json
from inventory.secrets import SecretSource

Purpose: TypeAlias = Literal[
    "copy-from", "copy-to", "accounts-from", "accounts-to", "freeze", "follow-from", "return-to",
    "replicate-from", "replicate-to",
]  # fmt: skip
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
    nullable: bool = True


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
    replicated: bool = False
    """The target's own replication carries the rows; a relay only notes what it brought."""

    @property
    def moved_on(self) -> bool:
        """Whether changes have come since the copied moment: also of a follower killed in its first pass."""
        return any(mark.position not in ("", self.position) for mark in self.tables.values() if self.position)


@dataclass(frozen=True)
class Origin:
    """How the target reaches the source, for a replication of its own."""

    host: str
    port: int
    user: str
    password: SecretSource
    tls: bool = False
    ca: str = ""
    """File on the target server by which the source's certificate is checked; "" = it is not."""

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Replication:
    """The target's own replication as its server tells; `trouble` is without values of rows."""

    name: str
    address: str
    user: str
    connected: bool
    stopped: bool
    """One of its threads is not at work; one that tries to connect is."""
    filtered: bool
    """Whether only our schema may arrive."""
    executed: str
    """Up to where of the source's change log; "" while that is not known."""
    trouble: str = ""


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
