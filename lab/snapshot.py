"""A digest of every part of the world, to show that nothing, or only the right thing, was written.

Keys are `<host>/files`, `<host>/disk`, `<host>/kernel`, `<host>/listening`, `<host>/database/<name>`,
`<host>/accounts`, `<host>/variables`, `cloud/<service>/<region>`, `mailbox`, and `trace/<host>/binlog`.
A trace tells that something was written even if it was taken back: a rehearsal must leave it alone; to
compare where two ways ended, leave the traces out.
"""

import hashlib
import json
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.errors import LabFailed
from lab.machine import require_root
from lab.plan import Estate, Host, estate
from lab.processes import first_processes, inside
from lab.tree import digest_tree

VARIABLES = (
    "read_only",
    "event_scheduler",
    "sql_mode",
    "time_zone",
    "max_connections",
    "binlog_format",
    "character_set_server",
    "foreign_key_checks",
    "local_infile",
    "innodb_flush_log_at_trx_commit",
)
KERNEL = (
    "net.core.somaxconn",
    "net.ipv4.ip_forward",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_tw_reuse",
)
RIGHTS = ("global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "roles_mapping")
DUMP = ["mariadb-dump", "--single-transaction", "--skip-dump-date", "--skip-comments", "--hex-blob"]
DUMP += ["--order-by-primary", "--routines", "--events", "--triggers", "--skip-extended-insert"]


def snapshot(name: str = "demo") -> dict[str, str]:
    """Digest an instance that is up. Shape: {part: sha256}; two with nothing in between are equal.

    Raises: LabFailed if a host is down: a world that cannot be read is not an unchanged one.
    """
    require_root()
    wanted = estate(name)
    pids = first_processes(wanted)
    if missing := [host.name for host in wanted.hosts if host.name not in pids]:
        raise LabFailed(f"{', '.join(missing)} down", next_command=f"python -m lab up --name {name}")
    jobs: list[Callable[[], dict[str, str]]] = [lambda: cloud(wanted), lambda: mailbox(wanted)]
    jobs += [lambda h=h: host_parts(wanted, h, pids[h.name]) for h in wanted.hosts if h.layers]  # type: ignore[misc]
    jobs += [lambda h=h: database_parts(wanted, h) for h in wanted.hosts if h.server_id]  # type: ignore[misc]
    with ThreadPoolExecutor(max_workers=4) as pool:
        parts = list(pool.map(lambda job: job(), jobs))
    return dict(sorted(item for part in parts for item in part.items()))


def sha256(text: str) -> str:
    """Digest a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def host_parts(wanted: Estate, host: Host, pid: int) -> dict[str, str]:
    """Digest a host's files, its extra disk, its part of the kernel and what it listens on."""
    kernel = inside(wanted, host.name, ["sysctl", "-e", *KERNEL])
    parts = {
        f"{host.name}/files": digest_tree(wanted.directory(host.name) / "upper"),
        f"{host.name}/kernel": sha256(kernel),
        f"{host.name}/listening": sha256(json.dumps(listening(pid))),
    }
    if host.disk:
        parts[f"{host.name}/disk"] = digest_tree(Path(f"/proc/{pid}/root{host.disk.split(':')[0]}"))
    return parts


def listening(pid: int) -> list[str]:
    """Name the TCP addresses the namespace of a process listens on. Source: proc(5), net/tcp."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A":
                found.add(f"{table} {local}")
    return sorted(found)


def database_parts(wanted: Estate, host: Host) -> dict[str, str]:
    """Digest every database of a server with its programs, the accounts and the variables that matter."""

    def ask(sql: str) -> str:
        return inside(wanted, host.name, ["mariadb", "--batch", "--skip-column-names"], given=sql)

    own = "'mysql', 'sys', 'information_schema', 'performance_schema'"
    names = ask(
        f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({own})"
    ).split()
    parts = {
        f"{host.name}/database/{name}": sha256(
            inside(wanted, host.name, [*DUMP, "--databases", name], timeout_s=300)
        )
        for name in names
    }
    parts[f"{host.name}/accounts"] = sha256(
        "".join(ask(f"SELECT * FROM mysql.{t} ORDER BY 1, 2, 3") for t in RIGHTS)
    )
    wished = ", ".join(f"'{variable}'" for variable in VARIABLES)
    parts[f"{host.name}/variables"] = sha256(ask(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wished})"))
    parts[f"trace/{host.name}/binlog"] = sha256(ask("SHOW MASTER STATUS"))
    return parts


def cloud(wanted: Estate) -> dict[str, str]:
    """Ask the cloud for the digests of what it holds."""
    with urllib.request.urlopen(f"{wanted.cloud_url}/lab/state", timeout=60) as reply:
        return {f"cloud/{part}": digest for part, digest in json.load(reply).items()}


def mailbox(wanted: Estate) -> dict[str, str]:
    """Digest the messages kept and their envelopes, the moment of arrival left out."""
    kept = []
    for envelope in sorted(wanted.mailbox.glob("*.json")):
        facts = json.loads(envelope.read_text())
        content = hashlib.sha256(envelope.with_suffix(".eml").read_bytes()).hexdigest()
        kept.append([facts["from"], facts["to"], content])
    return {"mailbox": sha256(json.dumps(kept))}
