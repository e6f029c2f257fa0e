"""Rows as LOAD DATA reads them: serialised by the source server, passed on as bytes, read by the target.

A row travels as one text such as `17,'O\\'Hara',NULL`: QUOTE writes in one pass what LOAD DATA reads back
byte by byte, and tells the word NULL from the text 'NULL'. Python neither decodes nor holds a whole value.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pymysql.constants import COMMAND
from pymysql.cursors import SSCursor
from pymysql.err import MySQLError, OperationalError, raise_mysql_exception
from pymysql.protocol import OKPacketWrapper

from tasks.databases.model import KeyRange, RowBatch, Table
from tasks.databases.mysql.columns import carried, is_long, load_term, raw_bytes, where
from tasks.databases.mysql.quoting import name, names
from tasks.databases.mysql.session import ReadSession, WriteSession, refuse_unless_reading

FORMAT = "CHARACTER SET binary FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '''' ESCAPED BY '\\\\'"
BATCH_BYTES = 1 << 18
_PACKET_FULL = 0xFFFFFF
_NULL, _TWO, _THREE, _EIGHT, _ERROR = 251, 252, 253, 254, 255
_BY_NUMBER = {"bit", "enum", "set"}
_BY_TEXT = {"inet4", "inet6", "uuid"}


def expressions(table: Table, mariadb: bool) -> list[str]:
    """All short columns of a row as one text, then each long column's bytes as they are."""
    short = [load_term(c, mariadb) for c in carried(table) if not is_long(c)]
    long = [raw_bytes(c) for c in carried(table) if is_long(c)]
    pieces = [piece for t in short for piece in ("','", t)][1:]
    end = [] if long else ["'\\n'"]
    return [f"CAST(CONCAT('',{','.join([*pieces, *end])}) AS BINARY)" if pieces else "''", *long]


def statement(schema: str, table: Table) -> str:
    """The LOAD DATA that takes such rows."""
    places, settings = [], []
    for number, column in enumerate(carried(table)):
        if column.type in _BY_NUMBER:
            # As text a BIT would be its characters' bytes, and an ENUM's number one of its names.
            settings.append(f"{name(column.name)} = CAST(@v{number} AS UNSIGNED)")
        elif column.type in _BY_TEXT:
            # Bytes without a character set are taken for the address itself, as it is stored.
            settings.append(f"{name(column.name)} = CONVERT(@v{number} USING ascii)")
        elif column.type == "json":
            settings.append(f"{name(column.name)} = CONVERT(@v{number} USING utf8mb4)")
        else:
            places.append(name(column.name))
            continue
        places.append(f"@v{number}")
    tail = f" SET {', '.join(settings)}" if settings else ""
    return (
        f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {names(schema, table.name)} {FORMAT}"
        f" LINES TERMINATED BY '\\n' ({', '.join(places)}){tail}"
    )


class TooLong(Exception):
    """The source server could not build a row within its max_allowed_packet."""


def read_rows(session: ReadSession, schema: str, table: Table, within: KeyRange) -> Iterator[RowBatch]:
    """The rows of a range, in pieces that may end within a row.

    Left before its end it closes the connection: what is still to come could not be told from an answer.
    Raises: TooLong; errors.Unreadable
    """
    query = f"SELECT {', '.join(expressions(table, session.is_mariadb))} FROM {names(schema, table.name)}"
    query += f" WHERE {where(table.key, within)}"
    refuse_unless_reading(query)
    driver: Any = session.connection
    long_columns = sum(is_long(c) for c in carried(table))
    with session.errors():
        cursor = SSCursor(session.connection)  # kept: one that is forgotten reads its rows to their end
        cursor.execute(query)
        result = driver._result
        packets = _Packets(driver)
        ended = False
        try:
            yield from _with_long(packets, long_columns) if long_columns else _short(packets)
            ended = True
        finally:
            # The end was read here, not by the driver.
            result.unbuffered_active = False
            result.connection = None
            if not ended:
                driver._force_close()


def write_rows(
    session: WriteSession, what: str, schema: str, table: Table, batches: Iterator[RowBatch]
) -> tuple[int, int, int]:
    """Send rows into the table: how many were sent, how many the server took, and its warnings."""
    with session.errors(what):
        return _send(session.connection, statement(schema, table), batches)


