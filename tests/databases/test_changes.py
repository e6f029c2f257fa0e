"""Every value arrives exactly as it is, whatever its type; what cannot be followed is said in words."""

import os
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress

import pymysql
import pytest

from core.errors import MigrationError, Refused, Unreadable
from tasks.databases.mysql.columns import KNOWN_TYPES
from tasks.databases.mysql.json_images import json_text
from tasks.databases.mysql.log_statements import Statement, touches
from tests.databases.relayed import MYSQL8, Relayed, relayed, relayed_on_mysql_8
from tests.databases.servers import PASSWORD, flavours, known, only_mariadb
from tests.worlds.mysql import SCHEMA

# Type, values as SQL, and whether it can be a primary key.
TYPES: list[tuple[str, tuple[str, ...], bool]] = [
    ("TINYINT", ("-128", "127", "0"), True),
    ("TINYINT UNSIGNED", ("255", "128", "0"), True),
    ("BOOLEAN", ("1", "0"), True),
    ("SMALLINT", ("-32768", "32767"), True),
    ("SMALLINT UNSIGNED", ("65535", "0"), True),
    ("MEDIUMINT", ("-8388608", "8388607", "-1"), True),
    ("MEDIUMINT UNSIGNED", ("16777215", "0"), True),
    ("INT", ("-2147483648", "2147483647", "0"), True),
    ("INT(6) ZEROFILL", ("4294967295", "42"), True),
    ("BIGINT", ("-9223372036854775808", "9223372036854775807"), True),
    ("BIGINT UNSIGNED", ("18446744073709551615", "9223372036854775808", "0"), True),
    ("DECIMAL(65,30)", (
        "12345678901234567890123456789012345.123456789012345678901234567891",
        "-99999999999999999999999999999999999.999999999999999999999999999999", "0",
        "-0.000000000000000000000000000001",
    ), True),
    ("DECIMAL(5,0)", ("-99999", "7"), True),
    ("DECIMAL(9,9)", ("0.123456789", "-0.000000001"), True),
    ("DECIMAL(10,1) UNSIGNED", ("999999999.9", "0.1"), True),
    ("FLOAT", ("16777216", "16777215", "0.1", "1.17549e-38", "3.40282e38", "-0e0", "1e-45"), True),
    ("FLOAT(10,2)", ("0.1", "99999.99"), True),
    ("DOUBLE", ("0.30000000000000004", "1.7976931348623157e308", "5e-324", "-0e0", "1e22", "-1.5"), True),
    ("BIT(1)", ("b'1'", "b'0'"), True),
    ("BIT(8)", ("b'10101010'", "b'0'"), True),
    ("BIT(10)", ("b'1010101011'", "b'1'"), True),
    ("BIT(64)", ("0xFFFFFFFFFFFFFFFF", "b'0'", "0x8000000000000001"), True),
    ("CHAR(10)", ("'x'", "''", "'trail  '", "'表'"), True),
    ("CHAR(255)", ("REPEAT('长', 255)", "'a'"), True),
    ("VARCHAR(40)", ("'a#b'", "''", "'NULL'", "'trail  '", "'quote '' \\\\ '", "_utf8mb4 x'F09F9880'"), True),
    ("VARCHAR(300)", ("REPEAT('é', 300)", "'a'"), True),
    ("VARCHAR(20) CHARACTER SET latin1", ("x'E9FF80'", "'a'"), True),
    ("VARCHAR(20) CHARACTER SET gbk", ("_gbk x'B1ED5C'", "_gbk x'815C'"), True),
    ("VARCHAR(20) CHARACTER SET utf8mb3", ("'表é'", "''"), True),
    ("VARCHAR(20) CHARACTER SET ucs2", ("'表 '", "_ucs2 x'D800'", "_ucs2 x'0027'"), True),
    ("CHAR(5) CHARACTER SET utf16", ("'表'", "_utf16 x'D83DDE00'"), True),
    ("BINARY(4)", ("x'01000000'", "x'00'", "x'FF27005C'", "x'20'"), True),
    ("BINARY(255)", ("x'01'", "REPEAT(x'FF', 255)"), True),
    ("VARBINARY(40)", ("x'FF00FE27'", "x''", "x'5C27'", "x'00'", "'x  '"), True),
    ("VARBINARY(700)", ("REPEAT(x'27', 700)", "x''"), True),
    ("TINYTEXT", ("'x'", "''"), False),
    ("TEXT", ("REPEAT('长\\'\\\\', 3000)", "''", "'x '"), False),
    ("MEDIUMTEXT CHARACTER SET latin1", ("REPEAT(x'E9275C00FF', 5000)", "''"), False),
    ("LONGTEXT", ("REPEAT('王', 20000)", "'null'"), False),
    ("TINYBLOB", ("x'00FF'", "x''"), False),
    ("BLOB", ("REPEAT(x'00275C0AFF', 5000)", "x''"), False),
    ("MEDIUMBLOB", ("REPEAT(x'5C', 70000)", "x'00'"), False),
    ("LONGBLOB", ("REPEAT(x'FF27', 40000)", "x''"), False),
    ("JSON", ("'{\"k\": [1.0, null, \"\\\\u00e9\\'\"]}'", "'[]'", "'null'", "'{\"b\":1,\"a\":2}'"), False),
    ("ENUM('x','y','ü')", ("'y'", "'invalid'", "'ü'"), True),
    ("SET('a','b','c')", ("'a,c'", "''", "7"), True),
    ("SET(" + ",".join(f"'s{n}'" for n in range(64)) + ")", ("18446744073709551615", "'s63'"), True),
    ("ENUM(" + ",".join(f"'e{n}'" for n in range(300)) + ")", ("'e299'", "'e0'"), True),
    ("DATE", ("'0000-00-00'", "'2023-02-31'", "'9999-12-31'", "'2024-00-00'", "'1000-01-01'"), True),
    ("TIME", ("'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"), True),
    ("TIME(1)", ("'-838:59:59.9'", "'-00:00:00.1'", "'12:00:00'"), True),
    ("TIME(3)", ("'-838:59:59.999'", "'-00:00:00.001'", "'-01:00:00'"), True),
    ("TIME(6)", ("'-838:59:59.999999'", "'838:59:59.999999'", "'-00:00:00.000001'", "'-00:00:01'"), True),
    ("DATETIME", ("'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'", "'2023-02-31 10:00:00'"), True),
    ("DATETIME(2)", ("'2024-01-01 00:00:00.01'", "'0000-00-00 00:00:00'"), True),
    ("DATETIME(6)", ("'2024-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"), True),
    ("TIMESTAMP NULL", ("'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'",
                        "'2024-10-27 00:30:00'", "'2024-10-27 01:30:00'", "'2024-03-31 01:30:00'"), False),
    ("TIMESTAMP(6) NULL", ("'1970-01-01 00:00:01.000001'", "'2038-01-19 03:14:07.999999'"), False),
    ("TIMESTAMP(3) NULL", ("'2000-02-29 23:59:59.999'", "'2037-12-31 00:00:00.5'"), False),
    ("YEAR", ("'0000'", "1901", "2155", "2000"), True),
    ("INET6", ("'::1'", "'::'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", "'::ffff:1.2.3.0'"), True),
    ("INET4", ("'0.0.0.0'", "'255.255.255.0'"), True),
    ("UUID", ("'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'",
              "'018f5a3e-7c1a-7abc-8def-0123456789ab'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"), True),
    ("GEOMETRY", ("ST_GeomFromText('POINT(1 2)', 4326)",
                  "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))')"), False),
    ("POINT", ("POINT(0.1, -0.0)", "POINT(1e300, 5)"), False),
    ("LINESTRING", ("ST_GeomFromText('LINESTRING(0 0, 1 1, 2 5)')",), False),
    ("POLYGON", ("ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 0))')",), False),
    ("MULTIPOINT", ("ST_GeomFromText('MULTIPOINT(0 0, 1 1)')",), False),
    ("MULTILINESTRING", ("ST_GeomFromText('MULTILINESTRING((0 0, 1 1), (2 2, 3 3))')",), False),
    ("MULTIPOLYGON", ("ST_GeomFromText('MULTIPOLYGON(((0 0, 4 0, 4 4, 0 0)))')",), False),
    ("GEOMETRYCOLLECTION", ("ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))')",), False),
    ("VARCHAR(500) COMPRESSED", ("REPEAT('长', 400)", "''", "'short'"), False),
    ("LONGBLOB COMPRESSED", ("REPEAT(x'00FF27', 5000)", "x''", "x'00'"), False),
]  # fmt: skip


