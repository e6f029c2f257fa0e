"""Discovery's assessment: what is missing for the chosen method, how long it may take, what stays behind."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.access import Reader
from core.checks import Status
from core.errors import ApplyFailed, Refused
from core.facts import Known
from core.plan import Plan, step_drift
from tasks.databases.discover import DatabaseFacts, ReadDatabase
from tasks.databases.estimate import UNMEASURED, Rates, measured_rates
from tasks.databases.model import Server
from tasks.databases.move import compare_time, copy_time
from tasks.databases.schema import SchemaState
from tests.databases.servers import PASSWORD, flavours, known
from tests.worlds.mysql import (
    OBJECTS,
    SCHEMA,
    SEQUENCES,
    STATEMENTS,
    MysqlWorld,
    data_of,
    done,
    fresh,
    objects_of,
    schema_of,
)

VERSIONED = f"CREATE TABLE {SCHEMA}.old (id INT) WITH SYSTEM VERSIONING"
LARGE = (
    f"CREATE TABLE {SCHEMA}.large (id INT PRIMARY KEY, v VARCHAR(200), f FLOAT)",
    f"INSERT INTO {SCHEMA}.large SELECT seq, REPEAT('x', 200), seq FROM seq_1_to_30000",
    f"ANALYZE TABLE {SCHEMA}.large",
)


@pytest.fixture
def world() -> Iterator[MysqlWorld]:
    world, _ = fresh(*STATEMENTS, *OBJECTS)
    yield world
    world.close()


def step_on(world: MysqlWorld, user: str = "migrator", method: str = "copy", *left_out: str) -> ReadDatabase:
    server = world.source.endpoint(user=user)
    key = "discovery/database/shop"
    return ReadDatabase(key=key, server=server, schema=SCHEMA, method=method, left_out=left_out)


def read(step: ReadDatabase) -> DatabaseFacts:
    reader = Reader()
    try:
        found = step.inspect(reader).database
    finally:
        reader.close()
    assert isinstance(found, Known)
    return found.value


def failures(step: ReadDatabase) -> str:
    reader = Reader()
    try:
        return "; ".join(f"{c.name}: {c.actual}" for c in step.verify(reader) if c.status is not Status.PASS)
    finally:
        reader.close()


COPYING = f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON {SCHEMA}.* TO few"
# The rights an account has, the method, and the statements that discovery prints.
LACKING = [
    (
        [COPYING, "GRANT SELECT ON *.* TO few"],
        "copy",
        ["privileges for freeze: GRANT PROCESS, READ_ONLY ADMIN ON *.*"],
    ),
    ([COPYING, "GRANT SELECT, PROCESS, READ_ONLY ADMIN ON *.* TO few"], "copy", []),
    (
        [COPYING, "GRANT SELECT, PROCESS, READ_ONLY ADMIN ON *.* TO few"],
        "follow",
        [
            "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.*",
            f"privileges for return-to: GRANT INSERT, UPDATE, DELETE ON `{SCHEMA}`.*",
            "SET GLOBAL log_bin_trust_function_creators = 1;",
        ],
    ),
]


OTHER_NAMES = {
    "READ_ONLY ADMIN": "SYSTEM_VARIABLES_ADMIN", "BINLOG MONITOR": "REPLICATION CLIENT",
    "SET USER": "SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER",
}  # fmt: skip
PRIVILEGES_OF_MYSQL = re.compile("|".join(OTHER_NAMES))


@pytest.mark.parametrize(("granted", "method", "said"), LACKING)
def test_missing_rights_are_printed_as_statements(
    world: MysqlWorld, granted: list[str], method: str, said: list[str]
) -> None:
    world.source.run(f"CREATE OR REPLACE USER few@'%' IDENTIFIED BY '{PASSWORD}'", *granted)
    if world.source.flavour == "mysql":
        said = [PRIVILEGES_OF_MYSQL.sub(lambda m: OTHER_NAMES[m[0]], statement) for statement in said]
        said = [statement for statement in said if "log_bin_trust" not in statement]  # LocalMysql trusts
    try:
        found = failures(step_on(world, "few", method))
        assert all(statement in found for statement in said), found
        assert bool(found) == bool(said)
    finally:
        world.source.run("DROP USER few@'%'")


def test_what_following_asks_is_told_and_stops_only_who_follows(world: MysqlWorld) -> None:
    world.source.run("SET GLOBAL binlog_row_image = 'MINIMAL'")
    try:
        assert "binlog_row_image" in str(read(step_on(world)).assessment.to_follow)
        assert failures(step_on(world)) == ""
        assert "it can be followed: " in failures(step_on(world, "migrator", "follow"))
    finally:
        world.source.run("SET GLOBAL binlog_row_image = 'FULL'")


def test_what_stays_behind_need_not_be_followed(world: MysqlWorld) -> None:
    world.source.run(f"CREATE TABLE {SCHEMA}.old (id INT) ENGINE=MyISAM")
    assert "table old: MyISAM" in failures(step_on(world, "migrator", "follow"))
    assert failures(step_on(world, "migrator", "follow", "table old")) == ""


def test_long_transactions_are_named(world: MysqlWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.source.connect() as idle, idle.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT COUNT(*) FROM {SCHEMA}.orders")
        cursor.execute(f"UPDATE {SCHEMA}.log SET n = n")
        assert read(step_on(world)).assessment.long_transactions == ()
        monkeypatch.setattr("tasks.databases.assess.LONG_S", -1)
        (found,) = read(step_on(world)).assessment.long_transactions
        assert "of root@" in found
        idle.rollback()


def test_a_sample_gives_the_times_and_no_digest_depends_on_it(world: MysqlWorld) -> None:
    _, move = fresh(*STATEMENTS, *LARGE)
    reader = Reader()
    port = move.open_source(reader)
    tables = list(port.tables(SCHEMA))
    rates = measured_rates(port, SCHEMA, tables, most_s=0.5)
    reader.close()
    assert rates.sampled_bytes > 1 << 20 and rates.sampled_s < 2
    assert rates.read_p50 >= rates.read_p90 > 0 and rates.digest_p50 >= rates.digest_p90 > 0
    for duration in (copy_time(tables, rates), compare_time(tables, rates)):
        assert 0 < duration.p50_s < duration.p90_s
    assert copy_time(tables, rates) != copy_time(tables) and measured_rates(port, SCHEMA, []) is not rates
    plans: list[Plan] = []
    done(schema_of(move))
    for _ in range(2):
        reader = Reader()
        plans.append(data_of(move).plan(data_of(move).inspect(reader)))
        reader.close()
    assert list(step_drift(plans[0], plans[1], begun=False)) == []
    assert [c.logical() for c in plans[0].changes] == [c.logical() for c in plans[1].changes]


def test_nothing_to_measure_is_no_rate() -> None:
    assert Rates() == UNMEASURED and copy_time([], UNMEASURED).p50_s == 0


def test_pieces_are_bounded_and_told(world: MysqlWorld) -> None:
    assert all(200 <= table.rows_per_piece <= 20_000 for table in read(step_on(world)).tables)


def test_what_stays_behind_is_named_and_stays(world: MysqlWorld) -> None:
    world.source.run(VERSIONED, f"CREATE VIEW {SCHEMA}.older AS SELECT * FROM {SCHEMA}.old", *SEQUENCES)
    assert "table old: system-versioned" in failures(step_on(world))
    labels = ("table old", "view older", "sequence numbers", "table numbered", "trigger orders_ai")
    assert failures(step_on(world, "migrator", "copy", *labels)) == ""
    assert "in vain: table odl" in failures(step_on(world, "migrator", "copy", *labels, "table odl"))
    _, move = fresh(
        *STATEMENTS, *OBJECTS, VERSIONED, f"CREATE VIEW {SCHEMA}.older AS SELECT * FROM {SCHEMA}.old"
    )
    with pytest.raises(Refused) as caught:
        schema_of(move).inspect(Reader())
    assert 'leave_out: ["table old"]' in caught.value.next_command
    less = replace(move, left_out=("table old", "view older", "table orders", "view b_all", "view a_some"))
    done(schema_of(less), data_of(less), objects_of(less))
    held = {row[0] for row in world.target.run(f"SHOW TABLES FROM {SCHEMA}")}
    assert held == {"客户 \"a`b'c", "log", "audit"}
    assert world.target.run(f"SHOW TRIGGERS FROM {SCHEMA}") == [], "a trigger goes with its table"


def test_a_sequence_of_a_schema_under_another_name(world: MysqlWorld) -> None:
    if not known("SEQUENCE"):
        pytest.skip("MySQL has no sequences")
    _, move = fresh(*STATEMENTS, *SEQUENCES)
    done(schema_of(replace(move, target_schema="other")))
    world.target.run("INSERT INTO other.numbered VALUES (DEFAULT)")
    ((number,),) = world.target.run("SELECT id FROM other.numbered")
    assert number > 5, "5 was given out at the source"


def test_another_case_of_names_is_refused_where_it_matters(world: MysqlWorld) -> None:
    _, move = fresh(*STATEMENTS)
    ours, theirs = (
        Server("mariadb", "10.11", "me@%", False, {"lower_case_table_names": value}) for value in ("0", "1")
    )
    plain, mixed = (SchemaState("utf8mb4", "utf8mb4_bin", {name: ""}) for name in ("orders", "Orders"))
    step = schema_of(move)
    step._refuse_other_case(ours, theirs, plain)
    step._refuse_other_case(ours, ours, mixed)
    with pytest.raises(Refused, match="in capitals are Orders"):
        step._refuse_other_case(ours, theirs, mixed)


def test_a_routine_that_a_logging_target_does_not_trust(world: MysqlWorld) -> None:
    if flavours()[1] == "mysql":
        pytest.skip("a MySQL of the tests trusts: its root, who may not bypass read_only, makes triggers")
    writes = f"CREATE FUNCTION {SCHEMA}.counts() RETURNS INT MODIFIES SQL DATA RETURN 1"
    trust = "SET GLOBAL log_bin_trust_function_creators = {}"
    _, move = fresh(*STATEMENTS, trust.format(1), writes, trust.format(0))
    done(schema_of(move), data_of(move))
    with pytest.raises(ApplyFailed) as caught:
        done(objects_of(move))
    assert caught.value.next_command.startswith(trust.format(1))
    world.target.run(trust.format(1))
    done(objects_of(move))
    world.target.run(trust.format(0))
