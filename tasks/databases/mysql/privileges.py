"""Who may do what: our own privileges, accounts that move, and who bypasses a read-only server."""

import hashlib
import re
import time
from collections.abc import Iterable, Mapping

from core.errors import Unreadable
from core.secret import Secret
from tasks.databases.mysql.quoting import account as account_sql
from tasks.databases.mysql.quoting import name, pattern, text, unquote
from tasks.databases.mysql.session import ReadSession, Session
from tasks.databases.port import Account, Grant, Purpose

_NEEDED: Mapping[Purpose, tuple[str, ...]] = {
    "copy-from": ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT"),
    "copy-to": (
        "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "TRIGGER",
        "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE", "EVENT",
    ),
}  # fmt: skip
_NEEDED_GLOBALLY: Mapping[Purpose, tuple[str, ...]] = {
    "accounts-to": ("CREATE USER",),
    "freeze": ("PROCESS",),
}
# InnoDB answers from a cache unless nobody has looked for 0.1 s: a stale answer would hide a writer.
# Source: MariaDB, trx0i_s.cc, CACHE_MIN_IDLE_TIME_NS.
_TRANSACTIONS_CACHED_S = 0.12
_ACCOUNTS = "mysql"
"""The schema in which servers keep their accounts."""
_MAY_FREEZE = {"SUPER", "READ_ONLY ADMIN", "READ ONLY ADMIN", "SYSTEM_VARIABLES_ADMIN"}
_BYPASS_MARIADB, _BYPASS_MYSQL = {"READ_ONLY ADMIN", "READ ONLY ADMIN"}, {"SUPER", "CONNECTION_ADMIN"}

_QUOTED = r"(?:`(?:[^`]|``)*`|\*)"
_GRANT = re.compile(
    rf"\AGRANT (?P<what>.+?) ON (?P<kind>PROCEDURE |FUNCTION |PACKAGE BODY |PACKAGE )?"
    rf"(?P<schema>{_QUOTED})\.(?P<object>{_QUOTED}) TO .*?(?P<option> WITH GRANT OPTION)?\Z"
)


def missing(session: ReadSession, schema: str, purpose: Purpose) -> tuple[str, ...]:
    """The GRANT statements that `purpose` still needs."""
    found = [match for line in _own_grants(session) if (match := _GRANT.match(line))]
    everywhere = _privileges(m for m in found if m["schema"] == "*")
    here = everywhere | _on_schema(found, schema)
    ours = session.one("SELECT CURRENT_USER()")[0]
    statements = []
    if lacking := [p for p in _NEEDED.get(purpose, ()) if not {p, "ALL PRIVILEGES"} & here]:
        statements.append(f"GRANT {', '.join(lacking)} ON {pattern(schema)}.* TO {account_sql(ours)};")
    lacking = [p for p in _NEEDED_GLOBALLY.get(purpose, ()) if not {p, "ALL PRIVILEGES"} & everywhere]
    if purpose == "freeze" and not (_MAY_FREEZE | {"ALL PRIVILEGES"}) & everywhere:
        lacking.append("READ_ONLY ADMIN" if session.is_mariadb else "SYSTEM_VARIABLES_ADMIN")
    if purpose in ("accounts-from", "accounts-to") and not {"SELECT", "ALL PRIVILEGES"} & (
        everywhere | _on_schema(found, _ACCOUNTS)
    ):
        statements.append(f"GRANT SELECT ON {_ACCOUNTS}.* TO {account_sql(ours)};")
    if lacking:
        statements.append(f"GRANT {', '.join(lacking)} ON *.* TO {account_sql(ours)};")
    return tuple(statements)


def _own_grants(session: ReadSession) -> list[str]:
    # Without FOR it includes what enabled roles give.
    return [str(row[0]) for row in session.query("SHOW GRANTS")]


def _on_schema(grants: Iterable[re.Match[str]], schema: str) -> set[str]:
    return _privileges(
        g for g in grants if g["object"] == "*" and g["schema"] != "*" and _covers(g["schema"], schema)
    )


def _privileges(grants: Iterable[re.Match[str]]) -> set[str]:
    return {privilege for grant in grants for privilege in _listed(grant["what"])}


def _listed(what: str) -> tuple[str, ...]:
    """Single privileges; the commas inside a list of columns do not part them."""
    return tuple(sorted(part.strip() for part in re.split(r",(?![^(]*\))", what)))


def _covers(quoted: str, schema: str) -> bool:
    """Whether a schema name in a grant, with its wildcards, covers the schema."""
    return _matches(unquote(quoted), schema)


