"""A target that reaches its source: the account there, and taking away what a test left."""

import os
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.access import Reader, Writer
from inventory.secrets import SecretSource
from tasks.databases.dirty import sides
from tasks.databases.model import Marks, Origin
from tasks.databases.move import Move
from tasks.databases.relay import relay
from tests.databases.following import before, written
from tests.databases.servers import LocalServer
from tests.worlds.mysql import SCHEMA, MysqlWorld

MARKS = f"qianyun_copy_{SCHEMA}"
TABLES = ("orders", "log", "audit")
REPLICATOR, WORD = "replicator", "the replicator's own word"
NAME = "qianyun_shop"


def account_statements(word: str = WORD) -> tuple[str, ...]:
    return (
        f"CREATE OR REPLACE USER {REPLICATOR}@'%' IDENTIFIED BY \"{word}\"",
        f"GRANT REPLICATION SLAVE ON *.* TO {REPLICATOR}@'%'",
    )


def replicating(source: LocalServer, move: Move) -> Move:
    """The same move, with the target reaching the source."""
    return replace(move, replicate_from=origin(source))


def origin(source: LocalServer) -> Origin:
    os.environ["QIANYUN_TEST_REPLICATOR_PASSWORD"] = WORD
    source.run(*account_statements())
    password = SecretSource("env:QIANYUN_TEST_REPLICATOR_PASSWORD", Path())
    return Origin(host="127.0.0.1", port=source.port, user=REPLICATOR, password=password)


def status(server: LocalServer) -> dict[str, dict[str, Any]]:
    """Its replications by name, in MariaDB's words."""
    show = "SHOW ALL SLAVES STATUS" if server.flavour == "mariadb" else "SHOW REPLICA STATUS"
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(show)
        columns = [
            column[0].replace("Source_", "Master_").replace("Replica_", "Slave_")
            for column in cursor.description
        ]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return {row.get("Connection_name", row.get("Channel_Name")): row for row in rows}


def stopped(server: LocalServer, name: str = NAME) -> None:
    mariadb = server.flavour == "mariadb"
    server.run(f"STOP SLAVE '{name}'" if mariadb else f"STOP REPLICA FOR CHANNEL '{name}'")


def taken_away(server: LocalServer, name: str = NAME) -> None:
    stopped(server, name)
    mariadb = server.flavour == "mariadb"
    server.run(f"RESET SLAVE '{name}' ALL" if mariadb else f"RESET REPLICA ALL FOR CHANNEL '{name}'")


def unreplicated(server: LocalServer) -> None:
    """As if it had never replicated."""
    for name in status(server):
        taken_away(server, name)
    if server.flavour == "mariadb":
        server.run("SET GLOBAL gtid_slave_pos = ''")


class Cable:
    """A way to a server on which what is sent can vanish, as on a cut cable: nobody is told."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._cut: set[socket.socket] = set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """For the connections that there are; new ones get through."""
        self._cut |= set(self._open)

    def close(self) -> None:
        """Nobody gets through, and everybody is told."""
        for end in (self._listening, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, come: socket.socket, go: socket.socket) -> None:
        with suppress(OSError):
            while data := come.recv(65536):
                if come not in self._cut:
                    go.sendall(data)


class ReplicatingWorld(MysqlWorld):
    """With what the target's server says of its own replication."""

    def snapshot(self) -> object:
        kept = (
            "Master_Host",
            "Master_User",
            "Slave_IO_Running",
            "Slave_SQL_Running",
            "Replicate_Wild_Do_Table",
        )
        there = {name: [row[k] for k in kept] for name, row in status(self.target).items()}
        gtids = ""
        if self.target.flavour == "mariadb":
            gtids = "moved" if self.target.run("SELECT @@global.gtid_slave_pos")[0][0] else ""
        return [super().snapshot(), there, gtids]

    def make_unreadable(self) -> None:
        self._open()
        super().make_unreadable()

    def _open(self) -> None:
        # A frozen MySQL does not even let root change accounts.
        for server in (self.source, self.target):
            server.run("SET GLOBAL read_only = 0")

    def close(self) -> None:
        self._open()
        unreplicated(self.target)
        super().close()
        self.source.run(f"DROP USER IF EXISTS {REPLICATOR}@'%'")


def rows(server: LocalServer) -> Any:
    return [server.run(f"SELECT * FROM {SCHEMA}.{table} ORDER BY 1, 2") for table in TABLES]


def level(world: ReplicatingWorld) -> bool:
    return bool(rows(world.source) == rows(world.target))


def followed(move: Move) -> int:
    """One pass of the relay, as `qianyun follow` makes them; gives the rows."""
    count = [0]

    def work(writer: Writer) -> None:
        source, target = sides(move, writer.reader)
        count[0] = relay(source, target, writer.open(move.target), source.port.position())

    written(work)
    return count[0]


def marks(move: Move) -> Marks:
    reader = Reader()
    try:
        return reader.open(move.target).marks(SCHEMA) or Marks()
    finally:
        reader.close()


def gtids(world: ReplicatingWorld) -> Any:
    """Where MariaDB's replication would go on."""
    if world.target.flavour == "mysql":
        return ""
    return world.target.run("SELECT @@global.gtid_slave_pos")[0][0]


def dirty(world: ReplicatingWorld) -> list[Any]:
    return world.target.run(f"SELECT table_name, key_literal FROM {MARKS}.dirty ORDER BY 1, 2")


def origin_of(move: Move) -> Origin:
    assert move.replicate_from
    return move.replicate_from


def without_wish(move: Move) -> Any:
    """The step once replicate_from was taken out of the inventory."""
    step: Any = before(move)["replication"]
    return replace(step, move=replace(move, replicate_from=None))
