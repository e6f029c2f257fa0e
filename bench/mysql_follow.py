"""The relay between two MariaDB servers: row events a second, and lag. Wanted: >= 2,000 a second, lag <= 2 s.

First it works off a log that is there already, as fast as it can; then it follows a source under an even
load while a client of its own reads on the target how old the newest row is. Small transactions of four row
events: an insert, two updates, a delete. Both servers sync to disk as they do by default. Each relay runs in
a process of its own. Settings: BENCH_EVENTS (in the log), BENCH_EVENTS_S (of the load), BENCH_SECONDS;
BENCH_NATIVE=1: the target's own replication carries the rows, and the relay notes them.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inventory.secrets import SecretSource
from tasks.databases.mysql.endpoint import MysqlServer
from tasks.databases.port import WritePort
from tasks.databases.relay import Side, relay
from tests.databases.replicating import origin, stopped
from tests.databases.servers import MIGRATOR, PASSWORD, LocalServer, template_in

EVENTS = int(os.environ.get("BENCH_EVENTS", "80000"))
EVENTS_S = int(os.environ.get("BENCH_EVENTS_S", "3000"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "15"))
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
NATIVE = os.environ.get("BENCH_NATIVE") == "1"
SCHEMA = "shop"
_SETTINGS = (
    "--debug-no-sync=0", "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=256M",
    "--max-binlog-size=32M",
)  # fmt: skip
_PER_TRANSACTION = 4
_ROWS = 80_000
_CLIENTS = 3
TABLES = (
    f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4",
    f"USE {SCHEMA}",
    "CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
    " customer INT NOT NULL, status VARCHAR(12) NOT NULL, price DECIMAL(12,2) NOT NULL,"
    " weight FLOAT,"
    " placed DATETIME(3) NOT NULL, code CHAR(32) NOT NULL, note VARCHAR(200),"
    " KEY by_customer (customer, placed), KEY by_code (code))",
    "CREATE TABLE beat (id INT PRIMARY KEY, at DOUBLE)",
    "INSERT INTO beat VALUES (1, 0)",
    "INSERT INTO orders (customer, status, price, weight, placed, code, note) SELECT seq % 997, 'new',"
    f" seq / 7, SQRT(seq), '2024-01-01' + INTERVAL seq SECOND, MD5(seq), REPEAT('item ', seq % 20)"
    f" FROM seq_1_to_{_ROWS}",
)
WORK = """
CREATE PROCEDURE work(IN times INT, IN first BIGINT) BEGIN
  DECLARE n INT DEFAULT 0;
  WHILE n < times DO
    START TRANSACTION;
    INSERT INTO orders (customer, status, price, weight, placed, code, note)
      VALUES (n % 997, 'new', n / 3, SQRT(n), NOW(3), MD5(n), REPEAT('item ', n % 20));
    UPDATE orders SET status = 'paid', price = price + 1 WHERE id = first + n;
    UPDATE orders SET note = CONCAT('sent ', n), weight = weight * 1.1 WHERE id = first + n + 5000;
    DELETE FROM orders WHERE id = first + n - 1;
    COMMIT;
    SET n = n + 1;
  END WHILE;
