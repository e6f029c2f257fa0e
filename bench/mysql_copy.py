"""CreateSchema and CopyData beside mydumper and myloader, between two MariaDB servers. Wanted: <= 0.8x.

Both sides bring the same schema to the same empty target: one table of about two thirds of the size with
three secondary indexes, three smaller ones. The servers sync to disk as they do by default; neither side
changes that. The peers' threads and pieces are tried out first and their best is taken. Each of ours runs
in a process of its own; the ratio is taken pair by pair, in turn. Size in MB: BENCH_MYSQL_MB.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.databases.servers import MIGRATOR, PASSWORD, LocalServer, template_in

MEGABYTES = int(os.environ.get("BENCH_MYSQL_MB", "2048"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "3"))
SCHEMA = "shop"
PEER_SETTINGS = ((2, 0), (4, 0), (2, 250_000), (4, 250_000))
"""Threads and rows per piece of a table; 0 is whole tables."""
KNOWN_BEST = os.environ.get("BENCH_PEER", "")
"""The best of them where it is known from an earlier run, as "4,250000"; without it all are tried."""
_DURABLE = (
    "--debug-no-sync=0", "--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=1",
    "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=256M", "--max-allowed-packet=64M",
)  # fmt: skip
_ROWS_PER_MB = 4_300
ROW = (
    "CREATE TABLE {name} (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL,"
    " status VARCHAR(12) NOT NULL, price DECIMAL(12,2) NOT NULL, weight FLOAT, placed DATETIME(3) NOT NULL,"
    " code CHAR(32) NOT NULL, note VARCHAR(200){keys})"
)
KEYS = ", KEY by_customer (customer, placed), KEY by_code (code), KEY by_status (status, price)"
FILL = (
    "INSERT INTO {name} (customer, status, price, weight, placed, code, note) SELECT CRC32(seq) % 100000,"
    " ELT(1 + seq % 4, 'new', 'paid', 'sent', 'returned'), CRC32(seq + 7) / 100000, SQRT(seq),"
    " '2020-01-01' + INTERVAL seq % 100000000 SECOND, MD5(seq), REPEAT(CONCAT('item ', seq, ', '),"
    " 1 + seq % 6) FROM seq_{first}_to_{last}"
)


@dataclass(frozen=True)
class Run:
    """One measured run: wall time, CPU of the tool and of both servers, and the tool's peak memory."""

    seconds: float
    cpu_s: float
    servers_cpu_s: float
    peak_mb: float

    def __str__(self) -> str:
        return (
            f"{self.seconds:.1f} s, CPU {self.cpu_s:.1f} s (servers {self.servers_cpu_s:.1f} s),"
            f" peak {self.peak_mb:.0f} MB"
        )


def fill(server: LocalServer) -> None:
    server.run(f"CREATE DATABASE {SCHEMA}", f"USE {SCHEMA}")
    rows = MEGABYTES * _ROWS_PER_MB
    for name, share, keys in (("big", 0.66, KEYS), ("one", 0.12, ""), ("two", 0.11, ""), ("three", 0.11, "")):
        server.run(f"USE {SCHEMA}", ROW.format(name=name, keys=keys))
        last = int(rows * share * (1 if keys else 1.6))
        for first in range(1, last + 1, 100_000):
            server.run(FILL.format(name=name, first=first, last=min(first + 99_999, last)))
        server.run(f"ANALYZE TABLE {name}")
    sizes = server.run(
        "SELECT TABLE_NAME, ROUND((DATA_LENGTH + INDEX_LENGTH) / 1048576) FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = '{SCHEMA}'"
    )
    print("sizes in MB:", ", ".join(f"{name} {size}" for name, size in sizes))


def measured(servers: Sequence[LocalServer], *commands: Sequence[str]) -> Run:
    """Run commands one after another."""
    before = sum(_cpu_s(server.process.pid) for server in servers)
    started, cpu, peak = time.perf_counter(), 0.0, 0
    for command in commands:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            peak = max(peak, _peak_kb(process.pid))
            time.sleep(0.1)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}")
        cpu += used.ru_utime + used.ru_stime
    seconds = time.perf_counter() - started
    return Run(seconds, cpu, sum(_cpu_s(s.process.pid) for s in servers) - before, peak / 1024)


def _peak_kb(pid: int) -> int:
    # Not ru_maxrss: that begins with the memory of the process that started it.
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ours(servers: Sequence[LocalServer]) -> Run:
    ports = [str(server.port) for server in servers]
    return measured(servers, [sys.executable, "-m", "bench.mysql_copy", *ports])


