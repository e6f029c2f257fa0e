"""A shop that writes all the time, keeps its own record of what was accepted, and follows the switch."""

import multiprocessing
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pymysql

SCHEMA = "shop"
ACCOUNT, WORD = "till", "the till's own word"
TILLS = 6
TABLES = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    f"USE {SCHEMA}",
    "CREATE TABLE tills (id INT PRIMARY KEY, sold BIGINT NOT NULL, total DECIMAL(20,2) NOT NULL)",
    "CREATE TABLE sales (id BIGINT AUTO_INCREMENT PRIMARY KEY, mark VARCHAR(40) NOT NULL, till INT NOT NULL,"
    " price DECIMAL(10,2) NOT NULL, at DATETIME(6) NOT NULL DEFAULT NOW(6), KEY (mark))",
    "CREATE TABLE receipts (sale BIGINT PRIMARY KEY, text VARCHAR(100))",
    "CREATE TRIGGER print AFTER INSERT ON sales FOR EACH ROW"
    " INSERT INTO receipts VALUES (NEW.id, CONCAT('sold ', NEW.mark))",
    "INSERT INTO tills VALUES " + ", ".join(f"({n}, 0, 0)" for n in range(TILLS)),
)


def account_statements() -> tuple[str, ...]:
    return (
        f"CREATE OR REPLACE USER {ACCOUNT}@'%' IDENTIFIED BY \"{WORD}\"",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {SCHEMA}.* TO {ACCOUNT}@'%'",
    )


@dataclass
class Record:
    """What was accepted, by mark: at which server (0 source, 1 target) and when; what nobody answered for."""

    accepted: dict[str, tuple[int, float]] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    def switch_s(self, since: float, to: int) -> float:
        """From the last accepted write on the other side to the first on side `to`, after `since`."""
        first = min((t for s, t in self.accepted.values() if s == to and t > since), default=float("inf"))
        last = max(t for s, t in self.accepted.values() if s != to and t < first)
        return first - last

    def rate(self, start: float, end: float) -> float:
        return sum(start <= t < end for _, t in self.accepted.values()) / (end - start)


class Shop:
    """Its writers run in a process of their own, so that they measure the servers and not us."""

    def __init__(self, ports: tuple[int, int], pause_s: float = 0.0) -> None:
        context = multiprocessing.get_context("spawn")
        self._ends, self._answers = context.Event(), context.SimpleQueue()
        self._side = context.Value("i", 0)
        self._process = context.Process(
            target=_shop, args=(ports, pause_s, self._side, self._ends, self._answers), daemon=True
        )

    def __enter__(self) -> "Shop":
        self._process.start()
        assert self._answers.get() == "open"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def follow(self, side: int) -> None:
        """As a name that now leads elsewhere."""
        self._side.value = side

    def close(self) -> Record:
        self._ends.set()
        record: Record = self._answers.get()
        self._process.join()
        return record


def _shop(ports: tuple[int, int], pause_s: float, side: Any, ends: Any, answers: Any) -> None:
    record, lock = Record(), threading.Lock()
    opened = threading.Barrier(TILLS + 1)
    tills = [
        threading.Thread(target=_till, args=(n, ports, pause_s, side, ends, record, lock, opened))
        for n in range(TILLS)
    ]
    for till in tills:
        till.start()
    opened.wait()
    answers.put("open")
    for till in tills:
        till.join()
    answers.put(record)


def _till(
    n: int,
    ports: tuple[int, int],
    pause_s: float,
    side: Any,
    ends: Any,
    record: Record,
    lock: Any,
    opened: Any,
) -> None:
    connection, at, number = None, 0, 0
    waits = opened
    while not ends.is_set():
        mark = f"{n}-{number}"
        number += 1
        committing = False
        try:
            if connection is None or side.value != at:
                if connection is not None:
                    connection.close()
                at = side.value
                connection = pymysql.connect(
                    host="127.0.0.1",
                    port=ports[at],
                    user=ACCOUNT,
                    password=WORD,
                    database=SCHEMA,
                    ssl_disabled=True,
                )
                if waits is not None:
                    waits.wait()
                    waits = None
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO sales (mark, till, price) VALUES (%s, %s, 1.25)", (mark, n))
                cursor.execute("UPDATE tills SET sold = sold + 1, total = total + 1.25 WHERE id = %s", (n,))
            committing = True
            connection.commit()
            with lock:
                record.accepted[mark] = (at, time.monotonic())
        except pymysql.err.MySQLError as error:
            refused = error.args and error.args[0] in (1290, 1836)
            with lock:
                if committing and not refused:
                    record.unsure.add(mark)
            if connection is not None:
                connection.close()
            connection = None
            time.sleep(0.005)
        if pause_s:
            time.sleep(pause_s)


def faults(record: Record, rows: Counter[str]) -> list[str]:
    """What the outside record and the database do not agree on; `rows` by mark, as the database has them."""
    lost = [mark for mark in record.accepted if not rows[mark]]
    doubled = [mark for mark, times in rows.items() if times > 1]
    unknown = [mark for mark in rows if mark not in record.accepted and mark not in record.unsure]
    return [
        *(f"{mark} lost, was accepted by side {record.accepted[mark][0]}" for mark in lost[:10]),
        *(f"{mark} there {rows[mark]} times" for mark in doubled[:10]),
        *(f"{mark} was never accepted" for mark in unknown[:10]),
    ]