def _matches(wildcards: str, value: str) -> bool:
    """SQL's own wildcards: _ for one character, % for any, a backslash before either."""
    parts = re.findall(r"\\.|.", wildcards, re.DOTALL)
    expression = "".join({"_": ".", "%": ".*"}.get(part, re.escape(part[-1])) for part in parts)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def names(session: ReadSession) -> frozenset[str]:
    rows = session.query("SELECT User, Host FROM mysql.user WHERE User <> ''")
    return frozenset(f"{_as_text(user)}@{_as_text(host)}" for user, host in rows)


def account(session: ReadSession, schema: str, label: str) -> Account | None:
    if label not in names(session):
        return None
    grants, left = [], []
    for (line,) in session.query(f"SHOW GRANTS FOR {account_sql(label)}"):
        match = _GRANT.match(line)
        if match and unquote(match["schema"]).replace("\\_", "_").replace("\\%", "%") == schema:
            on = (match["kind"] or "") + match["object"]
            grants.append(Grant(_listed(match["what"]), on, match["option"] is not None))
        elif not match or match["what"] != "USAGE" or match["schema"] != "*":
            left.append(_without_hash(line))
    return Account(
        label, _digest(_created_with(session, label)), tuple(sorted(grants, key=str)), tuple(sorted(left))
    )


def authentication(session: ReadSession, label: str) -> Secret:
    """What follows the name in CREATE USER; it holds the password hash."""
    return Secret(_created_with(session, label))


def _created_with(session: ReadSession, label: str) -> str:
    line = str(session.one(f"SHOW CREATE USER {account_sql(label)}")[0])
    head = re.match(rf"\ACREATE USER {_ACCOUNT}@{_ACCOUNT}", line)
    if head is None:
        raise Unreadable(f"{session.address}: account {label}: its CREATE USER has an unknown form")
    return line[head.end() :].strip()


_ACCOUNT = r"(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*')"


def _digest(authentication_text: str) -> str:
    return hashlib.sha256(authentication_text.encode()).hexdigest()[:16]


def _without_hash(line: str) -> str:
    return re.sub(r" IDENTIFIED .*", "", line)


def _as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def bypassing(session: ReadSession) -> tuple[str, ...]:
    """Sessions of other accounts that a read-only server does not stop."""
    wanted = _BYPASS_MARIADB if session.is_mariadb else _BYPASS_MYSQL
    listed = ", ".join(text(p) for p in sorted(wanted))
    holders = {
        row[0]
        for row in session.query(
            "SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES"
            f" WHERE PRIVILEGE_TYPE IN ({listed})"
        )
    }
    ours = session.one("SELECT SUBSTRING_INDEX(USER(), '@', 1)")[0]
    return tuple(
        f"session {number} of {user}@{host}"
        for number, user, host in session.query(
            "SELECT ID, USER, HOST FROM information_schema.PROCESSLIST"
            " WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID')"
            " AND USER NOT IN ('system user', 'event_scheduler') ORDER BY ID"
        )
        if user != ours and any(_may_be(holder, user, host) for holder in holders)
    )


def _may_be(holder: str, user: str, host: str) -> bool:
    """Whether a session may run as this 'name'@'host' (errs on the side of yes for netmasks)."""
    name_held, _, host_held = holder.rpartition("@")
    host_held = host_held.strip("'")
    fits = "/" in host_held or _matches(host_held, host.rpartition(":")[0] or host)
    return name_held.strip("'") == user and fits


def writing(session: Session) -> tuple[str, ...]:
    """Open transactions that have changed rows, as people would look for them."""
    time.sleep(_TRANSACTIONS_CACHED_S)
    return tuple(
        f"transaction {transaction} of session {number}, {user or '?'}@{host or '?'}"
        for transaction, number, user, host in session.query(
            "SELECT t.trx_id, t.trx_mysql_thread_id, p.USER, p.HOST"
            " FROM information_schema.INNODB_TRX t"
            " LEFT JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id"
            " WHERE t.trx_rows_modified > 0 ORDER BY 1"
        )
    )


def grant_target(schema: str, on: str) -> str:
    """What stands after ON in a GRANT: "*" or one thing within the schema."""
    if on == "*":
        return f"{pattern(schema)}.*"
    kind, space, thing = on.rpartition(" ") if on.startswith(("PROCEDURE ", "FUNCTION ")) else ("", "", on)
    return f"{kind}{space}{name(schema)}.{thing}"