def peers(servers: Sequence[LocalServer], folder: Path, threads: int, rows: int) -> Run:
    dump, options = folder / "dump", folder / "my.cnf"
    options.touch(0o600)
    account = f"user={MIGRATOR}\npassword={PASSWORD}\n"
    options.write_text("".join(f"[{tool}]\n{account}" for tool in ("client", "mydumper", "myloader")))
    shutil.rmtree(dump, ignore_errors=True)
    common = [f"--defaults-file={options}", "-h", "127.0.0.1", "-t", str(threads)]
    pieces = ["--trx-consistency-only", *(["-r", str(rows)] if rows else [])]
    source, target = (str(server.port) for server in servers)
    try:
        return measured(
            servers,
            ["mydumper", *common, "-P", source, "-B", SCHEMA, "-o", str(dump), *pieces],
            ["myloader", *common, "-P", target, "-B", SCHEMA, "-d", str(dump)],
        )
    finally:
        shutil.rmtree(dump, ignore_errors=True)


def empty(target: LocalServer) -> None:
    target.run("SELECT 1", *(f"DROP DATABASE {schema}" for schema in target.schemas()))
    # What the last run left to write must not be on the next one's clock.
    target.run("SET GLOBAL innodb_max_dirty_pages_pct = 0")
    while int(target.run("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1]) > 200:
        time.sleep(0.2)
    target.run("SET GLOBAL innodb_max_dirty_pages_pct = 90")


def copy_once(source_port: int, target_port: int) -> None:
    """What the measured process of ours does."""
    from core.access import Reader, Writer
    from inventory.secrets import SecretSource
    from tasks.databases.mysql.endpoint import MysqlServer
    from tasks.databases.steps import CopyData, CreateSchema, Move

    word = SecretSource("env:QIANYUN_TEST_MYSQL_PASSWORD", Path())
    source, target = (
        MysqlServer(host="127.0.0.1", port=port, user=MIGRATOR, password=word)
        for port in (source_port, target_port)
    )
    move = Move(source=source, source_schema=SCHEMA, target=target, target_schema=SCHEMA)
    for step in (CreateSchema(key="bench/schema", move=move), CopyData(key="bench/data", move=move)):
        reader = Reader()
        writer = Writer(reader, lambda text: None)
        step.apply(step.plan(step.inspect(reader)), writer)  # type: ignore[arg-type]
        writer.close()
        reader.close()


def same(servers: Sequence[LocalServer]) -> bool:
    found = [
        [server.run(f"CHECKSUM TABLE {SCHEMA}.{name} EXTENDED") for name in ("big", "one", "two", "three")]
        for server in servers
    ]
    return found[0] == found[1]


def main() -> None:
    if not shutil.which("mydumper"):
        raise SystemExit("mydumper is not installed (apt-get install mydumper)")
    with tempfile.TemporaryDirectory(prefix="qianyun-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        template = template_in(folder)
        # myloader switches the target's binary log off for itself: here it is off for both.
        target = LocalServer(folder / "target", template, *_DURABLE, "--skip-log-bin")
        servers = [LocalServer(folder / "source", template, *_DURABLE), target]
        fill(servers[0])
        tried = {}
        for setting in () if KNOWN_BEST else PEER_SETTINGS:
            empty(target)
            tried[setting] = peers(servers, folder, *setting)
            print(f"mydumper + myloader, {setting[0]} threads, pieces of {setting[1]} rows: {tried[setting]}")
        best = min(tried, key=lambda setting: tried[setting].seconds, default=(0, 0))
        if KNOWN_BEST:
            threads, rows = KNOWN_BEST.split(",")
            best = int(threads), int(rows)
        ratios = []
        for pair in range(PAIRS):
            runs: dict[str, Run] = {}
            for side in ("ours", "theirs") if pair % 2 else ("theirs", "ours"):
                empty(target)
                runs[side] = ours(servers) if side == "ours" else peers(servers, folder, *best)
                print(f"{side}: {runs[side]}; the same: {side == 'theirs' or same(servers)}")
            ratios.append(runs["ours"].seconds / runs["theirs"].seconds)
        for server in servers:
            server.stop()
    middle = statistics.median(ratios)
    print(f"ratio: median {middle:.2f} ({min(ratios):.2f}-{max(ratios):.2f}), {MEGABYTES} MB")


if __name__ == "__main__":
    copy_once(int(sys.argv[1]), int(sys.argv[2]))
