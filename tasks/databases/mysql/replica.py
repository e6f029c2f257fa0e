"""The target's own replication of one schema: set up, waited for, taken away; every write is journalled.

While it carries the rows, our marks say so in the table of the position: the relay then only notes what
was changed. What the server's own replication position was before stands there too.
"""

import time

from core.errors import ApplyFailed, Refused
from tasks.databases.model import Origin
from tasks.databases.mysql import binlog
from tasks.databases.mysql.quoting import marks_schema, names, text
from tasks.databases.mysql.replica_status import (
    OURS,
    POSITION,
    PURGED,
    REFUSED_LOGIN,
    Status,
    before_query,
    diverged_by_worker,
    merged,
    name_for,
    status_of,
    wildcard,
)
from tasks.databases.mysql.replica_words import MariadbWords, MysqlWords, Words
from tasks.databases.mysql.replicable import RELAY, is_beyond
from tasks.databases.mysql.session import WriteSession

_CONNECT_S = 20.0
"""How long a connection may take to come about, and an interrupted one to come back."""
_STANDSTILL_S = 600.0
"""A transaction of the source may take so long on the target; the wait starts anew with each."""
_SILENCE_S = 15.0
"""What our own reader has got from the source the replication has got as well after so long."""
_LOOK_S = 1
_LONGEST = 512


