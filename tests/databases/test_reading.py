"""Opening and reading: what is refused, what is unreadable, and what each text tells the operator."""

from collections.abc import Iterator

import pytest

from core.access import Reader
from core.errors import MigrationError, Refused, Unreadable
from core.secret import redact
from tasks.databases.mysql.definitions import disabled_event, normalised_table, with_definer, without_definer
from tasks.databases.mysql.quoting import account, marks_schema, name, pattern
from tasks.databases.mysql.session import ReadSession, Session, refuse_unless_reading
from tasks.databases.steps import ReadDatabase
from tests.databases.servers import PASSWORD, servers
from tests.worlds.mysql import SCHEMA, STATEMENTS, MysqlWorld, fresh, schema_of

REFUSED = [
    "INSERT INTO t VALUES (1)",
    "update t set a = 1",
    "DELETE FROM t",
    "DROP TABLE t",
    "CREATE TABLE t (a INT)",
    "SET GLOBAL read_only = 0",
    "SET SESSION TRANSACTION READ WRITE",
    "SET SESSION sql_log_bin = 0",
    "SET SESSION time_zone = '+00:00', SESSION sql_log_bin = 0",
    "START TRANSACTION",
    "CALL something()",
    "SELECT * FROM t INTO OUTFILE '/tmp/x'",
    "SELECT 1 INTO DUMPFILE '/tmp/x'",
    "SELECT a FROM t FOR UPDATE",
    "SELECT a FROM t LOCK IN SHARE MODE",
    "SELECT NEXTVAL(s)",
    "SELECT SETVAL(s, 9)",
    "SELECT NEXT VALUE FOR s",
    "SELECT GET_LOCK('x', 1)",
    "SELECT @a := 1",
    "SELECT 1; DROP TABLE t",
    "SELECT /*! 1 INTO OUTFILE 'x' */ 1",
    "WITH x AS (SELECT 1) DELETE FROM t",
    "GRANT ALL ON *.* TO x",
    "FLUSH TABLES",
    "",
]
ALLOWED = [
    "SELECT 'DELETE; -- INTO OUTFILE' FROM `for update`",
    "SHOW CREATE TABLE `drop # it`",
    "SELECT COUNT(*) FROM shop.orders WHERE note = 'it''s; \\' INTO'",
    "COMMIT",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_a_reader_refuses_what_is_no_known_read(statement: str) -> None:
    with pytest.raises(Refused):
        refuse_unless_reading(statement)


@pytest.mark.parametrize("statement", ALLOWED)
def test_a_reader_reads(statement: str) -> None:
    refuse_unless_reading(statement)


@pytest.fixture
def world() -> Iterator[MysqlWorld]:
    world, _ = fresh(*STATEMENTS)
    yield world
    world.close()


@pytest.mark.parametrize(
    "statement",
    [f"INSERT INTO {SCHEMA}.log VALUES ('x', 1)", f"DROP TABLE {SCHEMA}.log", "CREATE DATABASE more"],
)
def test_the_server_itself_refuses_a_reading_session(world: MysqlWorld, statement: str) -> None:
    reader = world.source.endpoint().open_reader()
    session: ReadSession = reader._session
    before = world.snapshot()
    with pytest.raises(MigrationError) as refused:
        Session.query(session, statement)  # around our own guard
    assert "1792" in str(refused.value)
    reader.close()
    assert world.snapshot() == before


def test_queries_of_tests_are_answered_and_guarded(world: MysqlWorld) -> None:
    reader = world.source.endpoint().open_reader()
    assert reader.answer(SCHEMA, "SELECT COUNT(*), NULL FROM orders") == (("14", None),)
    with pytest.raises(Refused):
        reader.answer(SCHEMA, "DELETE FROM orders")
    reader.close()


def test_a_wrong_password_is_unreadable_for_good(world: MysqlWorld) -> None:
    world.make_unreadable()
    with pytest.raises(Unreadable) as caught:
        world.source.endpoint().open_reader()
    assert not caught.value.transient
    assert "mariadb --host=127.0.0.1" in caught.value.next_command
    assert PASSWORD not in str(caught.value) and redact(str(caught.value)) == str(caught.value)


def test_an_unreachable_server_may_come_back() -> None:
    source, _ = servers()
    with pytest.raises(Unreadable) as caught:
        source.endpoint(port=1).open_reader()
    assert caught.value.transient


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ([], f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `{SCHEMA}`.* TO 'few'@'%';"),
        ([f"GRANT SELECT, TRIGGER ON {SCHEMA}.* TO few"], f"GRANT SHOW VIEW, EVENT ON `{SCHEMA}`.*"),
        (["GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO few"], f"GRANT EVENT ON `{SCHEMA}`.*"),
        (["GRANT ALL ON `sho_`.* TO few"], ""),
        ([f"GRANT ALL ON `{SCHEMA}x`.* TO few"], "GRANT SELECT"),
    ],
)
def test_too_few_privileges_are_never_taken_for_absence(
    world: MysqlWorld, granted: list[str], missing: str
) -> None:
    world.source.run(f"CREATE OR REPLACE USER few@'%' IDENTIFIED BY '{PASSWORD}'", *granted)
    step = ReadDatabase(
        key="discovery/database/shop", server=world.source.endpoint(user="few"), schema=SCHEMA
    )
    reader = Reader()
    try:
        if not missing:
            step.inspect(reader)
            return
        with pytest.raises(Unreadable) as caught:
            step.inspect(reader)
        assert missing in caught.value.next_command
    finally:
        reader.close()
        world.source.run("DROP USER few@'%'")


def test_missing_rights_on_the_target_are_named(world: MysqlWorld) -> None:
    world.target.run(f"CREATE OR REPLACE USER few@'%' IDENTIFIED BY '{PASSWORD}'")
    _, move = fresh(*STATEMENTS)
    step = schema_of(type(move)(**{**vars(move), "target": world.target.endpoint(user="few")}))
    with pytest.raises(Unreadable) as caught:
        step.inspect(Reader())
    assert "`qianyun\\_copy\\_shop`.*" in caught.value.next_command
    world.target.run("DROP USER few@'%'")


def test_names_are_quoted() -> None:
    assert name("a`b'\"c 表") == "`a``b'\"c 表`"
    assert pattern("a_b%") == "`a\\_b\\%`"
    assert account("o'brien@10.0.%") == "'o\\'brien'@'10.0.%'"
    assert len(marks_schema("x" * 64)) <= 64


DEFINITIONS = [
    (") ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4", ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"),
    (
        "  `a` int COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=7'",
        "  `a` int COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=7'",
    ),
]


@pytest.mark.parametrize(("found", "wanted"), DEFINITIONS)
def test_only_the_tables_own_next_number_is_left_out(found: str, wanted: str) -> None:
    assert normalised_table(found) == wanted


def test_definers_come_off_and_go_on() -> None:
    view = "CREATE ALGORITHM=UNDEFINED DEFINER=`o``x`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1"
    bare, definer = without_definer(view)
    assert (definer, "DEFINER=" in bare.replace("SECURITY DEFINER", "")) == ("o`x@%", False)
    assert with_definer(bare, "me@%").startswith("CREATE ALGORITHM=UNDEFINED DEFINER=`me`@`%` SQL SECURITY")


def test_events_are_disabled() -> None:
    text = "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 'ENABLE'"
    assert disabled_event(text).endswith("PRESERVE DISABLE DO SELECT 'ENABLE'")
