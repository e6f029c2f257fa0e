"""Two real MariaDB servers as the world of the database steps, with a schema that is small and nasty."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.access import Reader, Writer
from core.step import Step
from tasks.databases.comparison import Pace
from tasks.databases.steps import (
    CompareDatabase,
    CopyAccounts,
    CopyData,
    CreateObjects,
    CreateSchema,
    FreezeSource,
    Move,
    ReadDatabase,
    RefreshData,
)
from tests.contract.case import Case, World
from tests.databases.servers import MIGRATOR, PASSWORD, LocalServer, known, servers

SCHEMA = "shop"
ACCOUNT = "shop_app@%"
CUSTOMERS = "客户 \"a`b'c"
_POSITION = re.compile(r"log\.\d{6}:\d+(@\d+)?")

STATEMENTS = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    f"USE {SCHEMA}",
    """CREATE TABLE `客户 "a``b'c` (`no #1` VARCHAR(20) NOT NULL, region INT NOT NULL, `姓名` VARCHAR(40),
       PRIMARY KEY (`no #1`, region)) COMMENT 'AUTO_INCREMENT=5'""",
    """CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(20),
       region INT, price DECIMAL(12,2) CHECK (price >= 0), tax DECIMAL(12,2) AS (price * 0.06) STORED,
       placed DATETIME(6), status ENUM('new','paid') DEFAULT 'new', KEY (placed),
       CONSTRAINT `of` FOREIGN KEY (customer, region) REFERENCES `客户 "a``b'c` (`no #1`, region)
       ON DELETE CASCADE)""",
    "CREATE TABLE log (line VARCHAR(50), n INT)",
    "CREATE TABLE audit (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT)",
    "INSERT INTO `客户 \"a``b'c` SELECT CONCAT('c', seq), seq % 3, CONCAT('王 ', seq) FROM seq_1_to_25",
    "INSERT INTO orders (customer, region, price, placed) SELECT CONCAT('c', 1 + seq % 25),"
    " (1 + seq % 25) % 3, seq / 3, '2024-02-29 23:59:59.123456' FROM seq_1_to_15",
    "DELETE FROM orders WHERE id = 15",
    "INSERT INTO log VALUES ('same', 1), ('same', 1), (NULL, 2), ('NULL', 2)",
)
OBJECTS = (
    f"USE {SCHEMA}",
    "CREATE FUNCTION vat(p DECIMAL(12,2)) RETURNS DECIMAL(12,2) DETERMINISTIC RETURN p * 0.06",
    "CREATE PROCEDURE note(IN t TEXT) INSERT INTO audit (what) VALUES (CONCAT('记', t))",
    "CREATE VIEW b_all AS SELECT id, vat(price) AS vat FROM orders",
    "CREATE VIEW a_some AS SELECT * FROM b_all WHERE id > 3",
    "CREATE DEFINER=gone@nowhere TRIGGER orders_ai AFTER INSERT ON orders FOR EACH ROW"
    " INSERT INTO audit (what) VALUES (NEW.id)",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM log",
)
ACCOUNTS = (
    "CREATE USER shop_app@'%' IDENTIFIED BY 'a password of the shop'",
    f"GRANT SELECT, INSERT, UPDATE ON {SCHEMA}.* TO shop_app@'%'",
    f"GRANT DELETE ON {SCHEMA}.log TO shop_app@'%'",
    f"GRANT EXECUTE ON PROCEDURE {SCHEMA}.note TO shop_app@'%'",
)
MOVED_ON = (
    f"UPDATE {SCHEMA}.orders SET price = price + 1 WHERE id IN (2, 14)",
    f"DELETE FROM {SCHEMA}.orders WHERE id = 7",
    f"INSERT INTO {SCHEMA}.log VALUES ('later', 9)",
)


PACKAGES = (
    "SET SESSION sql_mode = 'ORACLE'",
    f"CREATE PACKAGE {SCHEMA}.tools AS FUNCTION one RETURN INT; END",
    f"CREATE PACKAGE BODY {SCHEMA}.tools AS FUNCTION one RETURN INT AS BEGIN RETURN 1; END; END",
    "SET SESSION sql_mode = DEFAULT",
)
ROLE = "shop_role@"
ROLES = (
    "CREATE ROLE shop_role",
    f"GRANT SELECT (n), UPDATE (line, n) ON {SCHEMA}.log TO shop_role",
    "GRANT shop_role TO shop_app@'%' WITH ADMIN OPTION",
    "SET DEFAULT ROLE shop_role FOR shop_app@'%'",
)
SEQUENCES = (
    f"CREATE SEQUENCE {SCHEMA}.numbers START WITH 5",
    f"DO NEXTVAL({SCHEMA}.numbers)",
    f"CREATE TABLE {SCHEMA}.numbered (id BIGINT DEFAULT NEXTVAL({SCHEMA}.numbers) PRIMARY KEY)",
)


class MysqlWorld:
    """Source and target; `damage` is what disturb runs on one of them."""

    def __init__(self, source: LocalServer, target: LocalServer) -> None:
        self.source, self.target = source, target
        self.damage: Callable[[], object] = lambda: target.run(f"DROP DATABASE IF EXISTS {SCHEMA}")

    def reset(self) -> None:
        for server in (self.source, self.target):
            server.run("SET GLOBAL read_only = 0", *(f"DROP DATABASE `{s}`" for s in server.schemas()))
            server.run("DROP USER IF EXISTS shop_app@'%'", "DROP ROLE IF EXISTS shop_role")

    def snapshot(self) -> object:
        return [_everything(self.source), _everything(self.target)]

    def make_unreadable(self) -> None:
        for server in (self.source, self.target):
            server.run(f"ALTER USER {MIGRATOR}@'%' IDENTIFIED BY 'changed meanwhile'")

    def disturb(self) -> None:
        self.damage()

    def close(self) -> None:
        for server in (self.source, self.target):
            # First of all: where nobody may write, MySQL changes no password either.
            server.run("SET GLOBAL read_only = 0", f"ALTER USER {MIGRATOR}@'%' IDENTIFIED BY '{PASSWORD}'")


def _normal(value: object) -> object:
    """Places in a server's change log differ from run to run."""
    return "a position" if isinstance(value, str) and _POSITION.fullmatch(value) else value


