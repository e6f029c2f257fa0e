"""Commands on a host over SSH: bounded in time, streamed, quoted in one place."""

import os
import shlex
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import paramiko

from core.errors import Unreadable

CHUNK = 256 * 1024
OPEN_S = 15.0
SILENCE_S = 120.0
"""A command that says nothing for so long is given up; long silent work names its own time."""

_ENVIRONMENT = (
    "env",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)
# apt makes and removes a file in $TMPDIR even when it only looks: in memory, so the disk stays as it was.
LOOKING = "TMPDIR=/dev/shm"
_SAID_MAX = 64 * 1024


@dataclass(frozen=True)
class Output:
    """How a command ended and what it said."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return os.fsdecode(self.stdout)

    @property
    def complaint(self) -> str:
        """The end of what it said on stderr, for people."""
        return " / ".join(line.strip() for line in self.stderr.strip().splitlines()[-4:]) or "no message"


class Connection:
    """An authenticated SSH connection; commands run as root, by sudo -n where the account is another."""

    def __init__(
        self, client: paramiko.SSHClient, address: str, *, sudo: bool, settings: tuple[str, ...] = ()
    ) -> None:
        self.address = address
        self._client = client
        environment = (*_ENVIRONMENT, *settings)
        self._prefix = ("sudo", "-n", "--", *environment) if sudo else environment

    def run(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", silence_s: float = SILENCE_S
    ) -> Output:
        """Run to its end.

        Raises: errors.Unreadable (transient) where the connection breaks or nothing comes for `silence_s`.
        """
        command = self.start(argv, stdin, silence_s)
        stdout = b"".join(command)
        return Output(command.status, stdout, command.stderr)

    def start(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", silence_s: float = SILENCE_S
    ) -> "Command":
        """Start a command whose output is iterated over."""
        transport = self._client.get_transport()
        try:
            if transport is None:
                raise EOFError
            channel = transport.open_session(timeout=OPEN_S)
            channel.settimeout(silence_s)
            # Bytes, because file names on Linux need not be UTF-8.
            channel.exec_command(os.fsencode(shlex.join([*self._prefix, *argv])))
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise broken(self.address, argv[0], error) from error
        return Command(channel, self.address, argv[0], stdin, silence_s)

    def close(self) -> None:
        self._client.close()


@dataclass
class Command:
    """A command under way: iterate for its output, then ask for status and stderr."""

    channel: paramiko.Channel
    address: str
    name: str
    stdin: bytes | Iterable[bytes]
    silence_s: float
    status: int = -1
    _said: bytearray = field(default_factory=bytearray)
    _failure: BaseException | None = None

    @property
    def stderr(self) -> str:
        return self._said.decode(errors="replace")

    def __iter__(self) -> Iterator[bytes]:
        # Feeding and draining stderr have their own threads: either may otherwise fill the SSH window
        # while we wait for output, and all three sides would wait for ever.
        threads = [threading.Thread(target=target, daemon=True) for target in (self._feed, self._drain)]
        for thread in threads:
            thread.start()
        try:
            while chunk := self.channel.recv(CHUNK):
                yield chunk
            for thread in threads:
                thread.join(self.silence_s)
            if not self.channel.status_event.wait(self.silence_s) or self.channel.exit_status < 0:
                raise EOFError("the connection ended before the command")
            self.status = self.channel.exit_status
        except (TimeoutError, paramiko.SSHException, OSError, EOFError) as error:
            raise broken(self.address, self.name, error) from error
        finally:
            self.channel.close()
        if self._failure is not None:
            raise self._failure

    def _feed(self) -> None:
        chunks = [self.stdin] if isinstance(self.stdin, bytes) else self.stdin
        try:
            for chunk in chunks:
                self.channel.sendall(chunk)
            self.channel.shutdown_write()
        except OSError:
            # It ended before it read everything: its exit status tells.
            return
        except BaseException as failure:  # noqa: BLE001 - handed to the reading thread, which raises it
            # No shutdown_write: closing cuts the command off, so that it does not take half for all.
            self._failure = failure
            self.channel.close()

    def _drain(self) -> None:
        try:
            while said := self.channel.recv_stderr(CHUNK):
                self._said += said
                del self._said[:-_SAID_MAX]
        except (TimeoutError, OSError):
            return


def broken(address: str, what: str, error: BaseException) -> Unreadable:
    """The error for a connection that failed under a command."""
    silent = isinstance(error, (TimeoutError, socket.timeout))
    reason = "no answer in time" if silent else f"{error or type(error).__name__}"
    return Unreadable(
        f"{address}: {what}: {reason}",
        why="The connection was lost or the host is overloaded; nothing may be concluded from it.",
        next_command=f"ssh {address.partition(':')[0]} true",
        transient=True,
    )
