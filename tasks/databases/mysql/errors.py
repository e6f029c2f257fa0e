"""What the server's and the driver's error numbers mean for us."""

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from core.errors import ApplyFailed, MigrationError, Unreadable
from core.secret import redact

# Source: MariaDB Knowledge Base, "MariaDB Error Codes"; MySQL 8.0 Error Message Reference.
_WRONG_PASSWORD = {1045, 1698, 1524}
_NO_PRIVILEGE = {1044, 1142, 1143, 1227, 1370, 1410, 1449}
_GONE = {2002, 2003, 2005, 2006, 2013, 2055, 1040, 1053, 1077, 1129, 1152, 1158, 1159, 1160, 1161}
_BUSY = {1205, 1213, 1412, 4060}  # 4060: MariaDB rolled back for a deadlock it had not told us of
_READ_ONLY = {1290, 1792, 1836}
_UNTRUSTED = {1418, 1419}
# Below 100 are those of the file layer, which MariaDB passes on: not written, not resized, no room.
_DISK_FULL = {3, 14, 20, 1021, 1026, 1114, 1878}
_TOO_BIG = {1153, 1301}
_FULL_DISK_ERRNO = "28"


@contextmanager
def translated(address: str, user: str, writing: str = "") -> Iterator[None]:
    """Driver errors as ours: Unreadable while looking, ApplyFailed while writing.

    Raises: errors.Unreadable, errors.ApplyFailed
    """
    try:
        yield
    except pymysql.err.MySQLError as error:
        # `from None`: the driver's error may repeat a statement, and with it a password hash.
        raise _meaning(address, user, writing, error) from None


def number_and_text(error: BaseException) -> tuple[int, str]:
    arguments = error.args
    number = arguments[0] if arguments and isinstance(arguments[0], int) else 0
    return number, redact(str(arguments[1]) if len(arguments) > 1 else str(error))


def _meaning(address: str, user: str, writing: str, error: pymysql.err.MySQLError) -> MigrationError:
    number, text = number_and_text(error)
    said = f"{address}: {text or 'the connection is closed'} (error {number})"
    if number in _WRONG_PASSWORD:
        host, _, port = address.rpartition(":")
        return Unreadable(
            f"{address}: {user} was refused: {text} (error {number})",
            why="The password reference or the account in the inventory does not match the server.",
            next_command=f"mariadb --host={host} --port={port} --user={user} --password",
        )
    if number in _NO_PRIVILEGE and not writing:
        return Unreadable(
            said,
            why="A privilege is missing; what cannot be read is never taken for absent.",
            next_command="SHOW GRANTS FOR CURRENT_USER;",
        )
    if not writing:
        return Unreadable(said, transient=number in _GONE | _BUSY or number == 0)
    return _failed_write(f"{writing}: {said}", number, text)


def _failed_write(said: str, number: int, text: str) -> ApplyFailed:
    if number in _DISK_FULL or f"Errcode: {_FULL_DISK_ERRNO}" in text or f"error {_FULL_DISK_ERRNO} " in text:
        return ApplyFailed(
            said,
            why="The server cannot write to its disk, most often because it is full. Everything before this"
            " piece is kept and will not be repeated.",
            next_command="df -h  # on that server; make room, then run the same command again",
        )
    if number in _READ_ONLY:
        return ApplyFailed(
            said,
            why="The server is set read-only; nothing of this piece was written.",
            next_command="SELECT @@global.read_only;",
        )
    if number in _TOO_BIG:
        return ApplyFailed(
            said,
            why="A row is larger than the server takes in one piece.",
            next_command="SET GLOBAL max_allowed_packet = 1073741824;",
        )
    if number in _UNTRUSTED:
        return ApplyFailed(
            said,
            why="The server writes a binary log and trusts no function or trigger that may change rows.",
            next_command="SET GLOBAL log_bin_trust_function_creators = 1;  # on the server named above",
        )
    if number in _NO_PRIVILEGE:
        return ApplyFailed(said, why="A privilege is missing.", next_command="SHOW GRANTS FOR CURRENT_USER;")
    return ApplyFailed(said, transient=number in _GONE | _BUSY or number == 0)