if len(set(flavours())) > 1:
    # Values that one of both cannot hold: it says so, and nothing else follows.
    ALONE = ("838:59:59.", "-0e0", "x'D800'")
    TYPES = [(k, tuple(v for v in all_ if not any(a in v for a in ALONE)), key) for k, all_, key in TYPES]
MARIADB_ONLY = ("INET", "UUID", "COMPRESSED")
# Between MariaDB and MySQL such columns do not move: the one keeps JSON as written, the other rewritten.
UNSHARED = MARIADB_ONLY if flavours() == ("mysql", "mysql") else (*MARIADB_ONLY, "JSON")


def tables(without: tuple[str, ...] = ()) -> Iterator[str]:
    """Of each type: with a key beside it, without any key, and where it can be as the key."""
    for n, (kind, _, as_key) in enumerate(TYPES):
        if any(word in kind for word in without):
            continue
        yield f"CREATE TABLE k{n} (id INT PRIMARY KEY, v {kind}, w {kind})"
        yield f"CREATE TABLE b{n} (v {kind}, n INT)"
        if as_key:
            yield f"CREATE TABLE p{n} (v {kind} NOT NULL PRIMARY KEY, n INT)"


def rows() -> Iterator[str]:
    for n, (_, values, as_key) in enumerate(TYPES):
        for i, value in enumerate((*values, "NULL")):
            yield f"INSERT INTO k{n} VALUES ({i}, {value}, NULL)"
            yield f"INSERT INTO b{n} VALUES ({value}, 1), ({value}, 1), ({value}, 1)"
        if as_key:
            for value in values:
                yield f"INSERT INTO p{n} VALUES ({value}, 1)"


