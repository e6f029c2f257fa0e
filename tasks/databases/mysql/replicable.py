"""Whether the target's own replication may carry a schema, and from which place of the source's log."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import Unreadable
from tasks.databases.model import Origin
from tasks.databases.mysql import followable, privileges, replica_status
from tasks.databases.mysql.binlog import parsed
from tasks.databases.mysql.quoting import account, text
from tasks.databases.mysql.session import ReadSession, Session

_SYSTEM = ("information_schema", "performance_schema", "mysql", "sys")
_SEEING_ALL = {"SHOW DATABASES", "SELECT", "SUPER", "ALL PRIVILEGES"}
_FILTERS = (
    "replicate_do_db", "replicate_wild_do_table", "replicate_do_table", "replicate_ignore_db",
    "replicate_ignore_table", "replicate_wild_ignore_table", "replicate_rewrite_db",
)  # fmt: skip
_STRICT = {
    "slave_exec_mode": "STRICT", "replica_exec_mode": "STRICT",
    "slave_skip_errors": "OFF", "replica_skip_errors": "OFF",
    "slave_run_triggers_for_rbr": "NO",
}  # fmt: skip
_OLDEST_MYSQL = (8, 0, 26)
RELAY = "leave replicate_from out, and our relay carries the rows"


@dataclass(frozen=True)
class End:
    """One side of the move."""

    session: ReadSession
    schema: str


def reasons(source: End, target: End, origin: Origin, *, ours: bool) -> tuple[str, ...]:
    """Each reason against it, with what mends it. `ours`: there is one of ours already."""
    if source.session.is_mariadb != target.session.is_mariadb:
        return (f"MariaDB and MySQL do not replicate each other's logs exactly: {RELAY}",)
    missing = privileges.missing(target.session, target.schema, "replicate-to")
    if missing:
        return tuple(
            f"a privilege is missing at the target: {statement}"
            f"  -- managed services may not give it: then {RELAY}"
            for statement in missing
        )
    found = (_servers, _others, _account, _mariadb if target.session.is_mariadb else _mysql)
    return tuple(reason for look in found for reason in look(source, target, origin, ours))


def _servers(source: End, target: End, origin: Origin, ours: bool) -> Iterator[str]:
    if source.schema != target.schema:
        yield f"the schema is {source.schema} at the source and {target.schema} at the target: {RELAY}"
    if "," in target.schema:
        yield f"a filter cannot name {target.schema!r}, for its comma: {RELAY}"
    ids = [str(end.session.one("SELECT @@global.server_id")[0]) for end in (source, target)]
    if ids[0] == ids[1]:
        yield f"both servers have server_id {ids[0]}: SET GLOBAL server_id = ...;  -- at the target, for good"
    versions = [_version(end.session) for end in (source, target)]
    if versions[0][:2] > versions[1][:2]:
        names = [".".join(map(str, v)) for v in versions]
        yield f"the target ({names[1]}) is older than the source ({names[0]}): {RELAY}"
    listed = ", ".join(map(text, _STRICT))
    for setting, value in target.session.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})"):
        if str(value).upper() != _STRICT[setting]:
            wanted = _STRICT[setting]
            yield f"{setting} is {value} at the target, rows could differ unseen: set it to {wanted}"


def _others(source: End, target: End, origin: Origin, ours: bool) -> Iterator[str]:
    """Filters that a server is given while it runs are forgotten when it restarts."""
    filters = _configured(target.session)
    kept_out = filters.get("replicate_do_db", "") not in ("", target.schema)
    kept_out |= filters.get("replicate_wild_do_table", "") not in ("", replica_status.wildcard(target.schema))
    if kept_out or any(filters.get(name) for name in _FILTERS[2:]):
        listed = "; ".join(f"{name} = {value}" for name, value in filters.items() if value)
        yield f"the target's configuration filters what it replicates ({listed}): {RELAY}"
        return
    if any(filters.values()):
        return
    if not _SEEING_ALL & privileges.everywhere(source.session):
        ours_there = source.session.one("SELECT CURRENT_USER()")[0]
        yield (
            "whether the source holds other schemas cannot be seen: GRANT SHOW DATABASES ON *.* TO"
            f" {account(ours_there)};"
        )
        return
    known = ", ".join(map(text, (*_SYSTEM, source.schema)))
    rows = source.session.query(
        f"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({known}) ORDER BY 1"
    )
    if rows:
        wanted = replica_status.wildcard(target.schema)
        yield (
            f"the source holds other schemas ({', '.join(str(row[0]) for row in rows)}), which would arrive"
            f" as well: write replicate_wild_do_table = {wanted} under [mysqld] into the target's"
            f" configuration and restart it; or {RELAY}"
        )


def _configured(session: ReadSession) -> dict[str, str]:
    """The filters of the configuration. One set while the server runs shows at its own connection only."""
    if session.is_mariadb:
        listed = ", ".join(map(text, _FILTERS))
        return dict(session.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})"))
    rows = session.query(
        "SELECT LOWER(FILTER_NAME), FILTER_RULE FROM performance_schema.replication_applier_global_filters"
    )
    return {str(name): str(rule) for name, rule in rows}


def _account(source: End, target: End, origin: Origin, ours: bool) -> Iterator[str]:
    for statement in lacking(source.session, origin.user):
        yield f"the account {origin.user} cannot replicate from the source: {statement}"


def lacking(session: ReadSession, user: str) -> tuple[str, ...]:
    """What an account lacks to replicate from here, as statements.

    Only where we may see accounts; else the server itself will tell when it is connected to.
    """
    if not privileges.sees_accounts(session):
        return ()
    rows = session.query("SELECT GRANTEE, PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES")
    held = {str(right) for grantee, right in rows if str(grantee).rpartition("@")[0] == f"'{user}'"}
    if {"REPLICATION SLAVE", "REPLICATION REPLICA"} & held:
        return ()
    made = () if held else (f"CREATE USER {text(user)}@'%' IDENTIFIED BY '...';",)
    return (*made, f"GRANT REPLICATION SLAVE ON *.* TO {text(user)}@'%';")


def _mariadb(source: End, target: End, origin: Origin, ours: bool) -> Iterator[str]:
    # Unless it checks the certificate, a MariaDB that is to encrypt does without where the other cannot.
    if origin.tls and str(source.session.one("SELECT @@global.have_ssl")[0]).upper() != "YES":
        yield "the source does not speak TLS: ssl_cert and ssl_key in its configuration, or tls: false"
    # gtid_slave_pos is one for all connections, and can only be set while none of them runs.
    ours_there = replica_status.name_for(target.schema) if ours else ""
    others = [s for s in replica_status.all_of(target.session) if s.name.lower() != ours_there]
    if others:
        listed = ", ".join(f"{s.name or '(without a name)'} from {s.address}" for s in others)
        yield f"the target replicates already ({listed}): {RELAY}"
    strict = str(target.session.one("SELECT @@global.gtid_strict_mode")[0]) in ("1", "ON")
    theirs = replica_status.domains(str(source.session.one("SELECT @@global.gtid_binlog_pos")[0] or ""))
    there = replica_status.domains(str(target.session.one("SELECT @@global.gtid_binlog_pos")[0] or ""))
    if strict and not ours and theirs.keys() & there.keys():
        yield (
            "gtid_strict_mode is ON at the target, and both servers number in domain"
            f" {', '.join(sorted(theirs.keys() & there.keys()))}: SET GLOBAL gtid_strict_mode = OFF;"
            f"  -- at the target, until the cutover; or {RELAY}"
        )


def _mysql(source: End, target: End, origin: Origin, ours: bool) -> Iterator[str]:
    if _version(target.session) < _OLDEST_MYSQL:
        yield f"the target is older than MySQL {'.'.join(map(str, _OLDEST_MYSQL))}: {RELAY}"
    modes = [str(end.session.one("SELECT @@global.gtid_mode")[0]) for end in (source, target)]
    if "ON" in modes and modes[0] != modes[1]:
        yield (
            f"gtid_mode is {modes[0]} at the source and {modes[1]} at the target, which do not go together:"
            f" SET GLOBAL gtid_mode = ...;  -- step by step to the same; or {RELAY}"
        )


def _version(session: ReadSession) -> tuple[int, ...]:
    found = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)", str(session.one("SELECT VERSION()")[0]))
    return tuple(map(int, found.groups())) if found else (0, 0, 0)


def place(session: ReadSession, position: str) -> str:
    """A position of the log (by default its end) as replication names it.

    Raises: errors.Unreadable where the log does not know the position.
    """
    if not session.is_mariadb:
        return position or str(followable.end(session) or "")
    if not position:
        return str(session.one("SELECT @@global.gtid_binlog_pos")[0] or "")
    at = parsed(position)
    found = session.one(f"SELECT BINLOG_GTID_POS({text(at.file)}, {at.offset})")[0]
    if found is None:
        raise Unreadable(
            f"{session.address}: the binary log knows no transaction boundary at {position}",
            why="Replicated from anywhere else, changes would be lost or doubled: copy the target again.",
            next_command="SHOW BINARY LOGS;",
        )
    return str(found)


def is_beyond(session: Session, schema: str, wanted: str) -> bool:
    """Whether the target has carried out more than is before a place."""
    if session.is_mariadb:
        there = replica_status.domains(str(session.one("SELECT @@global.gtid_slave_pos")[0] or ""))
        at = replica_status.domains(wanted)
        before = replica_status.domains(replica_status.before_ours(session, schema) or "")
        return any(
            number > at.get(domain, 0)
            for domain, number in there.items()
            if domain in at or before.get(domain) != number
        )
    status = replica_status.status_of(session, schema)
    executed = status.executed if status else ""
    return bool(executed) and not parsed(wanted).reaches(parsed(executed))
