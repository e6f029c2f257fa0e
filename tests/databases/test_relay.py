"""Whole transactions arrive in order, once, strictly; a target that diverged is named by table and key."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core.errors import ApplyFailed, MigrationError, Refused, Unreadable
from inventory.secrets import SecretSource
from tasks.databases.mysql.endpoint import MysqlServer
from tests.databases.relayed import Relayed, relayed
from tests.databases.servers import MIGRATOR, LocalServer, only_mariadb
from tests.worlds.mysql import SCHEMA

# Name, tables and first rows, what a client then does.
ARRIVING: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    (
        "a key that changes, by case alone too",
        (
            "CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT)",
            "INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', 3)",
        ),
        (
            "UPDATE t SET k = 'A' WHERE k = 'a'",
            "UPDATE t SET k = CONCAT(k, 'x') ORDER BY k DESC",
            "UPDATE t SET k = 'Ax ', n = 7 WHERE k = 'ax'",
        ),
    ),
    (
        "unique values that change places",
        (
            "CREATE TABLE t (id INT PRIMARY KEY, u INT UNIQUE, w INT, UNIQUE KEY (w, u))",
            "INSERT INTO t VALUES (1, 1, 1), (2, 2, 1), (3, 3, 1)",
        ),
        (
            "UPDATE t SET u = u - 1 ORDER BY u",
            "UPDATE t SET id = id + 1 ORDER BY id DESC",
            "BEGIN", "UPDATE t SET u = 99 WHERE u = 0", "UPDATE t SET u = 0 WHERE u = 1",
            "UPDATE t SET u = 1 WHERE u = 99", "COMMIT",
            "REPLACE INTO t VALUES (50, 1, 9), (51, 0, 9)",
            "INSERT INTO t VALUES (60, 1, 5), (61, 70, 1) ON DUPLICATE KEY UPDATE w = w + 100",
        ),
    ),
    (
        "equal rows without a key",
        (
            "CREATE TABLE t (a VARCHAR(9), f FLOAT, b BLOB, n INT)",
            "INSERT INTO t VALUES ('x', 0.1, NULL, 1), ('x', 0.1, NULL, 1), ('X', 0.1, '', 1)",
            "INSERT INTO t VALUES ('x ', 0.1, NULL, 1), ('NULL', 0.1, 'NULL', 1), (NULL, NULL, NULL, 1)",
        ),
        (
            "UPDATE t SET n = 2 WHERE BINARY a = 'x' LIMIT 1",
            "DELETE FROM t WHERE BINARY a = 'x' AND n = 1 LIMIT 1",
            "UPDATE t SET f = 0.2 WHERE a IS NULL", "INSERT INTO t SELECT * FROM t", "DELETE FROM t LIMIT 3",
        ),
    ),
    (
        "foreign keys that cascade",
        (
            "CREATE TABLE p (id INT PRIMARY KEY)",
            "CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)"
            " ON DELETE CASCADE ON UPDATE CASCADE)",
            "CREATE TABLE g (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES c (id)"
            " ON DELETE SET NULL)",
            "INSERT INTO p VALUES (1), (2), (3)", "INSERT INTO c VALUES (10, 1), (11, 1), (20, 2), (30, 3)",
            "INSERT INTO g VALUES (100, 10), (101, 11), (200, 20), (300, 30)",
        ),
        (
            "DELETE FROM p WHERE id = 1", "UPDATE p SET id = 22 WHERE id = 2",
            "SET SESSION foreign_key_checks = 0", "DELETE FROM p WHERE id = 3",
            "INSERT INTO c VALUES (40, 4)", "SET SESSION foreign_key_checks = 1", "INSERT INTO p VALUES (4)",
        ),
    ),
    (
        "numbers and times that make themselves",
        (
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT, at TIMESTAMP(6) NULL DEFAULT NULL"
            " ON UPDATE CURRENT_TIMESTAMP(6), v INT AS (n + 1) VIRTUAL, s INT AS (n + 2) STORED,"
            " i INT INVISIBLE DEFAULT 3, CHECK (n < 1000), KEY (v))",
            "INSERT INTO t (id, n) VALUES (0, 5)",
        ),
        (
            "INSERT INTO t (n) VALUES (1), (2)", "UPDATE t SET n = 9 WHERE n = 1",
            "UPDATE t SET n = 8, at = at", "SET SESSION check_constraint_checks = 0",
            "INSERT INTO t (n) VALUES (5000)",
            "SET SESSION check_constraint_checks = 1", "UPDATE t SET i = 4 WHERE n = 8",
            "DELETE FROM t WHERE n = 5000",
        ),
    ),
    (
        "names that need quotes",
        (
            "CREATE TABLE `客户 \"a``b'c` (`no #1` VARCHAR(20), `a, b` INT, x TEXT,"
            " PRIMARY KEY (`no #1`, `a, b`))",
        ),
        (
            "INSERT INTO `客户 \"a``b'c` (`no #1`, `a, b`, x) VALUES ('it''s, \\\\', 1, ';'),"
            " ('王', 2, '\\0')",
            "UPDATE `客户 \"a``b'c` SET x = 'x; DROP TABLE', `a, b` = 3 WHERE `a, b` = 1",
            "DELETE FROM `客户 \"a``b'c` WHERE `a, b` = 2",
        ),
    ),
    (
        "savepoints, roll-backs and more than one schema in one transaction",
        ("CREATE TABLE t (id INT PRIMARY KEY, n INT)",),
        (
            "CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)",
            "BEGIN", "INSERT INTO t VALUES (1, 1)", "SAVEPOINT a", "INSERT INTO t VALUES (2, 2)",
            "INSERT INTO other.t VALUES (2)", "ROLLBACK TO a", "INSERT INTO t VALUES (3, 3)",
            "INSERT INTO other.t VALUES (3)", "SAVEPOINT b", "DELETE FROM t WHERE id = 1",
            "RELEASE SAVEPOINT b", "COMMIT", "BEGIN", "DELETE FROM t", "ROLLBACK", "DROP DATABASE other",
        ),
    ),
    (
        "partitions and a unique key in place of a primary one",
        (
            "CREATE TABLE t (id INT, at DATE, n INT, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at))"
            " (PARTITION a VALUES LESS THAN (2000), PARTITION b VALUES LESS THAN MAXVALUE)",
            "CREATE TABLE u (a INT NOT NULL, b VARBINARY(300) NOT NULL, n INT, UNIQUE KEY (a, b))",
            "INSERT INTO u VALUES (1, '', 1), (1, x'00', 1), (1, REPEAT(x'FF', 300), 1)",
        ),
        (
            "INSERT INTO t VALUES (1, '1999-12-31', 1), (1, '2001-01-01', 1)",
            "UPDATE t SET at = '2005-05-05' WHERE n = 1 AND at < '2000-01-01'",
            "UPDATE u SET n = LENGTH(b)", "UPDATE u SET b = '', a = 2 WHERE n = 0",
            "DELETE FROM u WHERE n = 300",
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("made", "done"), [c[1:] for c in ARRIVING], ids=[c[0] for c in ARRIVING])
def test_what_clients_do_arrives(made: tuple[str, ...], done: tuple[str, ...]) -> None:
    if not only_mariadb():  # rows that break a CHECK are MariaDB's alone
        made = tuple(statement.replace(", CHECK (n < 1000)", "") for statement in made)
    with relayed(*made) as pair:
        assert pair.differing() == []
        pair.run(*done)
        assert pair.follow() > 0
        assert pair.differing() == []
        assert pair.look._session.query(f"SELECT COUNT(*) FROM qianyun_copy_{SCHEMA}.dirty") != [("0",)]


T = "CREATE TABLE t (id INT PRIMARY KEY, u INT UNIQUE, secret VARCHAR(40))"
KEYLESS = "CREATE TABLE bag (n INT, secret VARCHAR(40))"
BEGUN = (
    T,
    KEYLESS,
    "INSERT INTO t VALUES (1, 1, 'Hidden'), (2, 2, 'Hidden')",
    "INSERT INTO bag VALUES (1, 'Hidden')",
)

# What changed on the target behind our back, what the source does, what is said.
DIVERGED = [
    ("DELETE FROM t WHERE id = 1", "UPDATE t SET u = 9 WHERE id = 1", "shop.t: update of the row with key 1"),
    ("DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = 1", "shop.t: delete of the row with key 1"),
    (
        "INSERT INTO t VALUES (4, 4, 'Hidden')",
        "INSERT INTO t SELECT seq, seq + 100, 'Hidden' FROM seq_3_to_9",
        "shop.t: insert of the row with key 4",
    ),
    (
        "INSERT INTO t VALUES (80, 5, 'Hidden')",
        "INSERT INTO t VALUES (5, 5, 'Hidden')",
        "shop.t: insert of the row with key 5",
    ),
    (
        "UPDATE t SET u = 9 WHERE id = 1",
        "UPDATE t SET u = 9 WHERE id = 1",
        "shop.t: update of the row with key 1",
    ),
    ("DELETE FROM bag", "DELETE FROM bag", "shop.bag: delete of a row"),
    ("UPDATE bag SET secret = 'hidden'", "UPDATE bag SET n = 2", "shop.bag: update of a row"),
    ("DROP TABLE t", "DELETE FROM t WHERE id = 2", "shop.t: change of a row: there is no such table"),
    ("ALTER TABLE t ADD x INT", "DELETE FROM t WHERE id = 2", "has other columns"),
    (
        "ALTER TABLE t MODIFY secret VARCHAR(7)",
        "INSERT INTO t VALUES (3, 3, 'Hidden'), (4, 4, 'Hidden for long')",
        "shop.t: insert of the row with key 4: the target takes no such value",
    ),
]


@pytest.mark.parametrize(("behind", "done", "said"), DIVERGED, ids=[d[0] + "; " + d[1] for d in DIVERGED])
def test_a_target_that_diverged_is_named_by_table_and_key_only(behind: str, done: str, said: str) -> None:
    with relayed(*BEGUN) as pair:
        pair.world.target.run(f"USE {SCHEMA}", behind)
        pair.run("INSERT INTO t VALUES (50, 50, 'Hidden')", done)
        position = pair.position
        with pytest.raises(ApplyFailed) as caught:
            pair.follow()
        assert said in str(caught.value) and "hidden" not in str(caught.value).lower()
        assert not caught.value.transient
        assert pair.position == position
        if behind != "DROP TABLE t":
            assert not pair.world.target.run(f"SELECT * FROM {SCHEMA}.t WHERE id = 50"), (
                "nothing half applied"
            )
        assert pair.look.dirty(SCHEMA, 10) == ()


def test_the_session_is_as_before_after_applying_and_after_failing() -> None:
    settings = "SELECT @@foreign_key_checks, @@sql_mode, @@autocommit"
    with relayed(*BEGUN) as pair:
        settings += ", @@in_transaction" if pair.write._session.is_mariadb else ""
        before = pair.write._session.query(settings)
        pair.run("INSERT INTO t VALUES (3, 3, '')")
        pair.follow()
        assert pair.write._session.query(settings) == before
        pair.run("UPDATE t SET u = 1000 + u")
        pair.world.target.run(f"DELETE FROM {SCHEMA}.t")
        with pytest.raises(ApplyFailed):
            pair.follow()
        assert pair.write._session.query(settings) == before
        with pytest.raises(MigrationError):
            pair.write._session.send("two at once", "SELECT 1; SELECT 2")


def test_what_was_applied_is_not_applied_again() -> None:
    """The answer to a COMMIT may be lost on the way: the same batch comes again."""
    with relayed(*BEGUN) as pair:
        pair.run("INSERT INTO bag VALUES (5, 'x')", "INSERT INTO bag VALUES (6, 'x')")
        batch = [c for c in pair.changes() if c.rows]
        tables = {table.name: table for table in pair.look.tables(SCHEMA)}
        assert pair.write.apply_changes(SCHEMA, tables, batch[:1]) == 1
        assert pair.write.apply_changes(SCHEMA, tables, batch) == 1
        assert pair.write.apply_changes(SCHEMA, tables, batch) == 0
        assert pair.differing() == []
        pair.write.set_position(SCHEMA, "")
        assert pair.position == ""
        with pytest.raises(Refused):
            pair.write.apply_changes(SCHEMA, tables, batch)


def test_changed_keys_are_kept_until_they_are_proved_equal() -> None:
    made = (
        "CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_general_ci, d DATE, f FLOAT, n INT,"
        " PRIMARY KEY (k, d, f))",
        "CREATE TABLE bag (n INT)",
        "INSERT INTO t VALUES ('a', '2024-01-01', 0.1, 1), ('O''b, x', '2024-01-02', -0.5, 1)",
    )
    with relayed(*made) as pair:
        pair.run("UPDATE t SET k = 'A' WHERE k = 'a'", "DELETE FROM t WHERE n = 1 AND k LIKE 'O%'")
        pair.run("INSERT INTO bag VALUES (1)")
        pair.follow()
        dirty = pair.look.dirty(SCHEMA, 10)
        assert [table for table, _ in dirty] == ["bag", "t", "t", "t"]
        tables = {table.name: table for table in pair.look.tables(SCHEMA)}
        keys = [key for table, key in dirty if table == "t"]
        there = pair.look.key_digests(SCHEMA, tables["t"], keys)
        assert there == pair.source.key_digests(SCHEMA, tables["t"], keys) and len(there) == 2
        bag = pair.look.key_digests(SCHEMA, tables["bag"], [""])
        assert bag == pair.source.key_digests(SCHEMA, tables["bag"], [""]) and bag[""].startswith("1 rows")
        pair.world.target.run(f"UPDATE {SCHEMA}.t SET n = 7", f"INSERT INTO {SCHEMA}.bag VALUES (2)")
        assert pair.look.key_digests(SCHEMA, tables["t"], keys) != there
        assert pair.look.key_digests(SCHEMA, tables["bag"], [""]) != bag
        pair.write.clear_dirty(SCHEMA, dirty[:2])
        assert pair.look.dirty(SCHEMA, 10) == dirty[2:]
        assert pair.look.dirty(SCHEMA, 1) == dirty[2:3]
        pair.write.clear_dirty(SCHEMA, dirty)
        pair.write.clear_dirty(SCHEMA, ())
        assert pair.look.dirty(SCHEMA, 10) == ()


def test_rows_that_foreign_keys_change_along_are_noted_too() -> None:
    cascade = "ON DELETE CASCADE ON UPDATE CASCADE"
    made = (
        "CREATE TABLE p (id INT PRIMARY KEY, n INT)",
        "CREATE TABLE c (p INT, no VARCHAR(9), d DATE, PRIMARY KEY (p, no, d),"
        f" FOREIGN KEY (p) REFERENCES p (id) {cascade})",
        "CREATE TABLE g (id INT PRIMARY KEY, p INT, no VARCHAR(9), d DATE, n INT, CONSTRAINT `g c`"
        " FOREIGN KEY (p, no, d) REFERENCES c (p, no, d) ON DELETE SET NULL ON UPDATE CASCADE)",
        f"CREATE TABLE bag (p INT, FOREIGN KEY (p) REFERENCES p (id) {cascade})",
        "CREATE TABLE tree (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES tree (id)"
        " ON DELETE CASCADE)",
        "INSERT INTO p VALUES (1, 1), (2, 2), (3, 3)",
        "INSERT INTO c VALUES (1, 'x,\\'', '2024-01-01'), (1, 'y', '2024-01-01'), (2, 'x', '2024-01-01')",
        "INSERT INTO g VALUES (10, 1, 'y', '2024-01-01', 1), (20, 2, 'x', '2024-01-01', 1)",
        "INSERT INTO g VALUES (30, 1, NULL, NULL, 1)",
        "INSERT INTO bag VALUES (3)",
        "INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2)",
    )
    with relayed(*made) as pair:
        pair.run("DELETE FROM p WHERE id = 1", "UPDATE p SET id = 22 WHERE id = 2", "UPDATE p SET n = 9")
        pair.follow()
        assert pair.differing() == []
        noted = {(table, key.replace(hex_of("x,'"), "QUOTED")) for table, key in pair.look.dirty(SCHEMA, 99)}
        assert noted == {
            ("p", "1"), ("p", "2"), ("p", "22"), ("p", "3"),
            ("c", "1,QUOTED,'2024-01-01'"), ("c", f"1,{hex_of('y')},'2024-01-01'"),
            ("c", f"2,{hex_of('x')},'2024-01-01'"), ("c", f"22,{hex_of('x')},'2024-01-01'"),
            ("g", "10"), ("g", "20"), ("bag", ""),
        }  # fmt: skip
        pair.write.clear_dirty(SCHEMA, pair.look.dirty(SCHEMA, 99))
        pair.run("UPDATE p SET n = 10 WHERE id = 22")
        pair.follow()
        assert pair.look.dirty(SCHEMA, 99) == (("p", "22"),), "its key stays: nothing else moves"
        pair.write.clear_dirty(SCHEMA, [("p", "22")])
        pair.run("DELETE FROM tree WHERE id = 1")
        pair.follow()
        assert pair.differing() == []
        noted_of_tree = {key for _, key in pair.look.dirty(SCHEMA, 99)}
        # MySQL 9.7 writes what cascades to its log; MariaDB does not, and a circle ends with the whole.
        assert noted_of_tree in ({"", "1", "2"}, {"1", "2", "3"})
        (tree,) = (t for t in pair.look.tables(SCHEMA) if t.name == "tree")
        found = pair.look.key_digests(SCHEMA, tree, ["", "1"])
        assert list(found) == [""] and found == pair.source.key_digests(SCHEMA, tree, ["", "1"])


def hex_of(value: str) -> str:
    return f"x'{value.encode().hex().upper()}'"


def test_a_large_transaction_takes_little_memory() -> None:
    """100,000 rows of 500 bytes: the transaction waits in a file, its rows pass one by one."""
    with relayed("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(500))") as pair:
        pair.run("INSERT INTO t SELECT seq, REPEAT(CHAR(65 + seq % 26), 500) FROM seq_1_to_100000")
        (changes,) = [c for c in pair.changes() if c.rows]
        assert len(changes.rows) == 100_000 and changes.size_bytes > 50_000_000
        tables = {table.name: table for table in pair.look.tables(SCHEMA)}
        before = resident_mb()
        assert pair.write.apply_changes(SCHEMA, tables, [changes]) == 100_000
        assert resident_mb() - before < 100
        assert pair.differing() == []


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


def test_a_long_value_arrives_and_one_too_long_is_refused() -> None:
    with relayed("CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB)") as pair:
        room = [int(s.run("SELECT @@global.max_allowed_packet")[0][0]) for s in servers_of(pair)]
        try:
            for server in servers_of(pair):
                server.run("SET GLOBAL max_allowed_packet = 67108864")
            pair.close_ports()
            pair.open_ports()
            with pair.world.source.connect() as own, own.cursor() as cursor:
                cursor.execute(f"INSERT INTO {SCHEMA}.t VALUES (1, REPEAT(x'00275C0AFF4142434445', 2097152))")
                cursor.execute(f"INSERT INTO {SCHEMA}.t VALUES (2, 'x')")
                cursor.execute(f"UPDATE {SCHEMA}.t SET id = 5 WHERE id = 1")
            pair.follow()
            assert pair.world.source.run(
                f"SELECT id, LENGTH(v), SHA2(v, 256) FROM {SCHEMA}.t ORDER BY id"
            ) == (pair.world.target.run(f"SELECT id, LENGTH(v), SHA2(v, 256) FROM {SCHEMA}.t ORDER BY id"))
            pair.world.target.run("SET GLOBAL max_allowed_packet = 1048576")
            pair.close_ports()
            pair.open_ports()
            with pair.world.source.connect() as own, own.cursor() as cursor:
                cursor.execute(f"UPDATE {SCHEMA}.t SET v = REPEAT('x', 2000000) WHERE id = 2")
            with pytest.raises(ApplyFailed, match=r"key 2: a row takes .* max_allowed_packet is 1048576"):
                pair.follow()
        finally:
            for server, size in zip(servers_of(pair), room, strict=True):
                server.run(f"SET GLOBAL max_allowed_packet = {size}")


def servers_of(pair: Relayed) -> tuple[LocalServer, LocalServer]:
    return pair.world.source, pair.world.target


def test_a_cut_connection_is_transient_and_nothing_is_lost() -> None:
    with relayed(*BEGUN) as pair:
        stream = pair.source.changes(SCHEMA, pair.position)
        next(stream)
        pair.run("INSERT INTO t VALUES (3, 3, 'a')")
        dumps = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'"
        for (number,) in pair.world.source.run(dumps):
            pair.world.source.run(f"KILL {number}")
        with pytest.raises(Unreadable) as caught:
            for _ in stream:
                pass
        assert caught.value.transient
        pair.follow()
        pair.run("INSERT INTO t VALUES (4, 4, 'a')")
        batch = [c for c in pair.changes() if c.rows]
        tables = {table.name: table for table in pair.look.tables(SCHEMA)}
        (session,) = pair.write._session.query("SELECT CONNECTION_ID()")[0]
        pair.world.target.run(f"KILL {session}")
        with pytest.raises(ApplyFailed) as failed:
            pair.write.apply_changes(SCHEMA, tables, batch)
        assert failed.value.transient
        pair.close_ports()
        pair.open_ports()
        pair.follow()
        assert pair.differing() == []


FOLLOW = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.databases.test_relay import follow_by_ports
follow_by_ports(int(sys.argv[2]), int(sys.argv[3]))
"""