def _everything(server: LocalServer) -> object:
    """Definitions, rows, accounts and the read-only setting, by plain means."""
    found: dict[str, Any] = {}
    rows = server.run
    for schema in server.schemas():
        found[schema] = rows(f"USE `{schema}`", f"SHOW CREATE DATABASE `{schema}`")
        for table, kind in rows("SHOW FULL TABLES"):
            quoted = table.replace("`", "``")
            found[f"{schema}.{table}"] = rows(f"SHOW CREATE TABLE `{quoted}`")
            if kind == "BASE TABLE":
                found[f"{schema}.{table}:rows"] = sorted(
                    (tuple(map(_normal, row)) for row in rows(f"SELECT * FROM `{quoted}`")), key=repr
                )
        for what in ("ROUTINES", "TRIGGERS", "EVENTS"):
            column, name = f"{what[:-1]}_SCHEMA", f"{what[:-1]}_NAME"
            body = {"TRIGGERS": "ACTION_STATEMENT", "EVENTS": "STATUS"}.get(what, "ROUTINE_DEFINITION")
            found[f"{schema}:{what}"] = rows(
                f"SELECT {name}, {body}, DEFINER FROM information_schema.{what}"
                f" WHERE {column} = '{schema}' ORDER BY 1"
            )
    for user, host in rows("SELECT User, Host FROM mysql.user WHERE User NOT IN ('', 'root', 'mariadb.sys')"):
        whom = f"'{user}'@'{host}'" if host else f"'{user}'"
        found[whom] = sorted(rows(f"SHOW GRANTS FOR {whom}"))
    found["read_only"] = rows("SELECT @@global.read_only")
    return found


def fresh(*statements: str) -> tuple[MysqlWorld, Move]:
    """An empty target, and a source with these statements run."""
    source, target = servers()
    world = MysqlWorld(source, target)
    world.reset()
    source.run(*(statement for statement in statements if known(statement)))
    if source.flavour != target.flavour:
        # Their passwords do not move; somebody has made them at the target.
        for statement in statements:
            if statement.startswith("CREATE USER"):
                target.run(statement)
    move = Move(
        source=source.endpoint(),
        source_schema=SCHEMA,
        target=target.endpoint(),
        target_schema=SCHEMA,
        accounts=(ACCOUNT,),
    )
    return world, move


