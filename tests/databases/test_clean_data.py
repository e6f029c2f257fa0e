"""No false alarm: some 100,000 rows of all types, laid out and read in other ways at the target."""

from collections.abc import Iterator

import pytest

from core.access import Reader
from core.checks import Status
from tasks.databases.comparison import Pace
from tasks.databases.steps import CompareDatabase
from tests.databases.servers import only_mariadb
from tests.databases.test_comparison import TEXT
from tests.worlds.mysql import SCHEMA, MysqlWorld, fresh

WHO = "who VARCHAR(90) AS (CURRENT_USER()) VIRTUAL,"  # MySQL takes no such expression
ROWS = 80_000
TABLES = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    f"USE {SCHEMA}",
    f"""CREATE TABLE many (id BIGINT UNSIGNED PRIMARY KEY, i INT, u MEDIUMINT UNSIGNED, f FLOAT, d DOUBLE,
       n DECIMAL(20,6), b BIT(9), e ENUM('a','b','c'), s SET('x','y','z'), v VARCHAR(60),
       l VARCHAR(20) CHARACTER SET latin1, w VARCHAR(20) CHARACTER SET utf16, c CHAR(8), vb VARBINARY(30),
       bi BINARY(8), t TEXT, bl BLOB, lt LONGTEXT, j {TEXT}, g POINT, da DATE, dt DATETIME(6), ti TIME(3),
       ts TIMESTAMP(2) NULL, y YEAR, gs INT AS (i * 2) STORED, gv INT AS (i * 3) VIRTUAL,
       {WHO if only_mariadb() else ""} KEY (i), KEY (v(10)))""",
    "CREATE TABLE bag (a INT, b VARCHAR(20), c FLOAT)",
    "CREATE TABLE two (k VARCHAR(20) COLLATE utf8mb4_unicode_ci, n DECIMAL(8,2), v VARBINARY(8),"
    " PRIMARY KEY (k, n))",
)
FILL = (
    """INSERT INTO many (id, i, u, f, d, n, b, e, s, v, l, w, c, vb, bi, t, bl, lt, j, g, da, dt, ti, ts, y)
       SELECT id, i, MOD(id * 31, 16777215), id / 7e0, SQRT(id) * IF(id % 2, 1, -1), ROUND(id / 3e0, 5),
       id % 512, 1 + id % 3, id % 8, IF(id % 11, CONCAT('客户 ', id), NULL), CHAR(192 + id % 60 USING latin1),
       CONCAT('王', id), IF(id % 5, MOD(id, 999), ''), UNHEX(LEFT(SHA2(id, 256), 40)),
       UNHEX(LEFT(SHA2(id, 256), 8)), IF(id % 100 = 0, REPEAT('长', 400), id), UNHEX(LEFT(SHA2(id, 224), 32)),
       IF(id % 50 = 0, REPEAT(id, 300), NULL), CONCAT('{"k":', id, '}'), POINT(id, -id),
       '1970-01-02' + INTERVAL MOD(id, 20000) DAY, '2001-02-03 04:05:06.000007' + INTERVAL id SECOND,
       SEC_TO_TIME(MOD(id, 3000000) - 1500000 + 0.125), '2020-01-01' + INTERVAL id SECOND, 1901 + id % 250""",
    "INSERT INTO bag SELECT id % 977, IF(id % 3, CONCAT('v', id % 7), NULL), id % 13 / 3e0",
    "INSERT INTO two SELECT CONCAT(IF(id % 2, 'K', 'é'), id), id / 4, LEFT(UNHEX(SHA2(id, 256)), id % 9)",
)
NUMBERS = "(SELECT CAST(seq AS SIGNED) AS id, IF(seq % 9, seq, NULL) AS i FROM seq_{}_to_{}) numbers"
UPWARDS = NUMBERS.format(1, ROWS)
DOWNWARDS = f"{NUMBERS.format(ROWS, 1)} ORDER BY id % 101, id DESC"
OTHER_SERVER = (
    "SET GLOBAL innodb_default_row_format = 'compact'",
    "SET GLOBAL time_zone = '+09:00'",
    "SET GLOBAL character_set_server = 'latin1'",
    "SET GLOBAL sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH'",
    "SET GLOBAL div_precision_increment = 9",
)
AS_BEFORE = (
    "SET GLOBAL innodb_default_row_format = 'dynamic'",
    "SET GLOBAL time_zone = 'SYSTEM'",
    "SET GLOBAL character_set_server = 'utf8mb4'",
    "SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES'",
    "SET GLOBAL div_precision_increment = 4",
)


@pytest.fixture(scope="module")
def clean() -> Iterator[tuple[MysqlWorld, CompareDatabase]]:
    world, move = fresh(*TABLES, "SET SESSION sql_mode = '', time_zone = '+00:00'")
    world.target.run(*OTHER_SERVER, "SET SESSION sql_mode = '', time_zone = '+00:00'", *TABLES)
    world.source.run(*(f"{fill} FROM {UPWARDS}" for fill in FILL))
    world.target.run(*(f"{fill} FROM {DOWNWARDS}" for fill in FILL))
    world.target.run("OPTIMIZE TABLE two", "DELETE FROM bag WHERE a < 100", "ALTER TABLE bag ENGINE=InnoDB")
    world.target.run(f"{FILL[1]} FROM {NUMBERS.format(ROWS, 1)} WHERE id % 977 < 100")
    pace = Pace(workers=3, rows=7_000, wait_s=0.0)
    yield world, CompareDatabase(key="databases/shop/comparison", move=move, frozen=True, pace=pace)
    world.target.run(*AS_BEFORE)
    world.close()


def failures(step: CompareDatabase) -> list[str]:
    reader = Reader()
    try:
        return [f"{c.name}: {c.actual}" for c in step.verify(reader) if c.status is not Status.PASS]
    finally:
        reader.close()


def test_clean_rows_raise_no_alarm(clean: tuple[MysqlWorld, CompareDatabase]) -> None:
    world, step = clean
    assert failures(step) == []
    counted = {
        t: world.target.run(f"SELECT COUNT(*) FROM {SCHEMA}.{t}")[0][0] for t in ("many", "bag", "two")
    }
    assert counted == {"many": ROWS, "bag": ROWS, "two": ROWS}


def test_one_row_of_many_is_named(clean: tuple[MysqlWorld, CompareDatabase]) -> None:
    world, step = clean
    world.target.run(
        f"UPDATE {SCHEMA}.many SET d = d * (1 + 3e-16) WHERE id = 33333",
        f"DELETE FROM {SCHEMA}.two WHERE n = 1000",
        f"UPDATE {SCHEMA}.bag SET c = 1 WHERE a = 500 LIMIT 1",
    )
    many, bag, two = sorted(
        failures(step), key=lambda line: ("many", "bag", "two").index(line.split()[1][:-1])
    )
    assert many.endswith(": 1 differs: id=33333 differs")
    assert "1 missing, 1 not at the source: " in bag
    assert two.endswith(": 1 missing: k=é4000, n=1000.00 missing")