END
"""


def server_at(port: int) -> MysqlServer:
    password = SecretSource("env:QIANYUN_TEST_MYSQL_PASSWORD", Path())
    return MysqlServer(host="127.0.0.1", port=port, user=MIGRATOR, password=password)


def end_with_input(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def follow_once(source_port: int, target_port: int, upto: str) -> None:
    """In a process of its own: apply up to a position, or until the standard input ends."""
    source, target = server_at(source_port), server_at(target_port)
    ended = threading.Event()
    if not upto:
        threading.Thread(target=end_with_input, args=(ended,), daemon=True).start()
    reader, look, write = source.open_reader(), target.open_reader(), target.open_writer(lambda text: None)
    sides = (Side(reader, SCHEMA, "source"), Side(look, SCHEMA, "target"))
    began, cpu = time.monotonic(), time.process_time()
    rows = relay(*sides, write, upto, ends=ended.is_set)
    seconds = time.monotonic() - began
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(rows, seconds, time.process_time() - cpu, int(peak.split()[1]) / 1024)


def child(servers: Sequence[LocalServer], upto: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.mysql_follow", *(str(s.port) for s in servers), upto]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def result(process: "subprocess.Popen[str]") -> tuple[int, float, float, float]:
    said, _ = process.communicate()
    rows, seconds, cpu_s, peak_mb = said.split()
    return int(rows), float(seconds), float(cpu_s), float(peak_mb)


def work(source: LocalServer, transactions: int, at: int) -> None:
    with source.connect(database=SCHEMA) as own, own.cursor() as cursor:
        cursor.execute("CALL work(%s, %s)", (transactions, at))


def place_of(source: LocalServer) -> str:
    reader = server_at(source.port).open_reader()
    try:
        return reader.position()
    finally:
        reader.close()


def begin(source: LocalServer, writer: WritePort) -> None:
    at = origin(source)
    reader = server_at(source.port).open_reader()
    try:
        writer.begin_replication(SCHEMA, at, reader.replication_place())
        writer.set_position(SCHEMA, reader.position())
    finally:
        reader.close()


def drained(servers: Sequence[LocalServer], at: int) -> float:
    """Row events a second out of a log that is there already."""
    if NATIVE:
        stopped(servers[1])  # the relay starts it again: nothing is carried over beforehand
    work(servers[0], EVENTS // _PER_TRANSACTION // RUNS, at)
    rows, seconds, cpu_s, peak_mb = result(child(servers, place_of(servers[0])))
    print(
        f"from the log: {rows} row events in {seconds:.1f} s: {rows / seconds:.0f} a second,"
        f" CPU {cpu_s:.1f} s, peak {peak_mb:.0f} MB"
    )
    return rows / seconds


def beats(servers: Sequence[LocalServer], stop: threading.Event) -> list[float]:
    """How old the newest row on the target is, every 50 ms, by one clock."""
    ages: list[float] = []
    here, there = (server.connect(database=SCHEMA) for server in servers)
    with here, there, here.cursor() as beat, there.cursor() as look:
        while not stop.wait(0.05):
            beat.execute(f"UPDATE beat SET at = {time.time()!r}")
            look.execute("SELECT at FROM beat")
            newest = look.fetchone()
            if newest and newest[0]:
                ages.append(time.time() - newest[0])
    return ages


def load(source: LocalServer, at: int) -> int:
    """One client's share of the even load; gives its transactions."""
    began = time.monotonic()
    piece, done = 25, 0
    while (passed := time.monotonic() - began) < SECONDS:
        if done * _PER_TRANSACTION * _CLIENTS < EVENTS_S * passed:
            work(source, piece, at + done)
            done += piece
        else:
            time.sleep(0.005)
    return done


def followed(servers: Sequence[LocalServer], at: int) -> None:
    relaying = child(servers, "")
    stop = threading.Event()
    ages: list[float] = []
    watcher = threading.Thread(target=lambda: ages.extend(beats(servers, stop)))
    watcher.start()
    began = time.monotonic()
    with ThreadPoolExecutor(_CLIENTS) as clients:
        done = sum(clients.map(lambda n: load(servers[0], at + n * _ROWS // 10), range(_CLIENTS)))
    rate = done * _PER_TRANSACTION / (time.monotonic() - began)
    stop.set()
    watcher.join()
    rows, _, cpu_s, peak_mb = result(relaying)
    ages.sort()
    print(
        f"under load: {rate:.0f} row events a second for {SECONDS} s;"
        f" lag p50 {statistics.median(ages):.2f} s, p95 {ages[int(len(ages) * 0.95)]:.2f} s,"
        f" worst {ages[-1]:.2f} s;"
        f" {rows} row events applied, CPU {cpu_s:.1f} s, peak {peak_mb:.0f} MB"
    )


def level(servers: Sequence[LocalServer]) -> bool:
    result(child(servers, place_of(servers[0])))
    found = [server.run(f"CHECKSUM TABLE {SCHEMA}.orders, {SCHEMA}.beat EXTENDED") for server in servers]
    return found[0] == found[1]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="qianyun-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        template = template_in(folder)
        servers = [
            LocalServer(folder / side, template, *_SETTINGS, f"--server-id={number}")
            for number, side in enumerate(("source", "target"), start=1)
        ]
        for server in servers:
            server.run(*TABLES)
        servers[0].run(WORK)
        writer = server_at(servers[1].port).open_writer(lambda text: None)
        writer.create_marks(SCHEMA)
        writer.set_position(SCHEMA, place_of(servers[0]))
        if NATIVE:
            begin(servers[0], writer)
        writer.close()
        per_run = EVENTS // _PER_TRANSACTION // RUNS
        rates = [drained(servers, 2 + run * per_run) for run in range(RUNS)]
        print(f"from the log: median {statistics.median(rates):.0f} row events a second")
        followed(servers, 2 + RUNS * per_run)
        print(f"the same at the end: {level(servers)}")
        for server in servers:
            server.stop()


if __name__ == "__main__":
    os.environ["QIANYUN_TEST_MYSQL_PASSWORD"] = PASSWORD
    follow_once(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
