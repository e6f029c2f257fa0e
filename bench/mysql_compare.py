"""CompareDatabase beside pt-table-checksum (wanted >= 0.8x its rows/s) and reladiff (>= 1.5x).

All look at the same rows, warm in memory, turn by turn. Ours and reladiff compare two servers; ours hashes
every value exactly (SHA-256), reladiff its own text of them (MD5). pt-table-checksum compares through
replication: on the source it writes a CRC32 checksum of every range, and a replica repeats the statement.
"with its replica" is that, its only way to compare two servers; the target is a replica for as long. "At one"
is its work on the source alone, half of what the others do; "at both" the same on both at once.
reladiff lives in a temporary environment of its own, or give its path in BENCH_RELADIFF. Needs
percona-toolkit and network for the first. Rows: BENCH_COMPARE_ROWS.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.databases.servers import MIGRATOR, PASSWORD, LocalServer, template_in

ROWS = int(os.environ.get("BENCH_COMPARE_ROWS", "1000000"))
ROUNDS = int(os.environ.get("BENCH_PAIRS", "3"))
SCHEMA = "shop"
TABLES = {"orders": 0.6, "order_lines": 0.4}
CREATE = (
    "CREATE TABLE {name} (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL,"
    " status VARCHAR(12) NOT NULL, price DECIMAL(12,2) NOT NULL, placed DATETIME(3) NOT NULL,"
    " code CHAR(32) NOT NULL, note VARCHAR(200), KEY (customer, placed), KEY (code))"
)
FILL = (
    "INSERT INTO {name} (customer, status, price, placed, code, note) SELECT CRC32(seq) % 100000,"
    " ELT(1 + seq % 4, 'new', 'paid', 'sent', 'returned'), CRC32(seq + 7) / 100000,"
    " '2020-01-01' + INTERVAL seq % 100000000 SECOND, MD5(seq),"
    " IF(seq % 9, REPEAT(CONCAT('item ', seq, ', '), 1 + seq % 6), NULL) FROM seq_{first}_to_{last}"
)
MEMORY = ("--innodb-buffer-pool-size=700M", "--innodb-log-file-size=256M", "--max-allowed-packet=64M")


def fill(server: LocalServer) -> None:
    server.run(f"CREATE DATABASE {SCHEMA}", f"USE {SCHEMA}")
    for name, share in TABLES.items():
        server.run(CREATE.format(name=name))
        last = int(ROWS * share)
        for first in range(1, last + 1, 100_000):
            server.run(FILL.format(name=name, first=first, last=min(first + 99_999, last)))
        server.run(f"ANALYZE TABLE {name}", f"SELECT SUM(LENGTH(note)) FROM {name}")


def seconds(*commands: Sequence[str]) -> float:
    """Wall time of commands that run at the same time, in processes of their own."""
    started = time.perf_counter()
    running = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for c in commands]
    for command, process in zip(commands, running, strict=True):
        said, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}: {said.decode()[-2000:]}")
    return time.perf_counter() - started


def checksum(options: Path, server: LocalServer, replicas: str = "none") -> list[str]:
    return [
        "pt-table-checksum", f"F={options},h=127.0.0.1,P={server.port}", f"--databases={SCHEMA}",
        f"--recursion-method={replicas}", "--no-check-replication-filters", "--no-version-check", "--quiet",
        "--no-check-binlog-format",
    ]  # fmt: skip


def checksum_replica(options: Path, source: LocalServer, target: LocalServer) -> float:
    """With the target as a replica of the source; the clock runs for the tool alone.

    Raises: SystemExit where it found no replica to compare, or did not find it equal.
    """
    source.run(
        "CREATE DATABASE IF NOT EXISTS replicas",
        "CREATE OR REPLACE TABLE replicas.dsns (id INT PRIMARY KEY, parent_id INT, dsn VARCHAR(255))",
        f"INSERT INTO replicas.dsns VALUES (1, NULL, 'h=127.0.0.1,P={target.port}')",
    )
    [(position,)] = source.run("SELECT @@gtid_binlog_pos")
    place = f"MASTER_HOST = '127.0.0.1', MASTER_PORT = {source.port}, MASTER_USE_GTID = slave_pos"
    target.run(
        "DROP DATABASE IF EXISTS percona",
        f"SET GLOBAL gtid_slave_pos = '{position}'",
        f"CHANGE MASTER TO {place}, MASTER_USER = '{MIGRATOR}', MASTER_PASSWORD = '{PASSWORD}'",
        "START SLAVE",
    )
    source.run("CREATE DATABASE IF NOT EXISTS percona", "DROP TABLE IF EXISTS percona.checksums")
    try:
        took = seconds(checksum(options, source, "dsn=t=replicas.dsns"))
        [(rows, differing)] = target.run(
            "SELECT SUM(this_cnt), SUM(this_crc <> master_crc OR this_cnt <> master_cnt)"
            " FROM percona.checksums"
        )
    finally:
        target.run("STOP SLAVE", "RESET SLAVE ALL")
    if rows != ROWS or differing:
        raise SystemExit(f"pt-table-checksum compared {rows} rows of {ROWS}, {differing} ranges differ")
    return took


def differ(tool: str, conf: Path, table: str, threads: int) -> list[str]:
    """reladiff's own way for two databases, all columns; its passwords stand in a file."""
    return [
        tool, "--conf", str(conf), "source", table, "target", table, "-k", "id", "-c", "%",
        "--threads", str(threads), "--stats",
    ]  # fmt: skip