def moved_on() -> Iterator[str]:
    for n, (_, values, as_key) in enumerate(TYPES):
        listed = (*values, "NULL")
        for i, _ in enumerate(listed):
            yield f"UPDATE k{n} SET v = {listed[i - 1]}, w = {listed[i]} WHERE id = {i}"
        yield f"DELETE FROM k{n} WHERE id = 1"
        # One of three equal rows changes, one goes, one stays.
        yield f"UPDATE b{n} SET v = {listed[0]}, n = 2 LIMIT 2"
        yield f"UPDATE b{n} SET n = 3 WHERE v IS NULL LIMIT 1"
        yield f"DELETE FROM b{n} ORDER BY n DESC LIMIT 3"
        if as_key:
            yield f"UPDATE p{n} SET n = 5"
            yield f"DELETE FROM p{n} LIMIT 1"


def test_every_type_arrives_exactly() -> None:
    mariadb = only_mariadb()
    with relayed(*tables(() if mariadb else UNSHARED)) as pair:
        for statement in (*rows(), *moved_on()):
            # Beside MariaDB's own types and values that MySQL refuses to hold, every statement counts.
            with nullcontext() if mariadb else suppress(pymysql.err.MySQLError):
                pair.run(statement)
        assert pair.follow() > 500
        assert pair.differing() == []
        for n in range(len(TYPES) if mariadb else 0):
            plain = f"SELECT id, HEX(v), HEX(w) FROM {SCHEMA}.k{n} ORDER BY id"
            assert pair.world.source.run(plain) == pair.world.target.run(plain)


@pytest.mark.skipif(
    not all(variable in os.environ for variable in MYSQL8),
    reason=f"set {' and '.join(MYSQL8)} to run on MySQL 8",
)
def test_every_type_arrives_exactly_on_mysql_8() -> None:
    with relayed_on_mysql_8(*tables(MARIADB_ONLY)) as pair:
        assert pair.source.not_followable(SCHEMA) == ()
        for statement in (*rows(), *moved_on()):
            # What MySQL refuses to hold at all (a type of MariaDB's, half a surrogate) cannot be followed.
            with suppress(pymysql.err.MySQLError):
                pair.world.source.run(statement)
        assert pair.follow() > 500
        assert pair.differing() == []


def test_no_known_type_is_left_out() -> None:
    only_mysql = {"geomcollection"}
    aliases = {"boolean": "tinyint"}
    tried = {kind.split("(")[0].split(" ")[0].lower() for kind, _, _ in TYPES}
    assert KNOWN_TYPES - only_mysql <= {aliases.get(kind, kind) for kind in tried}


