"""Row changes of the source as statements for the target, in their order; runs of inserts become one."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tasks.databases.model import Column, RowChange, Table
from tasks.databases.mysql import cascades, keys
from tasks.databases.mysql.quoting import marks_schema, name, names, text

LAX = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"
STRICT = f"STRICT_ALL_TABLES,{LAX}"
_INSERT_BYTES = 256 << 10
_DIRTY_AT_ONCE = 5000
_LONG = 1024
"""Longer values that did not change are not sent again."""


@dataclass
class Statement:
    """One statement and what it must do."""

    sql: bytes
    rows: int | None = None
    """How many rows it must change; None where that says nothing."""
    table: str = ""
    kind: str = ""
    keys: list[str] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    """Of an INSERT, row by row."""
    into: bytes = b""
    """Of an INSERT, what stands before the rows."""

    def alone(self) -> Iterator["Statement"]:
        """An INSERT of many rows as one of each."""
        for key, row in zip(self.keys, self.values, strict=True):
            yield Statement(self.into + row, 1, self.table, self.kind, [key], [row], self.into)


class Unfit(Exception):
    """The target's table cannot take the change at all."""

    def __init__(self, table: str, found: str) -> None:
        super().__init__(table, found)
        self.table, self.found = table, found


@dataclass(frozen=True)
class _Shape:
    """What is needed of a table for every row."""

    table: Table
    columns: tuple[Column, ...]
    key: tuple[int, ...]
    name: bytes
    into: bytes
    enums: tuple[int, ...]


class Statements:
    """Makes the statements; notes on the way which keys become dirty, and counts the changes."""

    def __init__(self, schema: str, tables: Mapping[str, Table]) -> None:
        self._schema, self._tables = schema, tables
        self._shapes: dict[str, _Shape] = {}
        self._cascades = cascades.by_parent(tables)
        self._dirty: dict[tuple[str, str], None] = {}
        self._checks: bool | None = None
        self.applied = 0

    def of(self, changes: Iterable[RowChange]) -> Iterator[Statement]:
        """Raises: Unfit"""
        run: Statement | None = None
        size = 0
        for change in changes:
            if len(self._dirty) >= _DIRTY_AT_ONCE:
                yield from self.noted()
            shape = self._shape(change.table)
            self._note(shape, change)
            lax = any(change.after[n] == b"0" for n in shape.enums) if change.after else False
            joins = change.kind == "insert" and not lax and change.foreign_key_checks == self._checks
            if run and not (joins and change.table == run.table and size < _INSERT_BYTES):
                yield _joined(run)
                run = None
            if change.foreign_key_checks != self._checks:
                self._checks = change.foreign_key_checks
                yield Statement(b"SET SESSION foreign_key_checks = %d" % self._checks)
            if change.kind == "insert" and not lax:
                if run is None:
                    run, size = Statement(b"", 0, change.table, "insert", into=shape.into), 0
                run.values.append(_row(change))
                run.keys.append(_key(shape, change.after))
                size += len(run.values[-1])
            else:
                yield from self._alone(shape, change, lax)
        if run:
            yield _joined(run)

    def noting(self, changes: Iterable[RowChange]) -> Iterator[Statement]:
        """Of changes that are there already only the notes. Raises: Unfit"""
        for change in changes:
            if len(self._dirty) >= _DIRTY_AT_ONCE:
                yield from self.noted()
            shape = self._shape(change.table)
            self._note(shape, change)
            for path in self._acting(shape, change):
                # Which rows went along can no longer be told: the whole table is compared.
                self._dirty[path[-1].child.name, keys.WHOLE_TABLE] = None

    def _alone(self, shape: _Shape, change: RowChange, lax: bool) -> Iterator[Statement]:
        yield from self._along(shape, change, change.before)
        if lax:
            # The '' of an invalid ENUM can only be written where warnings are no errors.
            yield Statement(f"SET SESSION sql_mode = {text(LAX)}".encode())
        yield _single(shape, change)
        if lax:
            yield Statement(f"SET SESSION sql_mode = {text(STRICT)}".encode())
        yield from self._along(shape, change, change.after)

    def _along(self, shape: _Shape, change: RowChange, values: Sequence[bytes]) -> Iterator[Statement]:
        """What notes the rows that foreign keys change along: by their keys before, and those after."""
        if not values:
            return
        for path in self._acting(shape, change):
            if note := cascades.noting(self._schema, path, shape.columns, values):
                yield Statement(note, table=path[-1].child.name)

    def _acting(self, shape: _Shape, change: RowChange) -> Iterator[cascades.Path]:
        """The ways on which foreign keys change other rows along."""
        acting = change.table in self._cascades and change.foreign_key_checks
        if not acting or change.kind == "insert":
            return
        moved = {
            column.name
            for n, column in enumerate(shape.columns)
            if not change.after or change.before[n] != change.after[n]
        }
        yield from cascades.paths(self._cascades, change.table, change.kind == "delete", moved)

    def noted(self) -> Iterator[Statement]:
        """What writes down the keys that became dirty."""
        into = f"INSERT IGNORE INTO {names(marks_schema(self._schema), keys.DIRTY)}"
        head = f"{into} (table_name, key_hash, key_literal) VALUES ".encode()
        rows: list[bytes] = []
        size = 0
        for table, key in self._dirty:
            hashed = hashlib.sha256(key.encode()).hexdigest()
            rows.append(f"({text(table)},x'{hashed}',{text(key)})".encode())
            size += len(rows[-1])
            if size > _INSERT_BYTES:
                yield Statement(head + b",".join(rows))
                rows, size = [], 0
        if rows:
            yield Statement(head + b",".join(rows))
        self._dirty.clear()

    def _shape(self, table: str) -> _Shape:
        shape = self._shapes.get(table)
        if shape is None:
            if table not in self._tables:
                raise Unfit(table, "there is no such table on the target")
            found = self._tables[table]
            columns = tuple(c for c in found.columns if not c.generated)
            there = names(self._schema, table).encode()
            listed = ", ".join(name(c.name) for c in columns).encode()
            shape = self._shapes[table] = _Shape(
                table=found,
                columns=columns,
                key=tuple(keys.key_positions(found, columns)),
                name=there,
                into=b"INSERT INTO %s (%s) VALUES " % (there, listed),
                enums=tuple(n for n, c in enumerate(columns) if c.type == "enum"),
            )
        return shape

    def _note(self, shape: _Shape, change: RowChange) -> None:
        self.applied += 1
        for values in (change.before, change.after):
            if values and len(values) != len(shape.columns):
                raise Unfit(change.table, "the table has other columns on the target")
            if values:
                self._dirty[change.table, _key(shape, values)] = None