def done(*steps: Step[Any]) -> None:
    """Apply steps, as the runner would."""
    for step in steps:
        reader = Reader()
        writer = Writer(reader, lambda text: None)
        try:
            plan = step.plan(step.inspect(reader))
            if not plan.is_empty:
                step.apply(plan, writer)
        finally:
            writer.close()
            reader.close()


def schema_of(move: Move) -> CreateSchema:
    return CreateSchema(key="databases/shop/schema", item="shop", move=move)


def data_of(move: Move) -> CopyData:
    return CopyData(
        key="databases/shop/data", item="shop", move=move, rows_per_range=10, late_indexes_bytes=0
    )


def objects_of(move: Move) -> CreateObjects:
    return CreateObjects(key="databases/shop/objects", item="shop", move=move)


def accounts_of(move: Move) -> CopyAccounts:
    return CopyAccounts(key="databases/shop/accounts", item="shop", move=move)


def _schema() -> tuple[Step[Any], World]:
    world, move = fresh(*STATEMENTS, *SEQUENCES)
    world.damage = lambda: world.target.run(f"ALTER TABLE {SCHEMA}.orders MODIFY price DECIMAL(12,3)")
    return schema_of(move), world


def _data() -> tuple[Step[Any], World]:
    world, move = fresh(*STATEMENTS)
    done(schema_of(move))
    world.damage = lambda: world.target.run(f"UPDATE {SCHEMA}.log SET line = 'NULL' WHERE line IS NULL")
    return data_of(move), world


def _objects() -> tuple[Step[Any], World]:
    world, move = fresh(*STATEMENTS, *OBJECTS, *PACKAGES)
    done(schema_of(move), data_of(move))
    world.damage = lambda: world.target.run(f"CREATE OR REPLACE VIEW {SCHEMA}.a_some AS SELECT 1")
    return objects_of(move), world


def _accounts() -> tuple[Step[Any], World]:
    world, move = fresh(*STATEMENTS, *OBJECTS, *ACCOUNTS, *ROLES)
    # A role of MySQL is an account like others.
    role = ROLE if world.source.flavour == "mariadb" else f"{ROLE}%"
    move = replace(move, accounts=(ACCOUNT, role))
    done(schema_of(move), objects_of(move))
    world.damage = lambda: world.target.run(f"REVOKE UPDATE ON {SCHEMA}.* FROM shop_app@'%'")
    return accounts_of(move), world


def _compared() -> tuple[Step[Any], World]:
    world, move = fresh(*STATEMENTS, *OBJECTS, *ACCOUNTS)
    done(schema_of(move), data_of(move), objects_of(move), accounts_of(move))
    world.damage = lambda: world.target.run(f"UPDATE {SCHEMA}.`audit` SET what = 'x'", *_ONE_BYTE)
    quick = Pace(wait_s=0.01)
    return CompareDatabase(key="databases/shop/comparison", item="shop", move=move, pace=quick), world


_ONE_BYTE = (f"UPDATE {SCHEMA}.orders SET placed = placed + INTERVAL 1 MICROSECOND WHERE id = 3",)


def _frozen() -> tuple[Step[Any], World]:
    world, move = fresh(*STATEMENTS)
    world.damage = lambda: world.source.run("SET GLOBAL read_only = 0")
    return FreezeSource(key="cutover/shop/freeze", item="shop", move=move), world


def _refreshed() -> tuple[Step[Any], World]:
    world, move = fresh(*STATEMENTS, *OBJECTS)
    done(schema_of(move), data_of(move), objects_of(move))
    world.source.run(*MOVED_ON, "SET GLOBAL read_only = 1")
    world.damage = lambda: world.target.run(*_ONE_BYTE)
    return RefreshData(key="cutover/shop/refresh", item="shop", move=move), world


def _read() -> tuple[Step[Any], World]:
    world, move = fresh(*STATEMENTS, *OBJECTS)
    world.damage = lambda: world.source.run(f"CREATE TABLE {SCHEMA}.v (id INT) WITH SYSTEM VERSIONING")
    step = ReadDatabase(key="discovery/database/shop", item="shop", server=move.source, schema=SCHEMA)
    return step, world


CASES = [
    Case("mysql discover", _read),
    Case("mysql schema", _schema),
    Case("mysql data", _data),
    Case("mysql objects", _objects),
    Case("mysql accounts", _accounts),
    Case("mysql comparison", _compared),
    Case("mysql freeze", _frozen),
    Case("mysql refresh", _refreshed),
]