# Shape: binary as MySQL 8 keeps it, text as it prints it.
JSON = [
    (b"", "null"),
    (b"\x04\x01", "true"),
    (b"\x05\xff\xff", "-1"),
    (b"\x0a" + b"\xff" * 8, "18446744073709551615"),
    (b"\x0b" + b"\x00\x00\x00\x00\x00\x00\xf0\x3f", "1.0"),
    (b"\x0c\x05a\"\\\xc3\xa9", '"a\\"\\\\é"'),
    (b"\x02\x02\x00\x0a\x00\x05\x01\x00\x04\x00\x00", "[1, null]"),
    (b"\x00\x01\x00\x0c\x00\x0b\x00\x01\x00\x05\x07\x00a", '{"a": 7}'),
]  # fmt: skip


@pytest.mark.parametrize(("binary", "text"), JSON)
def test_binary_json_is_read_as_the_server_prints_it(binary: bytes, text: str) -> None:
    assert json_text(binary).decode() == text


def texts(pair: Relayed) -> str:
    """What following says instead of following."""
    with pytest.raises(MigrationError) as caught:
        pair.follow()
    return str(caught.value)


ONE = "CREATE TABLE one (id INT PRIMARY KEY, n INT)"

# What a client does, and what is said; nothing of it may be carried out.
STOPPING = [
    ("ALTER TABLE one ADD COLUMN more INT", "ALTER TABLE one ADD COLUMN more INT"),
    ("TRUNCATE TABLE one", "TRUNCATE TABLE one"),
    ("CREATE TABLE two (id INT PRIMARY KEY, w VARCHAR(9) DEFAULT 'secret')", "CREATE TABLE two"),
    ("CREATE TABLE three AS SELECT 1 AS a", "CREATE TABLE `three`"),
    ("DROP TABLE one", "DROP TABLE `one`"),
    ("RENAME TABLE one TO two", "RENAME TABLE one TO two"),
    ("CREATE INDEX i ON one (n)", "CREATE INDEX i ON one"),
    ("USE mysql; RENAME TABLE shop.one TO shop.two", "RENAME TABLE shop.one"),
    ("SET SESSION binlog_format = 'STATEMENT'; INSERT INTO one VALUES (987654, 1)", "logged as a statement"),
    ("SET SESSION binlog_row_image = 'MINIMAL'; UPDATE one SET n = 5 WHERE id = 1", "binlog_row_image"),
    (
        "XA START 'x'; INSERT INTO one VALUES (987654, 1); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'",
        "XA PREPARE",
    ),
]


@pytest.mark.parametrize(("statements", "said"), STOPPING, ids=[s[:30] for s, _ in STOPPING])
def test_what_is_no_row_change_stops_with_words(statements: str, said: str) -> None:
    with relayed(ONE, "INSERT INTO one VALUES (1, 1)") as pair:
        before = pair.world.target.run(f"SELECT * FROM {SCHEMA}.one")
        pair.world.source.run(f"USE {SCHEMA}", *statements.split("; "), database=SCHEMA)
        text = texts(pair)
        assert said in text and "copied again" in text
        assert "987654" not in text and "secret" not in text
        assert pair.world.target.run(f"SELECT * FROM {SCHEMA}.one") == before


# Schema it is run in, statement, whether it may change rows or tables of the schema `shop`.
STATEMENTS = [
    ("shop", "ALTER TABLE t ADD a INT", True),
    ("shop", "CREATE OR REPLACE TABLE t (a INT)", True),
    ("shop", "/* client */ CREATE TABLE IF NOT EXISTS `view` (a INT)", True),
    ("shop", "ALTER TABLE `event` DROP a", True),
    ("shop", "CREATE TABLE copy SELECT * FROM crm.view", True),
    ("shop", "DROP TABLE `crm`.`a`,`shop`.`b`", True),
    ("shop", "DROP TABLE `crm`.`a`,`b`", True),
    ("shop", "CREATE TABLE crm.t (a INT)", False),
    ("shop", "DROP TABLE `crm`.`a` /* generated by server */", False),
    ("shop", "ALTER TABLE crm.t ADD a INT", False),
    ("shop", "TRUNCATE TABLE `crm`.`t`", False),
    ("crm", "ALTER TABLE shop ADD a INT", False),
    ("crm", "ALTER TABLE crm.shop ADD a INT", False),
    ("crm", "ALTER TABLE `crm`.`shop` ADD a INT", False),
    ("crm", "ALTER TABLE eshop.t ADD a INT", False),
    ("crm", "ALTER TABLE `shop`.`t` ADD a INT", True),
    ("crm", "RENAME TABLE t TO shop . t", True),
    ("", "DROP DATABASE `shop`", True),
    ("", "DROP SCHEMA IF EXISTS shop", True),
    ("", "DROP DATABASE shops", False),
    ("", "INSERT INTO shop.t VALUES (1)", True),
    ("shop", "CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `t` AS SELECT 1", False),
    ("shop", "CREATE DEFINER=`a b`@`%` FUNCTION f() RETURNS INT RETURN 1", False),
    ("shop", "DROP INDEX event ON t", True),
    ("shop", "CREATE DEFINER=`a`@`%` PROCEDURE p() DROP TABLE t", False),
    ("shop", "ALTER TABLE t AUTO_INCREMENT = 70", False),
    ("shop", "ALTER TABLE t AUTO_INCREMENT = 70, ADD a INT", True),
    ("shop", "/*!40000 ALTER TABLE `t` DISABLE KEYS */", False),
    ("shop", "GRANT SELECT ON shop.* TO a", False),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "text", "expected"), STATEMENTS)
