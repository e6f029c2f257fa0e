"""SSH endpoints: connecting with a known host key, or not at all."""

import base64
import hashlib
import io
import logging
import re
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path

import paramiko

from core.access import Endpoint, Journal
from core.errors import Refused, Unreadable
from inventory.secrets import SecretSource
from inventory.sources import Ssh
from tasks.hosts.connection import LOOKING, Connection
from tasks.hosts.ports import HostReader, HostWriter
from tasks.hosts.ssh_reader import SshReader
from tasks.hosts.ssh_writer import SshWriter

CONNECT_S = 10.0
BANNER_S = 15.0
KEEPALIVE_S = 15
DEAD_S = 60
"""How long what we sent may stay unacknowledged before the connection counts as lost."""
_LOST = re.compile("timeout|transport shut down")
"""The network went away in the middle of authentication; paramiko has no class of its own for that."""
_KEY_TYPES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)

# paramiko logs a traceback for every failed connection; our errors say the same in words.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class SshHost(Endpoint[HostReader, HostWriter]):
    """A host reached by SSH with a private key; its own key must stand in `known_hosts`."""

    host: str
    port: int
    user: str
    key: SecretSource
    known_hosts: Path

    @property
    def address(self) -> str:
        return f"{self.user}@{self.host}" + (f":{self.port}" if self.port != 22 else "")

    def open_reader(self) -> HostReader:
        return SshReader(self.connect(LOOKING))

    def open_writer(self, journal: Journal) -> HostWriter:
        return SshWriter(self.connect(), journal)

    def connect(self, *settings: str) -> Connection:
        """Connect and authenticate; `settings` are NAME=value for the environment of every command.

        Raises: errors.Refused for an unknown or changed host key, errors.Unreadable for all else
        (transient where the network or the server may be better in a moment).
        """
        key = _private_key(self.key)
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(_RefuseUnknown(self))
        try:
            client.load_host_keys(str(self.known_hosts))
            client.connect(
                self.host,
                self.port,
                self.user,
                pkey=key,
                timeout=CONNECT_S,
                banner_timeout=BANNER_S,
                auth_timeout=BANNER_S,
                channel_timeout=BANNER_S,
                allow_agent=False,
                look_for_keys=False,
            )
        except Refused:
            client.close()
            raise
        except paramiko.BadHostKeyException as error:
            client.close()
            raise _changed_key(self, error) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            client.close()
            raise _cannot_connect(self, error) from error
        transport = client.get_transport()
        assert transport is not None
        transport.set_keepalive(KEEPALIVE_S)
        assert isinstance(transport.sock, socket.socket)
        # Every command is a few small packets: with Nagle's algorithm each waits 40 ms for an ACK.
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Else a cut cable goes unnoticed for a quarter of an hour. Source: tcp(7).
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_S * 1000)
        return Connection(client, self.address, sudo=self.user != "root", settings=settings)


def ssh_host(ssh: Ssh, folder: Path) -> SshHost:
    """The endpoint of a host as the inventory describes it; `folder` is the project's."""
    return SshHost(ssh.address, ssh.port, ssh.user, SecretSource(ssh.key, folder), folder / ssh.known_hosts)


def fingerprint(key: paramiko.PKey) -> str:
    """As ssh-keygen -l prints it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({key.get_name()})"


class _RefuseUnknown(paramiko.MissingHostKeyPolicy):
    def __init__(self, host: SshHost) -> None:
        self._host = host

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        host = self._host
        file = shlex.quote(str(host.known_hosts))
        raise Refused(
            f"{host.address}: its host key {fingerprint(key)} is not in {host.known_hosts}",
            why="Whoever answers could be anyone. Compare the fingerprint with the owner's, then add it.",
            next_command=f"ssh-keyscan -p {host.port} {shlex.quote(host.host)} >> {file}",
        )


def _changed_key(host: SshHost, error: paramiko.BadHostKeyException) -> Refused:
    name = host.host if host.port == 22 else f"[{host.host}]:{host.port}"
    return Refused(
        f"{host.address}: the host key changed: known {fingerprint(error.expected_key)}, "
        f"offered {fingerprint(error.key)}",
        why="Somebody may stand between, or the host was rebuilt. Ask its owner before you drop the old.",
        next_command=f"ssh-keygen -R {shlex.quote(name)} -f {shlex.quote(str(host.known_hosts))}",
    )


def _cannot_connect(host: SshHost, error: BaseException) -> Unreadable:
    known = shlex.quote(str(host.known_hosts))
    login = f"ssh -o UserKnownHostsFile={known} -p {host.port} {host.user}@{host.host} true"
    if isinstance(error, OSError) and error.filename is not None:
        return Unreadable(
            f"{host.known_hosts}: {error.strerror}",
            why="Without the known host keys nobody can tell whether the right host answers.",
            next_command=f"ssh-keyscan -p {host.port} {shlex.quote(host.host)} >> {known}",
        )
    if isinstance(error, paramiko.AuthenticationException) and not _LOST.search(str(error)):
        return Unreadable(
            f"{host.address}: the host does not let us in with the key {host.key}",
            why="The public key is not among the account's authorized_keys, or the account may not log in.",
            next_command=login,
        )
    if isinstance(error, socket.gaierror):
        return Unreadable(
            f"{host.address}: the name cannot be resolved ({error.strerror})",
            why="The name server does not know it, or is not reachable from here.",
            next_command=f"getent hosts {shlex.quote(host.host)}",
            transient=error.errno == socket.EAI_AGAIN,
        )
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return Unreadable(
        f"{host.address}: cannot connect: {reason}",
        why="The host is down, or a network on the way does not let SSH through.",
        next_command=login,
        transient=True,
    )


def _private_key(source: SecretSource) -> paramiko.PKey:
    text = source.resolve().reveal() + "\n"
    for kind in _KEY_TYPES:
        try:
            return kind.from_private_key(io.StringIO(text))
        except paramiko.PasswordRequiredException:
            raise Unreadable(
                f"secret {source}: the private key is locked by a pass phrase",
                why="Nobody is there to type it during a run.",
                next_command="ssh-keygen -p -f FILE",
            ) from None
        except (paramiko.SSHException, ValueError, IndexError):
            # Of another type; `from None` below, because the library's text may quote the key.
            continue
    raise Unreadable(
        f"secret {source} is no private key of type Ed25519, ECDSA or RSA",
        why="The text must be the whole file, its BEGIN and END lines included.",
        next_command="ssh-keygen -t ed25519",
    ) from None