def _send(driver: Any, sql: str, batches: Iterator[RowBatch]) -> tuple[int, int, int]:
    driver._execute_command(COMMAND.COM_QUERY, sql)
    answer = driver._read_packet()
    if not answer.is_load_local_packet():
        raise OperationalError(0, "the server does not ask for the rows of LOAD DATA LOCAL")
    rows = 0
    try:
        for batch in batches:
            driver.write_packet(batch.payload)
            rows += batch.rows
    except BaseException:
        # Not the end of the rows, but without one the connection could not even be told to roll back.
        with suppress(MySQLError):
            driver.write_packet(b"")
            driver._read_packet()
        raise
    driver.write_packet(b"")
    taken = OKPacketWrapper(driver._read_packet())
    return rows, int(taken.affected_rows), int(taken.warning_count)


def _short(packets: "_Packets") -> Iterator[RowBatch]:
    """Rows of a single text; every row passes this loop, so it does little."""
    rest = b""
    while True:
        data = rest + packets.some()
        rows: list[bytes] = []
        add = rows.append
        at, end = 0, len(data)
        while at + 5 <= end:
            stop = at + 4 + (data[at] | data[at + 1] << 8 | data[at + 2] << 16)
            if stop > end:
                break
            first = data[at + 4]
            if first < _NULL:
                add(data[at + 5 : stop])
            elif first == _TWO:
                add(data[at + 7 : stop])
            elif first == _THREE and stop - at - 4 < _PACKET_FULL:
                add(data[at + 8 : stop])
            elif first == _EIGHT and stop - at < 13:
                if rows:
                    yield RowBatch(len(rows), b"".join(rows))
                return
            elif first == _ERROR:
                raise_mysql_exception(data[at + 4 : stop])
            else:
                raise TooLong
            at = stop
        rest = data[at:]
        if rows:
            yield RowBatch(len(rows), b"".join(rows))


def _with_long(packets: "_Packets", long_columns: int) -> Iterator[RowBatch]:
    """Rows with long values: escaped and passed on piece by piece, so none is ever held whole."""
    out, rows = bytearray(), 0
    while packets.next_row():
        opening = packets.value()
        if opening is None:
            raise TooLong
        for piece in opening:
            out += piece
        comma = b"," if out and out[-1:] != b"\n" else b""
        for _ in range(long_columns):
            pieces = packets.value()
            out += comma + (b"NULL" if pieces is None else b"'")
            for piece in pieces or ():
                out += piece.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
                if len(out) >= BATCH_BYTES:
                    yield RowBatch(rows, bytes(out))
                    out, rows = bytearray(), 0
            out += b"" if pieces is None else b"'"
            comma = b","
        out += b"\n"
        rows += 1
    if out:
        yield RowBatch(rows, bytes(out))


class _Packets:
    """The bytes that the server sends, as its packets frame them."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._left = 0
        self._first: int | None = None

    def some(self) -> bytes:
        """What has come, at most a quarter of a megabyte; never nothing."""
        try:
            data: bytes = self._driver._rfile.read1(BATCH_BYTES)
        except OSError as error:
            raise self._lost(error) from None
        if not data:
            raise self._lost("it ended the connection")
        return data

    def next_row(self) -> bool:
        """Whether another row begins here; its values are then read in their order."""
        self._next_packet()
        self._first = self._driver._read_bytes(1)[0]
        self._left -= 1
        if self._first == _ERROR:
            raise_mysql_exception(bytes([_ERROR]) + self._driver._read_bytes(self._left))
        if self._first == _EIGHT and self._left < 8:
            self._driver._read_bytes(self._left)
            return False
        return True

    def value(self) -> Iterator[bytes] | None:
        """The next value of the row in pieces, to be taken before the one after it; None for NULL."""
        first = self._first if self._first is not None else self._take(1)[0]
        self._first = None
        if first == _NULL:
            return None
        length = first
        if first > _NULL:
            length = int.from_bytes(self._take({_TWO: 2, _THREE: 3, _EIGHT: 8}[first]), "little")
        return self._pieces(length)

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._left:
                self._next_packet()
            piece: bytes = self._driver._read_bytes(min(size, self._left, BATCH_BYTES))
            self._left -= len(piece)
            size -= len(piece)
            yield piece

    def _take(self, size: int) -> bytes:
        return b"".join(self._pieces(size))

    def _next_packet(self) -> None:
        if self._left:
            raise OperationalError(2027, "Malformed packet")
        self._left = int.from_bytes(self._driver._read_bytes(4)[:3], "little")

    def _lost(self, why: object) -> OperationalError:
        self._driver._force_close()
        return OperationalError(2013, f"Lost connection to MySQL server during query ({why})")