def test_statements_that_may_change_the_schema_are_known(schema: str, text: str, expected: bool) -> None:
    assert touches(Statement(schema, text), "shop") is expected


# What a client does that changes no row of the schema, or is no business of ours.
PASSING = [
    "GRANT SELECT ON shop.* TO migrator@'%'",
    "ANALYZE TABLE one",
    "OPTIMIZE TABLE one",
    "CREATE VIEW v AS SELECT * FROM one",
    "CREATE TRIGGER t AFTER INSERT ON one FOR EACH ROW INSERT INTO two VALUES (NEW.id + 10, 7)",
    "CREATE TEMPORARY TABLE one_more (a INT); INSERT INTO one_more VALUES (1); DROP TEMPORARY TABLE one_more",
    "FLUSH TABLES",
    "CREATE DATABASE shops; CREATE TABLE shops.one (a TEXT); INSERT INTO shops.one VALUES ('x')",
    "CREATE SEQUENCE numbers; SELECT NEXTVAL(numbers); SELECT NEXTVAL(numbers)",
    "BEGIN; SAVEPOINT `a b`; INSERT INTO two VALUES (5, 1); ROLLBACK TO `a b`; COMMIT",
    "BEGIN; INSERT INTO two VALUES (5, 1); SAVEPOINT s; DELETE FROM two; ROLLBACK TO s; COMMIT",
    "BEGIN; INSERT INTO two VALUES (5, 1); ROLLBACK",
    "SET SESSION binlog_row_image = 'NOBLOB'; INSERT INTO two VALUES (6, 6)",
    "SET GLOBAL log_bin_compress = 1; SET GLOBAL log_bin_compress_min_len = 10",
    "FLUSH BINARY LOGS",
    "XA START 'x'; INSERT INTO two VALUES (7, 1); XA END 'x'; XA COMMIT 'x' ONE PHASE",
    "SET GLOBAL binlog_checksum = NONE",
    "SET GLOBAL binlog_row_metadata = FULL",
    "SET GLOBAL binlog_annotate_row_events = 0",
]


@pytest.mark.parametrize("statements", PASSING, ids=[s[:30] for s in PASSING])
def test_what_is_no_business_of_ours_is_passed(statements: str) -> None:
    if not known(statements):
        pytest.skip("MySQL has no sequences")
    two = "CREATE TABLE two (id INT PRIMARY KEY, n INT)"
    with relayed(ONE, two, "INSERT INTO two VALUES (1, 1)") as pair:
        try:
            pair.world.source.run(*statements.split("; "), database=SCHEMA)
            pair.run("INSERT INTO one VALUES (1, 1), (2, NULL)", "UPDATE one SET n = id", "DELETE FROM two")
            assert pair.follow() >= 4
            assert pair.differing() == []
        finally:
            pair.world.source.run(
                "DROP DATABASE IF EXISTS shops", "SET GLOBAL log_bin_compress = 0",
                "SET GLOBAL binlog_checksum = CRC32", "SET GLOBAL binlog_row_metadata = NO_LOG",
                "SET GLOBAL binlog_annotate_row_events = 1",
            )  # fmt: skip


