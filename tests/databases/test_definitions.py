"""Every way in which a table's definition may differ is noticed, and said in words."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core.access import Reader
from core.checks import Status
from tasks.databases.steps import CompareDatabase
from tests.worlds.mysql import SCHEMA, MysqlWorld, fresh

TABLES = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    f"USE {SCHEMA}",
    "CREATE TABLE parent (id INT PRIMARY KEY)",
    "CREATE TABLE bare (id INT PRIMARY KEY)",
    """CREATE TABLE t (id INT UNSIGNED NOT NULL AUTO_INCREMENT, v VARCHAR(20) NOT NULL DEFAULT 'a', n INT
       NOT NULL COMMENT 'a note', z DECIMAL(10,2), e ENUM('x','y'), ts TIMESTAMP NULL ON UPDATE
       CURRENT_TIMESTAMP, g INT AS (n + 1) STORED, w TEXT, d DATETIME(3), p INT,
       PRIMARY KEY (id), KEY vn (v, n), KEY pre (w(10)), UNIQUE KEY un (n),
       CONSTRAINT c CHECK (n > 0),
       CONSTRAINT f FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE) COMMENT 'of the shop'""",
    "CREATE TABLE parts (a INT NOT NULL, PRIMARY KEY (a)) PARTITION BY RANGE (a)"
    " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
)


@dataclass(frozen=True)
class Case:
    name: str
    alter: str
    says: str


CASES = [
    Case("length", "t MODIFY v VARCHAR(21) NOT NULL DEFAULT 'a'", "varchar(21)"),
    Case("NULL", "t MODIFY v VARCHAR(20) DEFAULT 'a'", "target: `v` varchar(20) DEFAULT 'a'"),
    Case("default", "t MODIFY v VARCHAR(20) NOT NULL DEFAULT 'A'", "DEFAULT 'A'"),
    Case("no default", "t ALTER v DROP DEFAULT", "target: `v` varchar(20) NOT NULL"),
    Case("collation", "t MODIFY v VARCHAR(20) COLLATE utf8mb4_bin NOT NULL DEFAULT 'a'", "utf8mb4_bin"),
    Case("character set", "t MODIFY w TEXT CHARACTER SET latin1", "latin1"),
    Case("unsigned", "t MODIFY id INT NOT NULL AUTO_INCREMENT", "`id` int(11) NOT NULL"),
    Case("auto-increment", "t MODIFY id INT UNSIGNED NOT NULL", "target: `id` int(10) unsigned NOT NULL"),
    Case("decimals", "t MODIFY z DECIMAL(10,3)", "decimal(10,3)"),
    Case("fractional seconds", "t MODIFY d DATETIME(6)", "datetime(6)"),
    Case("members of an ENUM", "t MODIFY e ENUM('y','x')", "enum('y','x')"),
    Case("on update", "t MODIFY ts TIMESTAMP NULL", "ON UPDATE"),
    Case("generated from", "t MODIFY g INT AS (n + 2) STORED", "+ 2"),
    Case("generated how", "t DROP g, ADD g INT AS (n + 1) VIRTUAL AFTER ts", "VIRTUAL"),
    Case("invisible", "t MODIFY z DECIMAL(10,2) INVISIBLE", "INVISIBLE"),
    Case("zerofill", "t MODIFY z DECIMAL(10,2) ZEROFILL", "zerofill"),
    Case("check", "t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (n >= 0)", ">= 0"),
    Case("no check", "t DROP CONSTRAINT c", "CONSTRAINT `c` CHECK"),
    Case("order in an index", "t DROP KEY vn, ADD KEY vn (n, v)", "(`n`,`v`)"),
    Case("prefix of an index", "t DROP KEY pre, ADD KEY pre (w(11))", "(`w`(11))"),
    Case("an index less", "t DROP KEY vn", "KEY `vn`"),
    Case("unique", "t DROP KEY un, ADD KEY un (n)", "target: KEY `un`"),
    Case("foreign key's action", "t DROP FOREIGN KEY f, ADD CONSTRAINT f2 FOREIGN KEY (p) REFERENCES"
         " parent (id) ON DELETE SET NULL", "ON DELETE SET NULL"),
    Case("no foreign key", "t DROP FOREIGN KEY f", "CONSTRAINT `f`"),
    Case("column's comment", "t MODIFY n INT NOT NULL COMMENT 'another'", "another"),
    Case("table's comment", "t COMMENT 'of another shop'", "of another shop"),
    Case("order of columns", "t MODIFY z DECIMAL(10,2) AFTER e", "in another order"),
    Case("a column more", "t ADD x INT", "`x` int(11)"),
    Case("engine", "bare ENGINE=Aria", "ENGINE=Aria"),
    Case("partition bound", "parts REORGANIZE PARTITION p1 INTO (PARTITION p VALUES LESS THAN (21))", "(21)"),
    Case("a partition more", "parts ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))", "p2"),
    Case("no partitions", "parts REMOVE PARTITIONING", "PARTITION BY RANGE"),
    Case("row format asked for", "parts ROW_FORMAT=COMPRESSED", "ROW_FORMAT=COMPRESSED"),
    Case("system versioned", "bare ADD SYSTEM VERSIONING", "absent"),
]  # fmt: skip


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[MysqlWorld, CompareDatabase]]:
    world, move = fresh(*TABLES)
    yield world, CompareDatabase(key="databases/shop/comparison", move=move)
    world.close()


@pytest.fixture
def target(pair: tuple[MysqlWorld, CompareDatabase]) -> MysqlWorld:
    world, _ = pair
    world.target.run(f"DROP DATABASE IF EXISTS {SCHEMA}", *TABLES)
    return world


def wrong(step: CompareDatabase) -> list[str]:
    reader = Reader()
    try:
        checks, _ = step.definitions(reader)
    finally:
        reader.close()
    return [f"{c.name}: {c.actual}" for c in checks if c.status is Status.FAIL]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_difference_is_said(
    pair: tuple[MysqlWorld, CompareDatabase], target: MysqlWorld, case: Case
) -> None:
    target.target.run(f"ALTER TABLE {case.alter}")
    (line,) = wrong(pair[1])
    assert line.startswith(f"table {case.alter.split()[0]}: definition: ") and case.says in line


def test_none_is_said_of_the_same(pair: tuple[MysqlWorld, CompareDatabase], target: MysqlWorld) -> None:
    target.target.run("INSERT INTO parent VALUES (1)", "OPTIMIZE TABLE t", "ALTER TABLE t AUTO_INCREMENT = 9")
    assert wrong(pair[1]) == []