def reladiff_in(folder: Path) -> str:
    """Raises: SystemExit where it can neither be found nor installed."""
    if given := os.environ.get("BENCH_RELADIFF"):
        return given
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    install = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "reladiff[mysql]"]
    if subprocess.run(install, check=False).returncode:
        raise SystemExit("reladiff cannot be installed; give its path in BENCH_RELADIFF")
    return str(folder / "venv/bin/reladiff")


def compare_once(source_port: int, target_port: int) -> None:
    """What the measured process of ours does."""
    from core.access import Reader
    from core.checks import Status, overall
    from inventory.secrets import SecretSource
    from tasks.databases.comparison import Pace
    from tasks.databases.mysql.endpoint import MysqlServer
    from tasks.databases.steps import CompareDatabase, Move

    word = SecretSource("env:QIANYUN_TEST_MYSQL_PASSWORD", Path())
    source, target = (
        MysqlServer(host="127.0.0.1", port=port, user=MIGRATOR, password=word)
        for port in (source_port, target_port)
    )
    move = Move(source=source, source_schema=SCHEMA, target=target, target_schema=SCHEMA)
    workers = int(os.environ.get("BENCH_WORKERS", Pace().workers))
    step = CompareDatabase(
        key="databases/shop/comparison", move=move, frozen=True, pace=Pace(workers=workers)
    )
    reader = Reader()
    found = step.verify(reader)
    reader.close()
    if overall(found) is not Status.PASS:
        raise SystemExit("; ".join(f"{c.name}: {c.actual}" for c in found if c.status is not Status.PASS))


def main() -> None:
    for tool in ("mariadbd", "pt-table-checksum"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            print(f"skipped: {tool} is not installed (apt-get install mariadb-server percona-toolkit)")
            return
    folder = Path(tempfile.mkdtemp(prefix="qianyun-bench-"))
    folder.chmod(0o755)
    try:
        measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path) -> None:
    template = template_in(folder)
    source, target = (
        LocalServer(folder / name, template, f"--server-id={number}", *MEMORY)
        for number, name in enumerate(("source", "target"), 1)
    )
    for server in (source, target):
        fill(server)
    options, conf = folder / "my.cnf", folder / "reladiff.toml"
    for file in (options, conf):
        file.touch(0o600)
    options.write_text(f"[client]\nuser={MIGRATOR}\npassword={PASSWORD}\n")
    sides = {"source": source, "target": target}
    conf.write_text(
        "".join(
            f'[database.{name}]\ndriver = "mysql"\nhost = "127.0.0.1"\nport = {server.port}\n'
            f'user = "{MIGRATOR}"\npassword = "{PASSWORD}"\ndatabase = "{SCHEMA}"\n'
            for name, server in sides.items()
        )
    )
    tool = reladiff_in(folder)
    ports = [str(source.port), str(target.port)]
    contestants: dict[str, Callable[[], float]] = {
        "ours": lambda: seconds([sys.executable, "-m", "bench.mysql_compare", *ports]),
        "pt-table-checksum with its replica": lambda: checksum_replica(options, source, target),
        "pt-table-checksum at one": lambda: seconds(checksum(options, source)),
        "pt-table-checksum at both": lambda: seconds(checksum(options, source), checksum(options, target)),
        "reladiff, 1 thread": lambda: sum(seconds(differ(tool, conf, t, 1)) for t in TABLES),
        "reladiff, 4 threads": lambda: sum(seconds(differ(tool, conf, t, 4)) for t in TABLES),
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            taken[name].append(run())
    for name, times in taken.items():
        middle = statistics.median(times)
        ratio = statistics.median(t / o for t, o in zip(times, taken["ours"], strict=True))
        print(
            f"{name}: median {middle:.1f} s of {ROUNDS} ({min(times):.1f}-{max(times):.1f}),"
            f" {ROWS / middle:,.0f} rows/s; ours {ratio:.2f}x its rows/s"
        )
    for server in (source, target):
        server.stop()


if __name__ == "__main__":
    compare_once(int(sys.argv[1]), int(sys.argv[2]))