def _key(shape: _Shape, values: Sequence[bytes]) -> str:
    return keys.literal(values, shape.key) if shape.key else keys.WHOLE_TABLE


def _row(change: RowChange) -> bytes:
    return b"(" + b",".join(change.after) + b")"


def _joined(run: Statement) -> Statement:
    run.sql, run.rows = run.into + b",".join(run.values), len(run.values)
    return run


def _single(shape: _Shape, change: RowChange) -> Statement:
    if change.kind == "insert":
        label, rows = [_key(shape, change.after)], [_row(change)]
        return _joined(Statement(b"", 1, change.table, "insert", label, rows, shape.into))
    if shape.key:
        place = keys.by_key(shape.table.key, [change.before[n] for n in shape.key])
    else:
        place = keys.by_values(shape.columns, change.before) + b" LIMIT 1"
    if change.kind == "delete":
        sql = b"DELETE FROM %s WHERE %s" % (shape.name, place)
    else:
        sql = b"UPDATE %s SET %s WHERE %s" % (shape.name, _assignments(shape, change), place)
    return Statement(sql, 1, change.table, change.kind, [_key(shape, change.before)])


def _assignments(shape: _Shape, change: RowChange) -> bytes:
    """All but long values that stay; a column that is not named could take a time of its own (ON UPDATE)."""
    return b", ".join(
        b"%s = %s" % (name(column.name).encode(), new)
        for column, old, new in zip(shape.columns, change.before, change.after, strict=True)
        if old != new or len(new) < _LONG
    )
