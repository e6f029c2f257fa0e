"""Between MariaDB and MySQL, both ways: what means the same arrives, what has no equal is refused by name."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from core.access import Reader
from core.checks import Status
from core.errors import Refused
from core.step import Step
from tasks.databases.comparison import Pace
from tasks.databases.mysql.columns import exact_real
from tasks.databases.mysql.expressions import Unclear, common_form
from tasks.databases.steps import CompareDatabase, CopyAccounts, CopyData, CreateObjects, CreateSchema, Move
from tests.databases.mysql_servers import MYSQLD
from tests.databases.servers import LocalServer, pair
from tests.databases.test_copy import VALUES
from tests.worlds.mysql import SCHEMA, MysqlWorld, done

TO_MYSQL, TO_MARIADB = ("mariadb", "mysql"), ("mysql", "mariadb")
DIRECTIONS = [TO_MYSQL, TO_MARIADB]
MADE = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    f"USE {SCHEMA}",
    "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci",
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'",
)
needs_both = pytest.mark.skipif(not os.environ.get(MYSQLD), reason=f"set {MYSQLD} (scripts/mysql-server)")


@dataclass
class Crossing:
    source: LocalServer
    target: LocalServer
    move: Move

    def steps(self) -> list[Step[Any]]:
        return [
            CreateSchema(key="databases/shop/schema", move=self.move),
            CopyData(key="databases/shop/data", move=self.move, rows_per_range=7, late_indexes_bytes=1),
            CreateObjects(key="databases/shop/objects", move=self.move),
            CompareDatabase(
                key="databases/shop/comparison", move=self.move, frozen=True, pace=Pace(wait_s=0.01)
            ),
        ]

    def carried(self) -> dict[str, dict[str, Any]]:
        """All steps; what the plans say is translated, by thing. Nothing is then left to do."""
        shown: dict[str, dict[str, Any]] = {}
        for step in self.steps():
            reader = Reader()
            plan = step.plan(step.inspect(reader))
            shown |= {c.object: dict(c.measures) for c in plan.changes if "translated" in c.measures}
            reader.close()
            done(step)
            assert self.failures(step) == [], step.key
            reader = Reader()
            assert step.plan(step.inspect(reader)).is_empty, step.key
            reader.close()
        return shown

    def failures(self, step: Step[Any]) -> list[str]:
        reader = Reader()
        try:
            return [
                f"{c.name}: {c.planned} / {c.actual}"
                for c in step.verify(reader)
                if c.status is not Status.PASS
            ]
        finally:
            reader.close()


def crossing(direction: tuple[str, str], *statements: str) -> Crossing:
    source, target = pair(*direction)
    MysqlWorld(source, target).reset()
    source.run(*MADE, *statements)
    target.run("SET GLOBAL log_bin_trust_function_creators = 1")
    move = Move(
        source=source.endpoint(), source_schema=SCHEMA, target=target.endpoint(), target_schema=SCHEMA
    )
    return Crossing(source, target, move)


@pytest.fixture(params=DIRECTIONS, ids="-to-".join)
def direction(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    yield request.param
    for server in pair(*request.param):
        server.run("SET GLOBAL local_infile = 1")


def shared(direction: tuple[str, str]) -> list[tuple[str, tuple[str, ...]]]:
    """Types and values that both can hold.

    A negative zero and JSON's own form are MySQL's alone, and the last second of a TIME with its fraction
    MariaDB's.
    """
    alone = ("UUID", "INET6") if direction == TO_MYSQL else ("UUID", "INET6", "JSON")
    return [
        (kind, tuple(v for v in values if v not in ("-0.0", "'-838:59:59.99'")))
        for kind, values in VALUES
        if kind not in alone
    ]


def exact(server: LocalServer, table: str, kind: str) -> list[Any]:
    number = "v+0" if kind.startswith(("ENUM", "SET")) else "1"
    as_text = kind.startswith(("INT", "BIGINT", "DECIMAL", "DATE", "TIME", "YEAR"))
    value = "HEX(CONCAT(v))" if as_text else "HEX(v)"
    if kind in ("FLOAT", "DOUBLE"):
        value = f"CONCAT({exact_real('v')})"  # read back as a number by Python
    rows = server.run(f"SELECT id, v IS NULL, {value}, {number} FROM {SCHEMA}.{table} ORDER BY id")
    return [(*row[:2], float(row[2]), row[3]) for row in rows] if kind in ("FLOAT", "DOUBLE") else rows


@needs_both
@pytest.mark.parametrize("local_infile", [1, 0])
def test_every_value_that_both_can_hold_arrives_exactly(
    direction: tuple[str, str], local_infile: int
) -> None:
    kinds = shared(direction)
    made = []
    for number, (kind, values) in enumerate(kinds):
        made.append(f"CREATE TABLE v{number} (id INT PRIMARY KEY, v {kind})")
        made.append(f"INSERT INTO v{number} VALUES {', '.join(f'({n}, {v})' for n, v in enumerate(values))}")
        made.append(f"CREATE TABLE b{number} AS SELECT v FROM v{number}")
    crossed = crossing(direction, *made)
    crossed.target.run(f"SET GLOBAL local_infile = {local_infile}")
    crossed.carried()
    for number, (kind, _) in enumerate(kinds):
        assert exact(crossed.source, f"v{number}", kind) == exact(crossed.target, f"v{number}", kind), kind


@needs_both
def test_a_thousand_random_reals_have_one_digest(direction: tuple[str, str]) -> None:
    reals = "(RAND(seq) - 0.5) * POW(10, seq % {} - {})"
    crossed = crossing(
        direction,
        "CREATE TABLE reals (id INT PRIMARY KEY, d DOUBLE, f FLOAT, m DOUBLE(20,4), n FLOAT(7,3), k"
        " DOUBLE, KEY (k))",
        f"INSERT INTO reals SELECT seq, {reals.format(600, '300e0')}, {reals.format(70, '35e0')}, seq / 7e0,"
        f" seq / 9e0, seq / 3e0 FROM seq_1_to_2000",
    )
    crossed.carried()


# Tables that move from one to the other, and what the plan says is translated; for both ways where `both`.
TRANSLATED = [
    (TO_MYSQL, "a INT(11), b BIGINT(20) UNSIGNED", "column a: without a display width"),
    (TO_MYSQL, "a INT CHECK (a > 0 AND a < 100 OR a IS NULL)", "the CHECK of column a is named t_chk_1"),
    (TO_MYSQL, "a INT, CHECK (a > 0 AND (a % 3 = 1 OR NOT a = 5))", "CHECK CONSTRAINT_1 is named t_chk_1"),
    (TO_MYSQL, "j JSON", "column j: stays a LONGTEXT with CHECK json_valid"),
    (TO_MYSQL, "c TEXT DEFAULT 'it''s \\\\ x'", "as an expression"),
    (TO_MYSQL, "u VARCHAR(40) DEFAULT UUID()", "column u: DEFAULT (uuid())"),
    (TO_MYSQL, "d DATE DEFAULT CURDATE()", "column d: DEFAULT (curdate())"),
    (TO_MYSQL, "a INT, KEY hidden (a) IGNORED", "index hidden: IGNORED is spelt INVISIBLE"),
    (TO_MARIADB, "a INT, KEY hidden (a) INVISIBLE", ""),
    (TO_MARIADB, "a INT CHECK (a > 0), b INT, CONSTRAINT mine CHECK (a + b * 2 < 100)", ""),
    (TO_MARIADB, "c TEXT DEFAULT ('x'), n INT DEFAULT (1 + 2 * 3), d DATE DEFAULT (CURDATE())", ""),
    (None, "a INT(5) UNSIGNED ZEROFILL, b TINYINT(1), y YEAR, s SET('a','b''c'), e ENUM('x','it''s,')", ""),
    (None, "d DATETIME(3) DEFAULT NOW(3) ON UPDATE NOW(3), t TIMESTAMP NULL, u TIMESTAMP NOT NULL"
     " DEFAULT NOW()", ""),
    (None, "a INT, b VARCHAR(40) AS (CONCAT('it''s ', a * 2 + 1, ' 表')) VIRTUAL, c INT AS (a % 3)"
     " STORED, KEY (b)", ""),
    (None, "a INT COMMENT 'it''s \\\\ \"x\"', b VARCHAR(9) CHARACTER SET latin1, c CHAR(3) CHARACTER"
     " SET gbk", ""),
    (None, "a INT, b INT INVISIBLE DEFAULT 7, UNIQUE KEY u (b, a DESC), KEY k (a) COMMENT 'say ''x'''", ""),
    (None, "a VARCHAR(300), t TEXT, PRIMARY KEY (a(20)), KEY p (t(9)), FULLTEXT KEY f (t, a)", ""),
    (None, "a INT PRIMARY KEY, up INT, CONSTRAINT `of x` FOREIGN KEY (up) REFERENCES t (a) ON DELETE"
     " SET NULL", ""),
    (None, "bi BINARY(3) DEFAULT 'abc', bt BIT(3) DEFAULT b'101', n DECIMAL(5,2) DEFAULT -0.50", ""),
    (None, "id INT, d DATE NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (TO_DAYS(d)) (PARTITION p0"
     " VALUES LESS"
     " THAN (TO_DAYS('2020-01-01')) COMMENT = 'it''s', PARTITION `p 1` VALUES LESS THAN MAXVALUE", ""),
    (None, "c VARCHAR(9) NOT NULL) PARTITION BY LIST COLUMNS (c) (PARTITION a VALUES IN ('a', '北京'),"
     " PARTITION b"
     " VALUES IN ('it''s')", ""),
    (None, "id INT PRIMARY KEY) PARTITION BY KEY (id) PARTITIONS 3 -- ", ""),
]  # fmt: skip


@needs_both
@pytest.mark.parametrize(
    ("direction", "body", "said"),
    [(way, body, said) for only, body, said in TRANSLATED for way in ([only] if only else DIRECTIONS)],
)
def test_what_means_the_same_is_translated_and_shown(
    direction: tuple[str, str], body: str, said: str
) -> None:
    tail = ")" if not body.endswith("-- ") else ""
    crossed = crossing(direction, f"CREATE TABLE t ({body.removesuffix('-- ')}{tail}")
    shown = crossed.carried()
    assert said in str(shown.get("table t", ""))


# What has no equal: the way, statements, the label that leave_out takes, and the words.
NO_EQUAL = [
    (TO_MYSQL, "CREATE TABLE t (a VARCHAR(9) COLLATE utf8mb4_uca1400_ai_ci)", "table t", "no collation"
     " of MySQL"),
    (TO_MYSQL, "CREATE TABLE t (a VARCHAR(9) COLLATE utf8mb4_nopad_bin)", "table t", "utf8mb4_nopad_bin"),
    (TO_MYSQL, "CREATE TABLE t (a VARCHAR(9) COLLATE utf8mb4_croatian_ci)", "table t", "sorts otherwise"
     " there"),
    (TO_MYSQL, "CREATE TABLE t (a INET6)", "table t", "column a inet6: VARBINARY(16)"),
    (TO_MYSQL, "CREATE TABLE t (a UUID)", "table t", "column a uuid: CHAR(36)"),
    (TO_MYSQL, "CREATE SEQUENCE s", "sequence s", "no equal"),
    (TO_MYSQL, "CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY, b INT AS (a + 1))", "table"
     " t", "AUTO_INCREMENT column"),
    (TO_MYSQL, "CREATE TABLE t (a INT, b VARCHAR(9) CHECK (b REGEXP '^a'))", "table t", "not known to"
     " mean the same"),
    (TO_MYSQL, "CREATE TABLE t (j JSON, n INT AS (JSON_VALUE(j, '$.n')))", "table t", "json_value()"),
    (TO_MYSQL, "CREATE TABLE t (g GEOMETRY REF_SYSTEM_ID=4326)", "table t", "reference system 4326"),
    (TO_MYSQL, "CREATE TABLE t (b BLOB COMPRESSED)", "table t", "COMPRESSED"),
    (TO_MYSQL, "CREATE TABLE t (a INT) ENGINE=Aria", "table t", "Aria"),
    (TO_MYSQL, "CREATE TABLE t (b BLOB, UNIQUE KEY u (b))", "table t", "USING HASH"),
    (TO_MYSQL, "CREATE TABLE t (a INT) PARTITION BY LIST (a) (PARTITION d DEFAULT)", "table"
     " t", "DEFAULT partition"),
    (TO_MYSQL, "CREATE TABLE t (s DATE, e DATE, PERIOD FOR p (s, e))", "table t", "PERIOD FOR"),
    (TO_MYSQL, "CREATE VIEW v AS SELECT JSON_EXTRACT('[1]', '$[0]') AS j", "view v", "JSON"),
    (TO_MYSQL, "CREATE FUNCTION f() RETURNS INT NO SQL RETURN NEXTVAL(s)", "function f", "sequences"),
    (TO_MYSQL, "CREATE PROCEDURE p() EXECUTE IMMEDIATE 'SELECT 1'", "procedure p", "EXECUTE IMMEDIATE"),
    (TO_MYSQL, "CREATE FUNCTION f(a TEXT) RETURNS TEXT NO SQL RETURN MD5(a)", "function f", "MD5"),
    (TO_MARIADB, "CREATE TABLE t (a VARCHAR(9) COLLATE utf8mb4_0900_ai_ci)", "table t", "no collation"
     " of MariaDB"),
    (TO_MARIADB, "CREATE TABLE t (j JSON)", "table t", "column j json: a LONGTEXT there"),
    (TO_MARIADB, "CREATE TABLE t (a INT, KEY k ((a + 1)))", "table t", "index k: a part that is an"
     " expression"),
    (TO_MARIADB, "CREATE TABLE t (a INT, CHECK (a > 0) NOT ENFORCED)", "table t", "not enforced"),
    (TO_MARIADB, "CREATE TABLE t (g GEOMETRY NOT NULL SRID 4326)", "table t", "reference system 4326"),
    (TO_MARIADB, "CREATE TABLE t (a INT, b INT AS (a) STORED NOT NULL)", "table t", "NOT NULL"),
    (TO_MARIADB, "CREATE VIEW v AS WITH c AS (SELECT 1 AS n) SELECT n FROM c", "view v", "not known to"
     " mean the same"),
    (TO_MARIADB, "CREATE FUNCTION f() RETURNS INT NO SQL RETURN JSON_LENGTH('[1]')", "function f", "JSON"),
    (TO_MARIADB, "SET NAMES utf8mb4; CREATE PROCEDURE p() SELECT 'a' = 'A'", "procedure"
     " p", "utf8mb4_0900_ai_ci"),
]  # fmt: skip


@needs_both
@pytest.mark.parametrize(("direction", "statements", "label", "said"), NO_EQUAL)
def test_what_has_no_equal_is_refused_by_name(
    direction: tuple[str, str], statements: str, label: str, said: str
) -> None:
    crossed = crossing(direction, "CREATE TABLE plain (a INT PRIMARY KEY)", *statements.split("; "))
    schema = CreateSchema(key="databases/shop/schema", move=crossed.move)
    reader = Reader()
    with pytest.raises(Refused) as caught:
        schema.inspect(reader)
    reader.close()
    assert f"{label}: " in str(caught.value) and said in str(caught.value), str(caught.value)
    assert f'leave_out: ["{label}"' in caught.value.next_command
    assert SCHEMA not in crossed.target.schemas(), "nothing was touched"
    crossed.move = replace(crossed.move, left_out=(label,))
    crossed.carried()


OBJECTS = (
    "CREATE TABLE orders (id INT PRIMARY KEY, price DECIMAL(9,2), placed DATETIME, status VARCHAR(9))",
    "CREATE TABLE audit (what TEXT)",
    "INSERT INTO orders VALUES (1, 1.5, '2024-01-01', 'new'), (2, 99.99, NULL, 'paid'), (3, 7, NULL, NULL)",
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
    "CREATE FUNCTION vat(p DECIMAL(9,2)) RETURNS DECIMAL(9,2) DETERMINISTIC RETURN p * 0.06",
    "CREATE FUNCTION kept(t DATETIME(3)) RETURNS DATETIME NO SQL RETURN t",
    "CREATE PROCEDURE note(IN t TEXT) INSERT INTO audit (what) VALUES (CONCAT('记', t))",
    "CREATE VIEW b_all AS SELECT id, vat(price) AS vat, price > 2 AND NOT status = 'x' OR placed IS"
    " NULL AS odd,"
    " IF(price BETWEEN 1 AND 5, 'low', \"it's\") AS how FROM orders",
    "CREATE VIEW a_some AS SELECT * FROM b_all WHERE id > 0 + 1 * 0 AND how LIKE '%o%'",
    "CREATE VIEW summed AS SELECT o.status, COUNT(*) AS n, SUM(o.price) AS s FROM orders o LEFT JOIN audit a"
    " ON a.what = o.status AND o.id IN (1, 2) GROUP BY o.status HAVING n > 0 ORDER BY s DESC LIMIT 5",
    "CREATE VIEW both_of AS SELECT 1 AS one UNION ALL SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM"
    " b_all)",
    "CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW checked AS SELECT id, price FROM orders WHERE price > 1"
    " WITH CASCADED CHECK OPTION",
    "CREATE VIEW cased (`第 1`, b) AS SELECT CASE WHEN price > 1 THEN 'a' ELSE 'b' END, placed +"
    " INTERVAL 1 DAY"
    " FROM orders",
    f"CREATE TRIGGER second_one AFTER INSERT ON {SCHEMA}.orders FOR EACH ROW"
    " INSERT INTO audit VALUES (NEW.id)",
    "CREATE TRIGGER first_one AFTER INSERT ON orders FOR EACH ROW PRECEDES second_one"
    " INSERT INTO audit VALUES ('first')",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM audit",
)  # fmt: skip
ASKED = (
    "SELECT * FROM b_all ORDER BY id", "SELECT * FROM a_some ORDER BY id", "SELECT * FROM summed",
    "SELECT * FROM both_of ORDER BY 1", "SELECT * FROM cased",
    "SELECT vat(12.34), kept('2024-01-01 00:00:00.999')",
)  # fmt: skip


@needs_both
def test_objects_say_and_do_the_same(direction: tuple[str, str]) -> None:
    crossed = crossing(direction, *OBJECTS)
    shown = crossed.carried()
    for asked in ASKED:
        answers = [server.run(f"USE {SCHEMA}", asked) for server in (crossed.source, crossed.target)]
        assert answers[0] == answers[1], asked
    assert "TIME_" in str(shown["function kept"]), "how fractions of a second end is said"
    crossed.target.run("INSERT INTO orders VALUES (9, 1, NULL, 'x')", "CALL note('x')")
    assert crossed.target.run("SELECT what FROM audit") == [("first",), ("9",), ("记x",)]
    # Where somebody alters what is there, the texts differ.
    step = crossed.steps()[2]
    crossed.target.run("CREATE OR REPLACE VIEW a_some AS SELECT * FROM b_all WHERE id > (0 + 1) * 0")
    assert any("view a_some" in line for line in crossed.failures(step))


# What somebody changes on the target's side, in words that both know.
ALTERED = [
    "MODIFY price DECIMAL(9,3)", "MODIFY name VARCHAR(20) COLLATE utf8mb4_bin NOT NULL", "ADD x INT",
    "ALTER price SET DEFAULT 5", "DROP KEY k", "MODIFY id BIGINT", "COMMENT = 'x'", "DROP CONSTRAINT dear",
    "MODIFY made INT AS (id + 2 * 3) STORED", "MODIFY price DECIMAL(9,2) UNSIGNED",
]  # fmt: skip


@needs_both
@pytest.mark.parametrize("altered", ALTERED)
def test_a_real_difference_of_definitions_is_one(direction: tuple[str, str], altered: str) -> None:
    crossed = crossing(
        direction,
        "CREATE TABLE t (id INT PRIMARY KEY, price DECIMAL(9,2) DEFAULT 1.5, name VARCHAR(20) NOT NULL,"
        " made INT AS ((id + 2) * 3) STORED, KEY k (name), CONSTRAINT dear CHECK (price < 100))",
    )
    crossed.carried()
    crossed.target.run(f"ALTER TABLE {SCHEMA}.t {altered}")
    assert any("definition" in line for line in crossed.failures(crossed.steps()[0]))


@needs_both
def test_accounts_are_made_by_hand_and_get_their_rights(direction: tuple[str, str]) -> None:
    crossed = crossing(
        direction,
        "CREATE TABLE t (a INT)",
        "CREATE USER shop_app@'%' IDENTIFIED BY 'a word of the shop'",
        f"GRANT SELECT, INSERT ON {SCHEMA}.* TO shop_app@'%'",
        f"GRANT DELETE ON {SCHEMA}.t TO shop_app@'%'",
    )
    done(*crossed.steps()[:2])
    step = CopyAccounts(key="databases/shop/accounts", move=replace(crossed.move, accounts=("shop_app@%",)))
    reader = Reader()
    with pytest.raises(Refused, match="a form that is not known there"):
        step.plan(step.inspect(reader))
    reader.close()
    crossed.target.run("CREATE USER shop_app@'%' IDENTIFIED BY 'a word of the shop'")
    done(step)
    assert crossed.failures(step) == []
    grants = [sorted(s.run("SHOW GRANTS FOR shop_app@'%'"))[1:] for s in (crossed.source, crossed.target)]
    assert len(grants[1]) == 2 and {g[0].split(" TO ")[0] for g in grants[0]} == {
        g[0].split(" TO ")[0] for g in grants[1]
    }


# As MariaDB prints it, and as MySQL does.
SAME = [
    ("`price` * 0.06", "(`price` * 0.06)"),
    ("`a` > 0 and `b` < 3 and `c` = 1", "((`a` > 0) and (`b` < 3) and (`c` = 1))"),
    ("concat('it\\'s ',`a`,' 表')", "concat(_utf8mb4'it\\'s ',`a`,_utf8mb4' 表')"),
    ("`a` MOD 3 = 1 or `a` is null", "(((`a` % 3) = 1) or (`a` is null))"),
    ("1 + 2 * 3", "(1 + (2 * 3))"),
    ("case when `a` > 1 then 'x' else NULL end", "(case when (`a` > 1) then _utf8mb4'x' else NULL end)"),
    ("`a` not in (1,2) and `b` like 'x%'", "((`a` not in (1,2)) and (`b` like _utf8mb4'x%'))"),
    ("cast(`a` as char(10) charset utf8mb4)", "cast(`a` as char(10) charset utf8mb4)"),
    ("`d` + interval 1 day", "(`d` + interval 1 day)"),
    ("x'00FF'", "0x00ff"),
]


@pytest.mark.parametrize(("ours", "theirs"), SAME)
def test_both_spellings_have_one_form(ours: str, theirs: str) -> None:
    assert common_form(ours) == common_form(theirs) == common_form(common_form(ours))


DIFFERENT = [
    ("(`a` + 1) * 2", "`a` + 1 * 2"), ("`a` - (`b` - `c`)", "`a` - `b` - `c`"), ("'a'", "_latin1'a'"),
    ("`a` and (`b` or `c`)", "`a` and `b` or `c`"), ("'it''s'", "'its'"), ("`a` = 1", "`a` <=> 1"),
    ("not (`a` and `b`)", "not `a` and `b`"), ("-`a` + 1", "-(`a` + 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_means_another_thing_has_another_form(one: str, other: str) -> None:
    assert common_form(one) != common_form(other)


@pytest.mark.parametrize(
    "text", ["`a` regexp '^x'", "json_extract(`j`,'$.a')", "md5(`a`)", "`a` sounds like 'x'", "rand()"]
)
def test_what_may_mean_another_thing_is_not_guessed_at(text: str) -> None:
    with pytest.raises(Unclear):
        common_form(text)