def follow_by_ports(source_port: int, target_port: int) -> None:
    """Follow until killed, a few transactions at a time."""
    password = SecretSource("env:QIANYUN_TEST_MYSQL_PASSWORD", Path())
    one, other = (
        MysqlServer(host="127.0.0.1", port=port, user=MIGRATOR, password=password)
        for port in (source_port, target_port)
    )
    source, look, write = one.open_reader(), other.open_reader(), other.open_writer(lambda text: None)
    tables = {table.name: table for table in look.tables(SCHEMA)}
    marks = look.marks(SCHEMA)
    assert marks
    batch = []
    for changes in source.changes(SCHEMA, marks.position):
        batch += [changes] if changes.rows else []
        if batch and (not changes.rows or len(batch) == 7):
            write.apply_changes(SCHEMA, tables, batch)
            batch = []


def test_a_relay_killed_again_and_again_loses_and_doubles_nothing() -> None:
    """A client moves money and appends to tables without keys all the while: doubled rows would stay."""
    made = (
        "CREATE TABLE account (id INT PRIMARY KEY, money BIGINT)",
        "CREATE TABLE log (what VARCHAR(40), n INT)",
        "INSERT INTO account SELECT seq, 1000 FROM seq_1_to_50",
    )
    moments = random.Random(11)
    stop = threading.Event()
    with relayed(*made) as pair:

        def load() -> None:
            with pair.world.source.connect(database=SCHEMA) as own, own.cursor() as cursor:
                number = 0
                while not stop.is_set():
                    number += 1
                    one, other = number % 50 + 1, (number * 7) % 50 + 1
                    cursor.execute("BEGIN")
                    cursor.execute(f"UPDATE account SET money = money - 5 WHERE id = {one}")
                    cursor.execute(f"UPDATE account SET money = money + 5 WHERE id = {other}")
                    cursor.execute(f"INSERT INTO log VALUES ('same', {number % 3})")
                    cursor.execute("COMMIT")
                    time.sleep(0.001)

        client = threading.Thread(target=load)
        client.start()
        try:
            moved = []
            for _ in range(5):
                child = subprocess.Popen(
                    [
                        sys.executable, "-c", FOLLOW, str(Path.cwd()),
                        str(pair.world.source.port), str(pair.world.target.port),
                    ]
                )  # fmt: skip
                before = pair.position
                while pair.position == before and child.poll() is None:
                    time.sleep(0.02)
                time.sleep(moments.uniform(0.0, 0.3))
                child.send_signal(signal.SIGKILL)
                child.wait()
                moved.append(pair.position != before)
                assert pair.world.target.run(f"SELECT SUM(money) FROM {SCHEMA}.account") == [(50_000,)]
            assert all(moved), "each of them had applied something when it was killed"
        finally:
            stop.set()
            client.join()
        while True:  # the server rolls the last one back once it sees that the connection is gone
            try:
                pair.follow()
                break
            except ApplyFailed as error:
                assert error.transient
        assert pair.differing() == []
        assert pair.world.target.run(f"SELECT COUNT(*) FROM {SCHEMA}.log")[0][0] > 200


