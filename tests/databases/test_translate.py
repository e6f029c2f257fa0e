"""Between MariaDB and MySQL: what the other does not know is named, and nothing else is."""

import pytest

from tasks.databases.model import StoredObject, Table
from tasks.databases.mysql.translate import unknown_to


def table(
    column: str, options: str = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"
) -> Table:
    return Table("t", f"CREATE TABLE `t` (\n  `a` {column}\n) {options}", (), (), "InnoDB", 0, 0)


COLUMNS = [
    ("mysql", "int(11) NOT NULL", ""),
    ("mysql", "varchar(9) DEFAULT 'current_timestamp() uuid IGNORED'", ""),
    ("mysql", "timestamp(6) NULL DEFAULT current_timestamp(6)", ""),
    ("mysql", "varchar(9) COLLATE utf8mb4_uca1400_ai_ci", "utf8mb4_uca1400_ai_ci"),
    ("mysql", "varchar(9) COLLATE utf8mb4_nopad_bin", "utf8mb4_nopad_bin"),
    ("mysql", "inet6 DEFAULT NULL", "inet6"),
    ("mysql", "bigint DEFAULT nextval(`s`)", "nextval("),
    ("mysql", "longtext CHECK (json_valid(`a`))", "json_valid("),
    ("mysql", "varchar(40) DEFAULT uuid()", "DEFAULT uuid()"),
    ("mysql", "datetime DEFAULT current_timestamp()", "current_timestamp()"),
    ("mysql", "int,\n  KEY `k` (`a`) IGNORED", "IGNORED"),
    ("mysql", "int,\n  PERIOD FOR `p` (`s`, `e`)", "PERIOD FOR"),
    ("mysql", "geometry REF_SYSTEM_ID=4326", "REF_SYSTEM_ID=4326"),
    ("mariadb", "int NOT NULL", ""),
    ("mariadb", "varchar(9) COLLATE utf8mb4_0900_ai_ci", "utf8mb4_0900_ai_ci"),
    ("mariadb", "json DEFAULT NULL", "json"),
    ("mariadb", "int,\n  KEY `k` ((`a` + 1))", "(("),
    ("mariadb", "int,\n  KEY `k` (`a`) /*!80000 INVISIBLE */", "/*!80000 INVISIBLE */"),
    ("mariadb", "point /*!80003 SRID 4326 */", "SRID 4326"),
]


@pytest.mark.parametrize(("flavour", "column", "found"), COLUMNS)
def test_what_the_other_does_not_know_is_named(flavour: str, column: str, found: str) -> None:
    named = list(unknown_to(flavour, [table(column)], []))
    assert len(named) == bool(found)
    assert all(line.startswith("table t: ") and found in line for line in named)


OBJECTS = [
    (StoredObject("sequence", "s", "CREATE SEQUENCE `s`", "", {}), "sequence s: no equal"),
    (StoredObject("package", "p", "CREATE PACKAGE p", "", {}), "package p: no equal"),
    (
        StoredObject("function", "f", "CREATE FUNCTION f", "", {"sql_mode": "ANSI_QUOTES,ORACLE"}),
        "sql_mode ORACLE",
    ),
    (StoredObject("function", "f", "CREATE AGGREGATE FUNCTION f", "", {}), "AGGREGATE"),
    (StoredObject("view", "v", "CREATE VIEW v AS SELECT 'uuid'", "", {"sql_mode": "ANSI_QUOTES"}), ""),
]


@pytest.mark.parametrize(("found", "said"), OBJECTS)
def test_objects_of_mariadb_alone(found: StoredObject, said: str) -> None:
    named = list(unknown_to("mysql", [], [found]))
    assert len(named) == bool(said) and all(said in line for line in named)
