"""Reading what is there: the tables with their columns and keys."""

from collections import defaultdict

from tasks.databases.model import Column, Table
from tasks.databases.mysql.definitions import normalised_table, readable, with_reference_systems
from tasks.databases.mysql.quoting import name, text
from tasks.databases.mysql.session import ReadSession


def tables(session: ReadSession, schema: str) -> tuple[Table, ...]:
    """The base tables, by name."""
    columns = _columns(session, schema)
    keys = _keys(session, schema)
    systems = _reference_systems(session, schema)
    session.use(schema)
    found = []
    for row in session.query(
        "SELECT TABLE_NAME, ENGINE, TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH, AUTO_INCREMENT"
        f" FROM information_schema.TABLES WHERE TABLE_SCHEMA = {text(schema)}"
        " AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME"
    ):
        table, engine, estimate, size, auto_increment = row
        definition = readable(session.raw(f"SHOW CREATE TABLE {name(table)}")[1])
        by_name = {column.name: column for column in columns[table]}
        found.append(
            Table(
                name=table,
                definition=normalised_table(
                    with_reference_systems(definition, systems.get(table, {})), schema
                ),
                columns=tuple(columns[table]),
                key=tuple(by_name[column] for column in keys.get(table, ())),
                engine=engine or "",
                rows_estimate=int(estimate or 0),
                size_bytes=int(size or 0),
                auto_increment=int(auto_increment) if auto_increment else None,
            )
        )
    return tuple(found)


def _columns(session: ReadSession, schema: str) -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = defaultdict(list)
    for table, column, kind, charset, collation, extra, nullable in session.query(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA, IS_NULLABLE"
        f" FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {text(schema)}"
        " ORDER BY TABLE_NAME, ORDINAL_POSITION"
    ):
        generated = "GENERATED" in extra.upper().replace("DEFAULT_GENERATED", "")
        found[table].append(
            Column(column, kind.lower(), charset or "", collation or "", generated, extra, nullable == "YES")
        )
    return found


def _reference_systems(session: ReadSession, schema: str) -> dict[str, dict[str, int]]:
    """Shape: by table, by column; without 0, the default. MySQL shows them in the definition itself."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    if session.is_mariadb:
        for table, column, number in session.query(
            "SELECT G_TABLE_NAME, G_GEOMETRY_COLUMN, SRID FROM information_schema.GEOMETRY_COLUMNS"
            f" WHERE G_TABLE_SCHEMA = {text(schema)} AND SRID <> 0"
        ):
            found[table][column] = int(number)
    return found


def _keys(session: ReadSession, schema: str) -> dict[str, tuple[str, ...]]:
    """Per table the primary key, or else the first unique key over whole columns that are never NULL."""
    indexes: dict[str, dict[str, list[tuple[str, bool]]]] = defaultdict(lambda: defaultdict(list))
    for table, index, column, prefix, nullable in session.query(
        "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, NULLABLE FROM information_schema.STATISTICS"
        f" WHERE TABLE_SCHEMA = {text(schema)} AND NON_UNIQUE = 0"
        " ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX"
    ):
        # A functional key part (MySQL 8) has no column name.
        whole = column is not None and (index == "PRIMARY" or (prefix is None and nullable != "YES"))
        indexes[table][index].append((column, whole))
    return {
        table: tuple(column for column, _ in parts)
        for table, by_index in indexes.items()
        if (parts := next((p for p in by_index.values() if all(whole for _, whole in p)), None))
    }
