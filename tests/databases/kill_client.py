"""A client outside with a record of its own, on the disk before it goes on; and what both sides hold.

python -m tests.databases.kill_client FOLDER
"""

import hashlib
import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pymysql

from tests.databases.client import ACCOUNT, SCHEMA, WORD

TILLS = 3
PAUSE_S = 0.02
_REFUSED = (1290, 1836)
"""Read-only: nothing was committed, the server says."""

STOCK, BAG = 60_000, 4_000
TABLES = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4",
    f"USE {SCHEMA}",
    # Filled by what the server computes: the content is the same in every round.
    """CREATE TABLE stock (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, sku VARCHAR(60) NOT NULL,
       place VARCHAR(80) NOT NULL, about VARCHAR(250) NOT NULL, price DECIMAL(12,2) NOT NULL, f FLOAT,
       d DOUBLE, at DATETIME(6), raw VARBINARY(40), flags BIT(9), kind ENUM('new','old'),
       changed TIMESTAMP(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6),
       UNIQUE KEY (sku), KEY (place, price), KEY (about), KEY (at), KEY (raw))""",
    f"""INSERT INTO stock (id, sku, place, about, price, f, d, at, raw, flags, kind, changed)
       SELECT seq, SHA1(seq), CONCAT('架 ', MD5(seq % 1000)), REPEAT(SHA1(-seq), 5), seq / 7, seq / 3,
       1 / seq, '2024-02-29 23:59:59.123456' + INTERVAL seq SECOND, UNHEX(SHA1(seq)), seq % 512, 1 + seq % 2,
       '2024-03-01 12:00:00.000001' FROM seq_1_to_{STOCK}""",
    "CREATE TABLE bag (word VARCHAR(40), n INT)",
    f"INSERT INTO bag SELECT IF(seq % 5, MD5(seq % 50), NULL), seq % 3 FROM seq_1_to_{BAG}",
    "CREATE TABLE tills (id INT PRIMARY KEY, sold BIGINT NOT NULL)",
    f"INSERT INTO tills SELECT seq, 0 FROM seq_0_to_{TILLS - 1}",
    """CREATE TABLE sales (id BIGINT AUTO_INCREMENT PRIMARY KEY, mark VARCHAR(40) NOT NULL, till INT NOT NULL,
       said VARCHAR(64) NOT NULL, KEY (mark), FOREIGN KEY (till) REFERENCES tills (id))""",
    "CREATE TABLE receipts (sale BIGINT PRIMARY KEY, text VARCHAR(100))",
    "CREATE TABLE log (mark VARCHAR(40))",
    "CREATE VIEW sold AS SELECT till, COUNT(*) AS n FROM sales GROUP BY till",
    # One table with a key gets rows by a trigger, and one without: there a row too many has no other sign.
    "CREATE TRIGGER print AFTER INSERT ON sales FOR EACH ROW"
    " INSERT INTO receipts VALUES (NEW.id, CONCAT('sold ', NEW.mark))",
    "CREATE TRIGGER note AFTER UPDATE ON tills FOR EACH ROW INSERT INTO bag VALUES ('note', NEW.id)",
)


def said(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()


class Client:
    """Writes at a few tills to the side that leads; its record tells each commit's fate."""

    def __init__(self, folder: Path) -> None:
        self._ends = json.loads((folder / "ends.json").read_text())
        self._switched, self._stop = folder / "switched", folder / "client-stop"
        self._record, self._lock = (folder / "client-record").open("a"), threading.Lock()

    def run(self) -> None:
        tills = [threading.Thread(target=self._till, args=(n,)) for n in range(TILLS)]
        for till in tills:
            till.start()
        for till in tills:
            till.join()

    def _tell(self, *words: object) -> None:
        with self._lock:
            print(*words, file=self._record, flush=True)
            os.fsync(self._record.fileno())

    def _till(self, n: int) -> None:
        connection, at, number = None, -1, 0
        while not self._stop.exists():
            mark = f"{n}-{number}"
            number += 1
            committing = False
            try:
                side = int(self._switched.exists())
                if connection is None or side != at:
                    if connection is not None:
                        connection.close()
                        connection = None
                    connection, at = self._connected(side), side
                with connection.cursor() as cursor:
                    self._sell(cursor, n, number, mark)
                committing = True
                connection.commit()
                self._tell("ok", mark, at)
            except (pymysql.err.MySQLError, OSError) as error:
                if committing and not (error.args and error.args[0] in _REFUSED):
                    self._tell("unknown", mark, at)
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.05)
            time.sleep(PAUSE_S)

    def _sell(self, cursor: Any, n: int, number: int, mark: str) -> None:
        cursor.execute("INSERT INTO sales (mark, till, said) VALUES (%s, %s, %s)", (mark, n, said(mark)))
        cursor.execute("UPDATE tills SET sold = sold + 1 WHERE id = %s", (n,))
        cursor.execute("INSERT INTO log VALUES (%s)", (mark,))
        # Rows all over the table that is copied, each till its own; their time changes by itself.
        row = (number * 7919 * TILLS + n) % STOCK + 1
        cursor.execute("UPDATE stock SET price = price + 1 WHERE id = %s", (row,))

    def _connected(self, side: int) -> "pymysql.connections.Connection[Any]":
        host, port = self._ends[side]
        return pymysql.connect(
            host=host,
            port=port,
            user=ACCOUNT,
            password=WORD,
            database=SCHEMA,
            ssl_disabled=True,
            connect_timeout=2,
            read_timeout=3,
            write_timeout=3,
        )