def test_a_restarted_source_is_followed_on() -> None:
    with relayed(*BEGUN) as pair:
        pair.run("INSERT INTO t VALUES (3, 3, 'a')")
        stream = pair.source.changes(SCHEMA, pair.position)
        assert any(c.rows for c in (next(stream), next(stream), next(stream)))
        pair.world.source.restart(signal.SIGKILL)
        with pytest.raises(Unreadable) as caught:
            for _ in stream:
                pass
        assert caught.value.transient
        pair.close_ports()
        pair.open_ports()
        pair.run("INSERT INTO t VALUES (4, 4, 'a')")
        pair.follow()
        assert pair.differing() == []
        pair.world.source.run("FLUSH BINARY LOGS", f"UPDATE {SCHEMA}.t SET u = u + 100")
        pair.follow()
        assert pair.differing() == []


def test_two_relays_never_apply_the_same() -> None:
    with relayed(*BEGUN) as pair:
        pair.run(*[f"INSERT INTO bag VALUES ({n}, 'x')" for n in range(50)])
        batch = [c for c in pair.changes() if c.rows]
        tables = {table.name: table for table in pair.look.tables(SCHEMA)}
        others = [pair.world.target.endpoint().open_writer(lambda text: None) for _ in range(3)]

        def apply(number: int) -> None:
            for start in range(0, 50, 5):
                others[number].apply_changes(SCHEMA, tables, batch[: start + 5])

        threads = [threading.Thread(target=apply, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for other in others:
            other.close()
        assert pair.differing() == []
