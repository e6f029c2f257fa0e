"""CrossingReader: one side of a move between MariaDB and MySQL, all definitions in the words of its target.

Both sides give the same text for what means the same, so that steps compare them as in every other move.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

from tasks.databases.model import Mark, Marks, StoredObject, Table
from tasks.databases.mysql import catalog, crossing_texts, stored
from tasks.databases.mysql.crossing_tables import Crossed, crossed
from tasks.databases.mysql.crossing_texts import Told
from tasks.databases.mysql.definitions import readable
from tasks.databases.mysql.quoting import names, text
from tasks.databases.mysql.reader import MysqlReader
from tasks.databases.mysql.session import ReadSession

_NUMBERED = re.compile(
    r"(?m)^  `(?:[^`]|``)*` (?P<kind>\w+)(?:\(\d+\))?(?P<unsigned> unsigned)?.* AUTO_INCREMENT\b"
)
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
Flavours = Callable[[], tuple[str, str]]
"""Of source and target; asked only once a definition is."""


class CrossingReader(MysqlReader):
    def __init__(
        self, session: ReadSession, another: "Callable[[], CrossingReader]", flavours: Flavours | None = None
    ) -> None:
        super().__init__(session, another)
        self._opened, self._flavours = another, flavours

    def another(self) -> "CrossingReader":
        found = self._opened()
        return found.between(self._flavours) if self._flavours else found

    def between(self, flavours: Flavours) -> "CrossingReader":
        return CrossingReader(self._session, self._opened, flavours)

    @cached_property
    def _words(self) -> str:
        """The target's flavour; "" where both are of one."""
        source, target = self._flavours() if self._flavours else ("", "")
        return target if source != target else ""

    def tables(self, schema: str) -> tuple[Table, ...]:
        if not self._words:
            return super().tables(schema)
        return tuple(
            replace(
                table,
                definition=made.text,
                auto_increment=_within_type(table.definition, table.auto_increment),
            )
            for table, made in self._tables(schema)
        )

    def auto_increment(self, schema: str, table: str) -> int | None:
        found = super().auto_increment(schema, table)
        if not found or not self._words:
            return found
        return _within_type(
            readable(self._session.raw(f"SHOW CREATE TABLE {names(schema, table)}")[1]), found
        )

    def _tables(self, schema: str) -> Iterator[tuple[Table, Crossed]]:
        collations = self._collations(schema)
        for table in catalog.tables(self._session, schema):
            yield table, crossed(table, self._words, collations[table.name])

    def _collations(self, schema: str) -> dict[str, str]:
        return {
            table: collation or ""
            for table, collation in self._session.query(
                "SELECT TABLE_NAME, TABLE_COLLATION FROM information_schema.TABLES"
                f" WHERE TABLE_SCHEMA = {text(schema)} AND TABLE_TYPE = 'BASE TABLE'"
            )
        }

    def objects(self, schema: str) -> tuple[StoredObject, ...]:
        if not self._words:
            return super().objects(schema)
        return tuple(told.object for told in self._objects(schema))

    def _objects(self, schema: str) -> Iterator[Told]:
        for found in stored.objects(self._session, schema):
            yield crossing_texts.crossed(found, self._words, self.flavour())

    def translated(self, schema: str) -> dict[str, tuple[str, ...]]:
        if not self._words:
            return {}
        tables = {f"table {table.name}": made.shown for table, made in self._tables(schema)}
        objects = {told.object.label: told.shown for told in self._objects(schema)}
        return {label: shown for label, shown in {**tables, **objects}.items() if shown}

    def unmovable(self, schema: str) -> tuple[str, ...]:
        own = super().unmovable(schema)
        if not self._words:
            return own
        tables = [f"table {table.name}: {why}" for table, made in self._tables(schema) for why in made.stuck]
        objects = [f"{told.object.label}: {why}" for told in self._objects(schema) for why in told.stuck]
        return (*own, *tables, *crossing_texts.twice_named(self.tables(schema), self._words), *objects)

    def marks(self, schema: str) -> Marks | None:
        found = super().marks(schema)
        if found is None or not self._words or not any(mark.whole for mark in found.tables.values()):
            return found
        tables = {table.name: table for table in catalog.tables(self._session, schema)}
        collations = self._collations(schema)

        def put(mark: Mark, name: str) -> Mark:
            if not mark.whole or name not in tables:
                return mark
            bare, whole = (
                crossed(replace(tables[name], definition=definition), self._words, collations[name]).text
                for definition in (mark.bare, mark.whole)
            )
            return replace(mark, bare=bare, whole=whole)

        return replace(found, tables={name: put(mark, name) for name, mark in found.tables.items()})


def _within_type(definition: str, following: int | None) -> int | None:
    """The next number; where all are used up MariaDB names the one behind the last, and MySQL the last."""
    found = _NUMBERED.search(definition)
    if following is None or found is None or found["kind"] not in _BITS:
        return following
    bits = _BITS[found["kind"]] - (found["unsigned"] is None)
    return min(following, (1 << bits) - 1)