# Setting of the source, what is said, what mends it.
UNFIT = [
    ("SET GLOBAL binlog_format = 'MIXED'", "binlog_format is MIXED", "SET GLOBAL binlog_format = 'ROW'"),
    ("SET GLOBAL binlog_row_image = 'MINIMAL'", "binlog_row_image is MINIMAL", "binlog_row_image = 'FULL'"),
    (
        f"CREATE TABLE {SCHEMA}.old (a INT) ENGINE=MyISAM",
        "MyISAM",
        "ALTER TABLE `shop`.`old` ENGINE = InnoDB;",
    ),
]


@pytest.mark.parametrize(("setting", "said", "mended"), UNFIT)
def test_what_keeps_from_following_is_named_with_what_mends_it(setting: str, said: str, mended: str) -> None:
    with relayed(ONE) as pair:
        assert pair.source.not_followable(SCHEMA) == ()
        pair.world.source.run(setting)
        try:
            (reason,) = pair.source.not_followable(SCHEMA)
            assert said in reason and mended in reason
        finally:
            pair.world.source.run("SET GLOBAL binlog_format = 'ROW'", "SET GLOBAL binlog_row_image = 'FULL'")


def test_missing_privileges_are_named() -> None:
    with relayed(ONE) as pair:
        server = pair.world.source
        server.run(f"CREATE OR REPLACE USER few@'%' IDENTIFIED BY '{PASSWORD}'", "GRANT SELECT ON *.* TO few")
        reader = server.endpoint(user="few").open_reader()
        try:
            (reason,) = reader.not_followable(SCHEMA)
            monitor = "BINLOG MONITOR" if server.flavour == "mariadb" else "REPLICATION CLIENT"
            assert f"GRANT REPLICATION SLAVE, {monitor} ON *.* TO 'few'@'%';" in reason
            with pytest.raises(Unreadable):
                reader.position()
            with pytest.raises(Unreadable):
                list(reader.changes(SCHEMA, pair.position, "log.999999:4"))
            server.run("GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO few")
            reader.close()
            reader = server.endpoint(user="few").open_reader()
            assert reader.not_followable(SCHEMA) == ()
            pair.run("INSERT INTO one VALUES (1, 1)")
            assert [len(c.rows) for c in reader.changes(SCHEMA, pair.position, reader.position())] == [1]
        finally:
            reader.close()
            server.run("DROP USER few@'%'")


def test_a_log_that_was_purged_or_reset_is_never_guessed_at() -> None:
    with relayed(ONE) as pair:
        pair.run("INSERT INTO one VALUES (1, 1)")
        pair.follow()
        begun = pair.position
        pair.world.source.run("FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
        last = pair.world.source.run("SHOW MASTER STATUS")[0][0]
        while len(pair.world.source.run(f"PURGE BINARY LOGS TO '{last}'", "SHOW BINARY LOGS")) > 1:
            time.sleep(0.05)  # the server has not yet seen that our earlier reading ended
        assert "copied again" in texts(pair)
        with pytest.raises(Unreadable, match="does not hold"):
            pair.source.lag_bytes(begun)
        # Another log under the same name, as after RESET MASTER or on another server.
        place = pair.source.position()
        with pytest.raises(Unreadable, match="copied again"):
            list(pair.source.changes(SCHEMA, f"{place}@12345", f"{last}:99999999"))
        with pytest.raises(Unreadable, match="copied again"):
            list(pair.source.changes(SCHEMA, f"{last}:99999999", f"{last}:999999999"))
        with pytest.raises(Refused):
            list(pair.source.changes(SCHEMA, "0-1-55"))


def test_an_idle_log_tells_of_itself_and_of_other_schemas() -> None:
    with relayed(ONE) as pair:
        stream = pair.source.changes(SCHEMA, pair.position)
        first = next(stream)
        assert first.rows == () and first.committed_at == 0.0
        pair.world.source.run(
            "CREATE DATABASE shops", "CREATE TABLE shops.t (a INT)", "INSERT INTO shops.t VALUES (1)"
        )
        end = pair.source.position()
        for _ in range(20):
            found = next(stream)
            assert not found.rows
            if found.position.startswith(end):
                break
        else:
            raise AssertionError("the position never passed what other schemas wrote")
        assert pair.source.lag_bytes(found.position) == 0
        pair.run("INSERT INTO one VALUES (1, 1)")
        assert pair.source.lag_bytes(found.position) > 0
        found = next(c for c in stream if c.rows)
        assert [row.kind for row in found.rows] == ["insert"] and found.committed_at > 1e9
        pair.world.source.run("DROP DATABASE shops")