class Replica:
    def __init__(self, session: WriteSession, schema: str) -> None:
        self._session, self._schema = session, schema
        name = name_for(schema)
        self._words: Words = MariadbWords(name) if session.is_mariadb else MysqlWords(name)
        self._what = f"replication {name} of {schema}"
        self._place = names(marks_schema(schema), POSITION)

    @property
    def is_ours(self) -> bool:
        return self._before() is not None

    def begin(self, origin: Origin, place: str) -> None:
        """Set it up from `place` (as the source's replication_place gives it); one that is there goes on.

        Raises: errors.ApplyFailed where it does not come about; what was made for it is then gone again.
        """
        origin.password.resolve()  # before the first write: where it is missing, nothing was begun
        found, already = self._status(), self.is_ours
        self._mark()
        if found is None:
            # One that somebody took away stands where the server says, which may be further than we noted.
            if not (already and is_beyond(self._session, self._schema, place)):
                self._start_at(place)
        elif found.sql == "Yes" or found.io != "No":
            self._write("stop", self._words.stop)
        at = found.executed if found else place
        self._write(f"set up from {origin.address} as {origin.user}", self._words.change(origin, at))
        self._start()
        if trouble := self._not_connected(origin):
            now = self._status()
            if found is None and now is not None and not now.sql_error[0]:
                self.end()
                trouble.why = f"Nothing of it was kept. Mend it, or {RELAY}."
            raise trouble

    def reach(self, position: str) -> None:
        """Wait until the target has carried out the source's log up to a position.

        Raises: errors.ApplyFailed, transient where the connection is lost; naming the table that diverged.
        """
        place, status = binlog.parsed(position), self._status()
        there = status is not None and status.executed and binlog.parsed(status.executed).reaches(place)
        if there and status and (status.sql == "No" or status.filter == wildcard(self._schema)):
            return
        self._await(self._words.wait(place, _LOOK_S), place)

    def await_place(self, place: str) -> None:
        """As `reach`, for a place as the source's replication_place gives it, with all that is before it."""
        self._await(self._words.wait_for(place, _LOOK_S))

    def halt(self) -> None:
        """Stop it where it stands; it can go on."""
        found = self._status() if self.is_ours else None
        if found and (found.io != "No" or found.sql != "No"):
            self._write("stop", self._words.stop)

    def end(self) -> None:
        """Take it away, with the server's own position as it was before."""
        before = self._before()
        if before is None:
            return
        self.halt()
        if self._status():
            self._write("take away", self._words.reset)
        if self._session.is_mariadb and self._gtids() != before:
            self._write("give back gtid_slave_pos", f"SET GLOBAL gtid_slave_pos = {text(before)}")
        self._write("forget", f"DELETE FROM {self._place} WHERE id = {OURS}")

    def _status(self) -> Status | None:
        return status_of(self._session, self._schema)

    def _before(self) -> str | None:
        # Not by query(): whoever applies changes is told that a write failed, not that a look did.
        with self._session.errors(self._what), self._session.connection.cursor() as cursor:
            cursor.execute(before_query(self._schema))
            row = cursor.fetchone()
        return str(row[0]) if row else None

    def _gtids(self) -> str:
        return str(self._session.one("SELECT @@global.gtid_slave_pos")[0] or "")

    def _write(self, how: str, sql: str) -> None:
        self._session.write(f"{self._what}: {how}", sql)

    def _mark(self) -> None:
        if self._before() is not None:
            return
        before = self._gtids() if self._session.is_mariadb else ""
        if len(before) > _LONGEST:
            raise Refused(
                f"{self._session.address}: gtid_slave_pos holds {len(before)} characters",
                why=f"It could not be kept beside our marks, to be given back; {RELAY}.",
            )
        self._write("note", f"INSERT INTO {self._place} (id, position) VALUES ({OURS}, {text(before)})")

    def _start_at(self, place: str) -> None:
        if self._session.is_mariadb:
            start = merged(self._before() or "", place)
            if start != self._gtids():
                self._write(f"begin at {place}", f"SET GLOBAL gtid_slave_pos = {text(start)}")

    def _start(self) -> None:
        # Filters are forgotten when the server restarts: whoever waits sets them again.
        self._write(f"only {self._schema}", self._words.filter(self._schema))
        self._write("start", self._words.start)

    def _not_connected(self, origin: Origin) -> ApplyFailed | None:
        """What the server says against the connection; None once it stands."""
        end = time.monotonic() + _CONNECT_S
        while (status := self._status()) is not None:
            if status.connected:
                return None
            if status.sql_error[0]:
                return self._diverged(status)
            number, _ = status.io_error
            if number or status.io == "No" or time.monotonic() > end:
                said = status.trouble or f"no answer within {_CONNECT_S:.0f} s"
                return ApplyFailed(
                    f"{self._session.address} cannot replicate from {origin.address}"
                    f" as {origin.user}: {said}",
                    why="It stands where it was, and tries again.",
                    next_command=_mending(number, origin.user),
                )
            time.sleep(0.1)
        return self._gone()

    def _await(self, wait: str, place: binlog.Position | None = None) -> None:
        stands, since, lost_since = ("", ""), time.monotonic(), 0.0
        while True:
            status = self._at_work()
            if self._reached(wait):
                return
            now = time.monotonic()
            if (status.executed, status.received) != stands:
                stands, since = (status.executed, status.received), now
            elif now - since > _SILENCE_S and status.io == "Yes" and _waits_for(place, status):
                # A cut cable: the server itself would notice only after slave_net_timeout.
                self._write("stop, no word from the source", self._words.stop)
                self._start()
                since = now
            lost_since = 0.0 if status.io == "Yes" else lost_since or now
            if lost_since and (now - lost_since > _CONNECT_S or status.io_error[0] in PURGED | REFUSED_LOGIN):
                raise self._lost(status)
            if now - since > _STANDSTILL_S:
                raise ApplyFailed(
                    f"{self._what} at {self._session.address} stands at {status.executed}"
                    f" for {_STANDSTILL_S:.0f} s",
                    why="Something holds its transaction up, or it is very large; nothing is lost.",
                    next_command="SHOW PROCESSLIST;  # on the target: what does the replication wait for?",
                    transient=True,
                )

    def _reached(self, wait: str) -> bool:
        # NULL: its thread does not run; -1: the time is over.
        answer = self._session.one(wait)[0]
        if answer is None:
            time.sleep(0.1)
        return answer is not None and int(answer) >= 0

    def _at_work(self) -> Status:
        """Its status. Stopped without an error (a restart), or without its filter, it is started again."""
        status = self._status()
        if status is None:
            raise self._gone()
        if status.sql_error[0] and status.sql != "Yes":
            raise self._diverged(status)
        if status.io == "No" and status.io_error[0] in PURGED | REFUSED_LOGIN:
            raise self._lost(status)
        if status.filter != wildcard(self._schema) or status.stopped:
            if status.io != "No" or status.sql != "No":
                self._write("stop", self._words.stop)
            self._start()
        return status

    def _gone(self) -> ApplyFailed:
        return ApplyFailed(
            f"{self._what} is not there at {self._session.address}",
            why="Our marks say that it carries the rows: its set-up was cut off, or somebody took it away.",
            next_command="qianyun migrate --phase databases --plan DIGEST",
        )

    def _diverged(self, status: Status) -> ApplyFailed:
        found = "" if self._session.is_mariadb else diverged_by_worker(self._session, status.name)
        return ApplyFailed(
            f"{self._what} at {self._session.address} stopped: {found or status.trouble}",
            why="The target no longer holds what the source held when it changed: something else wrote"
            " there.",
            next_command="qianyun compare PROJECT DATABASE",
        )

    def _lost(self, status: Status) -> ApplyFailed:
        number, _ = status.io_error
        why = "Nothing is lost: it goes on where it stands once the source can be reached."
        if number in PURGED:
            why = "What changed since then is lost for the replication: the target must be copied again."
        return ApplyFailed(
            f"{self._what} at {self._session.address} has lost {status.address}:"
            f" {status.trouble or 'it tries to connect'}",
            why=why,
            next_command=_mending(number, status.user),
            transient=number not in PURGED | REFUSED_LOGIN,
        )


def _waits_for(place: binlog.Position | None, status: Status) -> bool:
    """Whether it has not even received what is waited for."""
    return place is not None and not (status.received and binlog.parsed(status.received).reaches(place))


def _mending(number: int, user: str) -> str:
    if number in REFUSED_LOGIN:
        return (
            f"GRANT REPLICATION SLAVE ON *.* TO {text(user)}@'%';  # at the source, with the right password"
        )
    if number in PURGED:
        return "SHOW BINARY LOGS;  # at the source"
    return ""