@dataclass(frozen=True)
class Record:
    accepted: dict[str, int]
    unknown: set[str]


def record_of(folder: Path) -> Record:
    accepted, unknown = {}, set()
    for line in (folder / "client-record").read_text().splitlines():
        what, mark, side = line.split()
        if what == "ok":
            accepted[mark] = int(side)
        else:
            unknown.add(mark)
    return Record(accepted, unknown)


def accepted_by(folder: Path, side: int) -> int:
    return sum(at == side for at in record_of(folder).accepted.values())


def faults(record: Record, rows: dict[str, list[tuple[Any, ...]]]) -> list[str]:
    """What the record and a side do not agree on; `rows` of its tables, as plainly read."""
    marks = Counter(mark for mark, _, _ in rows["sales"])
    by_till = Counter(till for _, till, _ in rows["sales"])
    notes = Counter(n for word, n in rows["bag"] if word == "note")
    found = [
        f"{mark} lost, accepted by side {side}" for mark, side in record.accepted.items() if not marks[mark]
    ]
    found += [f"{mark} is there {times} times" for mark, times in marks.items() if times > 1]
    found += [f"{mark} was never sent to the end" for mark in marks.keys() - record.accepted - record.unknown]
    found += [f"{mark}: other words" for mark, _, words in rows["sales"] if words != said(mark)]
    found += [f"till {n} counts {sold}, {by_till[n]} sold" for n, sold in rows["tills"] if sold != by_till[n]]
    found += [f"till {n}: {notes[n]} notes, {sold} sold" for n, sold in rows["tills"] if sold != notes[n]]
    log = Counter(mark for (mark,) in rows["log"])
    found += [
        f"log: {mark} {log[mark]} times" for mark in log.keys() | marks.keys() if log[mark] != marks[mark]
    ]
    if len(rows["receipts"]) != len(rows["sales"]):
        found.append(f"{len(rows['receipts'])} receipts for {len(rows['sales'])} sales")
    return found


QUERIES = {
    "sales": "SELECT mark, till, said FROM sales",
    "tills": "SELECT id, sold FROM tills",
    "bag": "SELECT word, n FROM bag",
    "log": "SELECT mark FROM log",
    "receipts": "SELECT sale FROM receipts",
}


def content(connection: "pymysql.connections.Connection[Any]") -> dict[str, Any]:
    """All there is to the schema, by a plain connection: a hash of each table's rows, and definitions."""
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(
            "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS"
            f" WHERE TABLE_SCHEMA = '{SCHEMA}' ORDER BY TABLE_NAME, ORDINAL_POSITION"
        )
        columns: dict[str, list[str]] = {}
        for table, column, kind in cursor.fetchall():
            columns.setdefault(table, []).append(_plain(f"`{column}`", kind))
        for table, listed in columns.items():
            cursor.execute(f"SHOW CREATE TABLE {SCHEMA}.{table}")
            # The target's next number may be higher.
            words = cursor.fetchone()[1].split(" ")
            found[f"{table}: made as"] = " ".join(w for w in words if not w.startswith("AUTO_INCREMENT="))
            found[f"{table}: rows"] = _hashed(connection, table, listed)
    return found


def _hashed(connection: "pymysql.connections.Connection[Any]", table: str, columns: list[str]) -> str:
    digest, rows = hashlib.sha256(), 0
    with connection.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute(f"SELECT CONCAT_WS(',', {', '.join(columns)}) FROM {SCHEMA}.{table} ORDER BY 1")
        for (row,) in cursor:
            digest.update(row.encode() + b"\n")
            rows += 1
    return f"{rows} {digest.hexdigest()}"


def _plain(column: str, kind: str) -> str:
    value = f"{column} + 0e0" if kind in ("float", "double") else f"HEX({column})"
    if kind in ("bit", "enum"):
        value = f"{column} + 0"
    elif kind not in ("float", "double", "varbinary"):
        value = f"HEX(CONVERT({column} USING utf8mb4))"
    return f"IFNULL({value}, 'NULL')"


def told(out: TextIO = sys.stdout) -> None:
    Client(Path(sys.argv[1])).run()


if __name__ == "__main__":
    told()
