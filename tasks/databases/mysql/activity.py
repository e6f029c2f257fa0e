"""Who is writing, who has been at it for long, and who could write to a read-only server."""

import time

from tasks.databases.mysql.privileges import matches
from tasks.databases.mysql.quoting import text
from tasks.databases.mysql.session import ReadSession, Session

# InnoDB answers from a cache unless nobody has looked for 0.1 s: a stale answer would hide a writer.
# Source: MariaDB, trx0i_s.cc, CACHE_MIN_IDLE_TIME_NS.
_TRANSACTIONS_CACHED_S = 0.12
_BYPASS_MARIADB, _BYPASS_MYSQL = {"READ_ONLY ADMIN", "READ ONLY ADMIN"}, {"SUPER", "CONNECTION_ADMIN"}


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
    fits = "/" in host_held or matches(host_held, host.rpartition(":")[0] or host)
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


def open_for(session: ReadSession, seconds: int) -> tuple[str, ...]:
    """Transactions that have been open for so long, reading ones too; ours aside."""
    time.sleep(_TRANSACTIONS_CACHED_S)
    # InnoDB gives its times in the server's own zone, whatever the session's.
    now = "CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM')"
    return tuple(
        f"session {number} of {user or '?'}@{host or '?'}, open for {age} s"
        for number, user, host, age in session.query(
            f"SELECT t.trx_mysql_thread_id, p.USER, p.HOST, TIMESTAMPDIFF(SECOND, t.trx_started, {now})"
            " FROM information_schema.INNODB_TRX t"
            " LEFT JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id"
            f" WHERE t.trx_started < {now} - INTERVAL {int(seconds)} SECOND"
            " AND t.trx_mysql_thread_id <> CONNECTION_ID() ORDER BY t.trx_started"
        )
    )
