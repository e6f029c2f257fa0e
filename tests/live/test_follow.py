"""A database that users write to all the while: followed, cut over, and taken back with all they wrote."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pymysql
import pytest

from lab.access import password
from lab.estate import Estate
from lab.processes import first_processes
from tests.live.conftest import CUSTOMER, ENGINEER, Answer, Terminal
from tests.live.worlds import address_of_name, ask

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

TICKS = "CREATE TABLE shop.ticks (n BIGINT PRIMARY KEY, said VARCHAR(40) NOT NULL)"
READ_ONLY = 1290


@dataclass
class Client:
    """Writes one row after another where the shop's name leads; keeps its own record of what was taken."""

    lab: Estate
    files: dict[str, str] = field(default_factory=dict)
    """Written to the file share while rows were taken by the source."""
    taken: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    at: list[tuple[float, str]] = field(default_factory=list)
    """When a row was taken, and by which host."""
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number, host = 0, "db-1"
        # Its root as the host itself sees it: a file is written within microseconds of its row.
        share = Path(f"/proc/{first_processes(self.lab)['file-1']}/root/srv/share")
        connection = self._connect(host)
        while not self.stop.is_set():
            number += 1
            try:
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO ticks VALUES (%s, %s)", (number, f"第{number}次 'tick'"))
                self.taken.add(number)
                self.at.append((time.monotonic(), host))
                if host == "db-1" and number % 200 == 0:
                    name = f"invoice {number}.txt"
                    (share / name).write_text(f"发票 {number}")
                    self.files[name] = f"发票 {number}"
                time.sleep(0.002)
            except pymysql.err.MySQLError as error:
                if error.args[0] != READ_ONLY:
                    self.unsure.add(number)
                connection.close()
                host = "db-2" if address_of_name(self.lab) == [self.lab.address("web-2")] else "db-1"
                connection = self._connect(host)
        connection.close()

    def _connect(self, host: str) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
        word = password(self.lab, "mysql_app_password")
        address = self.lab.address(host)
        return pymysql.connect(
            host=address, user="shop_app", password=word, database="shop", autocommit=True, charset="utf8mb4"
        )

    def pause_s(self) -> float:
        """The time without a write between the last one on the source and the first on the target."""
        turn = next(n for n, (_, host) in enumerate(self.at) if host == "db-2")
        return self.at[turn][0] - self.at[turn - 1][0]


def numbers(lab: Estate, host: str) -> set[int]:
    return {int(line) for line in ask(lab, host, "SELECT n FROM shop.ticks").split()}


def moved_files(lab: Estate) -> dict[str, str]:
    """The users' new files at the target."""
    folder = Path(f"/proc/{first_processes(lab)['file-2']}/root/data/share")
    return {path.name: path.read_text() for path in folder.glob("invoice *.txt")}


def followed(terminal: Terminal) -> None:
    listed = terminal.project / "migration-list.yaml"
    text = listed.read_text()
    wanted = "kind: database\n    in_scope: true\n"
    assert wanted in text
    listed.write_text(text.replace(wanted, f"{wanted}    method: follow\n"))


def test_users_write_through_the_cutover_and_back(
    terminal: Terminal, record_property: Callable[[str, object], None]
) -> None:
    lab = terminal.lab
    ask(lab, "db-1", TICKS)
    followed(terminal)
    client = Client(lab)
    writing = threading.Thread(target=client.run)
    writing.start()
    try:
        granted_as_asked(terminal)
        digest = str(terminal.rehearse().document["digest"])
        terminal.of_project("approve", "--plan", digest, "--as", CUSTOMER)
        assert not terminal.migrate(digest).undone
        await_writes(client, "db-2")
        record_property("pause_s", client.pause_s())
        assert moved_files(lab) == client.files
        there = terminal.of_project("rollback").states
        assert there["cutover/shop-db/reverse"] == "Undone"
        await_writes(client, "db-1")
    finally:
        client.stop.set()
        writing.join(30)
    found = numbers(lab, "db-1")
    assert client.taken <= found <= client.taken | client.unsure
    assert not client.unsure
    hosts = [host for _, host in client.at]
    assert "db-2" in hosts and hosts[0] == hosts[-1] == "db-1"


def granted_as_asked(terminal: Terminal) -> None:
    """The source's account may only read: what following needs besides is asked for, ready to be run."""
    for _ in range(3):
        answer = Answer.of(terminal.start("rehearse", str(terminal.project), "--as", ENGINEER))
        wanted = dict.fromkeys(re.findall(r"(?:GRANT|SET GLOBAL) .*;", answer.message))
        if not wanted:
            return
        for statement in wanted:
            ask(terminal.lab, "db-1", statement)
    raise AssertionError(f"more rights are asked for each time: {answer.message}")


def await_writes(client: Client, host: str) -> None:
    """Wait until the client's rows go there, and some have."""
    deadline, seen = time.monotonic() + 30, len(client.at)
    while sum(at == host for _, at in client.at[seen:]) < 100:
        assert time.monotonic() < deadline, f"nothing is written to {host}: {client.at[-1:]}"
        time.sleep(0.05)
