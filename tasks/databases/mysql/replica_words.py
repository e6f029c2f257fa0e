"""What the two kinds of servers are told about a replication of their own."""

from dataclasses import dataclass

from tasks.databases.model import Origin
from tasks.databases.mysql.binlog import Position, parsed
from tasks.databases.mysql.quoting import name, text
from tasks.databases.mysql.replica_status import wildcard

_RETRY_S = 2


@dataclass(frozen=True)
class MariadbWords:
    """By name, with transactions as the server itself remembers them: a crash loses and repeats none.

    Source: MariaDB Knowledge Base, "CHANGE MASTER TO", "Global Transaction ID".
    """

    connection: str

    def change(self, origin: Origin, at: str) -> str:
        """`at` says nothing here: where it begins is gtid_slave_pos, a setting of the whole server."""
        parts = (
            f"MASTER_HOST = {text(origin.host)}, MASTER_PORT = {origin.port},"
            f" MASTER_USER = {text(origin.user)}",
            f"MASTER_PASSWORD = {text(origin.password.resolve().reveal())}",
            f"MASTER_CONNECT_RETRY = {_RETRY_S}, MASTER_USE_GTID = slave_pos",
            f"MASTER_SSL = {int(origin.tls)}, MASTER_SSL_VERIFY_SERVER_CERT = {int(bool(origin.ca))}",
            f"MASTER_SSL_CA = {text(origin.ca)}",
        )
        return f"CHANGE MASTER {text(self.connection)} TO {', '.join(parts)}"

    def filter(self, schema: str) -> str:
        return f"SET GLOBAL {name(self.connection)}.replicate_wild_do_table = {text(wildcard(schema))}"

    @property
    def start(self) -> str:
        return f"START SLAVE {text(self.connection)}"

    @property
    def stop(self) -> str:
        return f"STOP SLAVE {text(self.connection)}"

    @property
    def reset(self) -> str:
        return f"RESET SLAVE {text(self.connection)} ALL"

    def wait(self, position: Position, seconds: int) -> str:
        place = f"{text(position.file)}, {position.offset}, {seconds}, {text(self.connection)}"
        return f"SELECT MASTER_POS_WAIT({place})"

    def wait_for(self, place: str, seconds: int) -> str:
        """`place` as replication_place gives it."""
        return f"SELECT MASTER_GTID_WAIT({text(place)}, {seconds})"


@dataclass(frozen=True)
class MysqlWords:
    """By channel, from a file and an offset, which the server keeps beside the rows.

    Source: MySQL 8.4 Reference Manual, "CHANGE REPLICATION SOURCE TO", "Replication Channels".
    """

    connection: str

    def change(self, origin: Origin, at: str) -> str:
        place = parsed(at)
        parts = (
            f"SOURCE_HOST = {text(origin.host)}, SOURCE_PORT = {origin.port},"
            f" SOURCE_USER = {text(origin.user)}",
            f"SOURCE_PASSWORD = {text(origin.password.resolve().reveal())}",
            # Whoever names the host and no place begins with the first event of all.
            f"SOURCE_LOG_FILE = {text(place.file)}, SOURCE_LOG_POS = {place.offset}",
            "SOURCE_AUTO_POSITION = 0",
            f"SOURCE_CONNECT_RETRY = {_RETRY_S}, GET_SOURCE_PUBLIC_KEY = {int(not origin.tls)}",
            f"SOURCE_SSL = {int(origin.tls)}, SOURCE_SSL_VERIFY_SERVER_CERT = {int(bool(origin.ca))}",
            f"SOURCE_SSL_CA = {text(origin.ca)}",
        )
        return f"CHANGE REPLICATION SOURCE TO {', '.join(parts)} {self._channel}"

    def filter(self, schema: str) -> str:
        wanted = text(wildcard(schema))
        return f"CHANGE REPLICATION FILTER REPLICATE_WILD_DO_TABLE = ({wanted}) {self._channel}"

    @property
    def start(self) -> str:
        return f"START REPLICA {self._channel}"

    @property
    def stop(self) -> str:
        return f"STOP REPLICA {self._channel}"

    @property
    def reset(self) -> str:
        return f"RESET REPLICA ALL {self._channel}"

    def wait(self, position: Position, seconds: int) -> str:
        place = f"{text(position.file)}, {position.offset}, {seconds}, {text(self.connection)}"
        return f"SELECT SOURCE_POS_WAIT({place})"

    def wait_for(self, place: str, seconds: int) -> str:
        return self.wait(parsed(place), seconds)

    @property
    def _channel(self) -> str:
        return f"FOR CHANNEL {text(self.connection)}"


Words = MariadbWords | MysqlWords
