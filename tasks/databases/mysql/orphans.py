"""Sessions that a run of ours left at a server when it died, or its cable was cut, without a word.

The server does not notice for hours (by its own probes of the connection), and what they hold stays locked.
Whether one is left behind is not guessed: it came from an address and port of this very machine at which
nothing is connected any more. Behind a proxy, or where addresses are translated, that cannot be known.
"""

import socket
import struct
from pathlib import Path
from typing import Any

from tasks.databases.mysql.quoting import text
from tasks.databases.mysql.session import Session

_TABLE = Path("/proc/net/tcp")
_ESTABLISHED = "01"
_QUIET_S = 5
"""A server may need a moment to notice an ordinary end."""


def left_behind(session: Session) -> list[int]:
    """Numbers of our account's sessions at the session's server whose other end is gone."""
    driver: Any = session.connection
    sock: socket.socket = driver._sock
    if sock.family is not socket.AF_INET or not _TABLE.exists():
        return []
    host, port = sock.getsockname()
    ((user, seen),) = session.query(
        "SELECT USER, HOST FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()"
    )
    if seen != f"{host}:{port}":
        return []
    found = session.query(
        f"SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE USER = {text(user)}"
        f" AND HOST LIKE {text(f'{host}:%')} AND TIME >= {_QUIET_S} AND ID <> CONNECTION_ID()"
        " AND COMMAND NOT IN ('Binlog Dump', 'Binlog Dump GTID', 'Killed')"
    )
    # Looked at after the sessions: one that connects meanwhile is not among them.
    connected = _connected(_TABLE.read_text()) if found else set()
    return [int(number) for number, other in found if other not in connected]


def _connected(table: str) -> set[str]:
    """The own ends of all established connections. Source: proc_net_tcp.txt of the Linux kernel."""
    ends = set()
    for line in table.splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        if state == _ESTABLISHED:
            host, _, port = local.partition(":")
            ends.add(f"{socket.inet_ntoa(struct.pack('=I', int(host, 16)))}:{int(port, 16)}")
    return ends
