"""Rows that foreign keys change along: they are in no log, so their keys are noted around each change."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from tasks.databases.model import Column, Table
from tasks.databases.mysql import keys
from tasks.databases.mysql.quoting import marks_schema, name, names, text, unquote
from tasks.databases.mysql.row_images import NULL

_NAME = r"`(?:[^`]|``)*`"
_LIST = rf"{_NAME}(?:, {_NAME})*"
_RULE = r" ON (?:DELETE|UPDATE) (?:CASCADE|SET NULL|SET DEFAULT|NO ACTION|RESTRICT)"
_FOREIGN_KEY = re.compile(
    rf"(?m)^  (?:CONSTRAINT {_NAME} )?FOREIGN KEY \((?P<columns>{_LIST})\)"
    rf" REFERENCES (?P<parent>{_NAME}) \((?P<referenced>{_LIST})\)(?P<rules>(?:{_RULE})*)"
)
_ACTING = ("CASCADE", "SET NULL", "SET DEFAULT")


@dataclass(frozen=True)
class ForeignKey:
    """One that acts on the rows of its own table when its parent changes."""

    child: Table
    columns: tuple[str, ...]
    parent: str
    referenced: tuple[str, ...]
    deletes: bool
    on_delete: bool
    on_update: bool

    def follows(self, earlier: "ForeignKey") -> bool:
        """Whether it acts when `earlier` has acted on its parent."""
        moved = bool(set(self.referenced) & set(earlier.columns))
        return (self.on_delete and earlier.deletes) or (self.on_update and moved)


def by_parent(tables: Mapping[str, Table]) -> Mapping[str, Sequence[ForeignKey]]:
    found: dict[str, list[ForeignKey]] = {}
    for table in tables.values():
        for match in _FOREIGN_KEY.finditer(table.definition):
            rules = {rule: f"ON {rule} {{}}" for rule in ("DELETE", "UPDATE")}
            acts = {r: any(form.format(a) in match["rules"] for a in _ACTING) for r, form in rules.items()}
            if any(acts.values()):
                key = ForeignKey(
                    child=table,
                    columns=_names(match["columns"]),
                    parent=unquote(match["parent"]),
                    referenced=_names(match["referenced"]),
                    deletes="ON DELETE CASCADE" in match["rules"],
                    on_delete=acts["DELETE"],
                    on_update=acts["UPDATE"],
                )
                found.setdefault(key.parent, []).append(key)
    return found


def _names(listed: str) -> tuple[str, ...]:
    return tuple(unquote(part) for part in re.findall(_NAME, listed))


Path = tuple[ForeignKey, ...]


def paths(
    by: Mapping[str, Sequence[ForeignKey]], table: str, deleting: bool, moved: Set[str]
) -> Iterator[Path]:
    """All ways on which a change of these columns reaches other rows; a circle ends where it closes."""
    waiting: list[Path] = [
        (key,)
        for key in by.get(table, ())
        if (key.on_delete if deleting else key.on_update and not moved.isdisjoint(key.referenced))
    ]
    while waiting:
        path = waiting.pop()
        yield path
        if path[-1] not in path[:-1]:
            waiting += [(*path, k) for k in by.get(path[-1].child.name, ()) if k.follows(path[-1])]


def noting(schema: str, path: Path, columns: Sequence[Column], values: Sequence[bytes]) -> bytes | None:
    """The statement that notes the keys of the rows at the end of a path from one row of its first parent."""
    first, last = path[0], path[-1]
    order = [column.name for column in columns]
    wanted = [values[order.index(column)] for column in first.referenced]
    if NULL in wanted:
        return None
    into = f"INSERT IGNORE INTO {names(marks_schema(schema), keys.DIRTY)} (table_name, key_hash, key_literal)"
    label = text(last.child.name)
    if not last.child.key or last in path[:-1]:
        # Without keys, or round and round: only the whole table tells.
        return f"{into} VALUES ({label}, UNHEX(SHA2('', 256)), '')".encode()
    literal = f"CONCAT({','.join(_joined(last.child.key, len(path)))})"
    source = " JOIN ".join(
        f"{names(schema, key.child.name)} AS t{n}" + (f" ON {_on(key, n)}" if n > 1 else "")
        for n, key in enumerate(path, start=1)
    )
    by_name = {column.name: column for column in first.child.columns}
    chosen = keys.by_key([by_name[c] for c in first.columns], wanted, b"t1.")
    return (
        f"{into} SELECT {label}, UNHEX(SHA2({literal}, 256)), {literal} FROM {source} WHERE ".encode()
        + chosen
    )


def _on(key: ForeignKey, n: int) -> str:
    pairs = zip(key.columns, key.referenced, strict=True)
    return " AND ".join(f"t{n}.{name(column)} = t{n - 1}.{name(other)}" for column, other in pairs)


def _joined(key: Sequence[Column], n: int) -> Iterator[str]:
    for position, column in enumerate(key):
        if position:
            yield "','"
        yield keys.literal_expression(column, f"t{n}.{name(column.name)}")
