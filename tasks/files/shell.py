"""What rclone cannot see or set over SFTP, done by GNU tools on the host itself."""

import base64
import hashlib
import hmac
import os
import posixpath
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from core.errors import ApplyFailed, Refused, Unreadable
from tasks.files.listing import Entry, Kind, Listing
from tasks.files.rclone import Remote
from tasks.hosts.connection import SILENCE_S, Connection, Output
from tasks.hosts.endpoint import SshHost
from tasks.hosts.probes import Probe, require_probe

HASHING_S = 6 * 3600.0
"""A checksum program is silent while it reads one large file."""

_FORMAT = "\\0".join(("%y", "%s", "%T@", "%C@", "%m", "%u", "%g", "%U", "%G", "%n", "%i", "%P", "%l")) + "\\0"
_COLUMNS = 13
_KINDS: dict[str, Kind] = {"f": "file", "d": "folder", "l": "link"}
_SUMS = tuple(
    Probe(("xargs", "-0", "-r", tool, "-z", "--"), operands=False) for tool in ("md5sum", "sha256sum")
)
_NO_SUCH = "No such file or directory"
_SFTP_SERVER = "/usr/lib/openssh/sftp-server"


class LookingShell:
    """Runs commands known to change nothing, and refuses all others."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.address = connection.address

    def run(self, argv: list[str], stdin: bytes = b"", silence_s: float = SILENCE_S) -> Output:
        """Run a probe, whatever its exit status. Raises: errors.Refused, errors.Unreadable."""
        if not any(probe.admits(argv) for probe in _SUMS):
            require_probe(argv)
        return self._connection.run(argv, stdin, silence_s)

    def listing(self, path: str) -> Listing | None:
        """Every entry below a folder, or None where it is not there. Raises: errors.Unreadable."""
        # With the slash find looks into a folder that is named by a link.
        output = self.run(["find", f"{path.rstrip('/')}/", "-printf", _FORMAT], silence_s=HASHING_S)
        if output.status and not output.stdout and output.stderr.strip().endswith(_NO_SUCH):
            return None
        if output.status:
            raise Unreadable(
                f"{self.address}:{path}: {output.complaint}",
                why="Not every entry could be read; where one vanished meanwhile, looking again helps.",
                transient=_NO_SUCH in output.stderr,
            )
        return Listing(dict(_entries(output.text)))

    def checksums(self, path: str, names: Iterable[str], algorithm: str) -> dict[str, str]:
        stdin = paths(path, names)
        output = self.run(["xargs", "-0", "-r", f"{algorithm}sum", "-z", "--"], stdin, HASHING_S)
        # A file that cannot be read leaves its line out, and counts as not compared.
        found = (line.split("  ", 1) for line in output.text.split("\0") if "  " in line)
        return {name[len(path.rstrip("/")) + 1 :]: checksum for checksum, name in found}

    def now(self) -> float:
        """By the host's own clock, in whole seconds. Raises: errors.Unreadable."""
        output = self.run(["date", "+%s"])
        if output.status or not output.text.strip().isdigit():
            raise Unreadable(f"{self.address}: date: {output.complaint}", why="Its clock was not told.")
        return float(output.text)

    def free_bytes(self, path: str) -> int | None:
        output = self.run(["df", "-B1", "--output=avail,target"])
        best, free = "", None
        for line in output.text.splitlines()[1:]:
            room, _, mount = line.strip().partition(" ")
            mount = mount.strip()
            if room.isdigit() and len(mount) > len(best) and f"{path}/".startswith(f"{mount.rstrip('/')}/"):
                best, free = mount, int(room)
        return free

    def known(self, database: str, names: Collection[str]) -> set[str]:
        """Which of these users ("passwd") or groups ("group") the host knows."""
        if not names:
            return set()
        output = self.run(["getent", database, "--", *sorted(names)])
        return {line.partition(":")[0] for line in output.text.splitlines()}

    def missing_parents(self, path: str) -> list[str]:
        """The folders above `path` that are not there, topmost first."""
        missing: list[str] = []
        parent = posixpath.dirname(path.rstrip("/"))
        while parent != "/":
            output = self.run(["find", parent, "-maxdepth", "0", "-printf", "%y"])
            if not output.status:
                break
            missing.append(parent)
            parent = posixpath.dirname(parent)
        return missing[::-1]


def _entries(text: str) -> Iterator[tuple[str, Entry]]:
    fields = text.split("\0")
    for start in range(0, len(fields) - _COLUMNS, _COLUMNS):
        kind, size, modified, changed, mode, owner, group, uid, gid, links, inode, name, target = fields[
            start : start + _COLUMNS
        ]
        yield (
            name,
            Entry(
                kind=_KINDS.get(kind, "special"),
                size=int(size) if kind == "f" else 0,
                modified_at=float(modified),
                changed_at=float(changed),
                mode=mode,
                owner=owner,
                group=group,
                uid=int(uid),
                gid=int(gid),
                target=target,
                links=int(links),
                inode=int(inode),
            ),
        )


def paths(root: str, names: Iterable[str]) -> bytes:
    """Full paths, each ended by a NUL, for xargs -0."""
    return os.fsencode("".join(f"{root.rstrip('/')}/{name}\0" for name in names))


def write(
    connection: Connection,
    what: str,
    argv: list[str],
    stdin: bytes | Iterable[bytes],
    silence_s: float = HASHING_S,
) -> None:
    """Run one write that must succeed. Raises: errors.ApplyFailed."""
    try:
        output = connection.run(argv, stdin, silence_s)
    except Unreadable as error:
        raise ApplyFailed(
            f"{connection.address}: {what}: {error.detail}",
            why="It may be done wholly, partly or not at all; running again finds out and goes on.",
            transient=error.transient,
        ) from error
    if output.status:
        raise ApplyFailed(
            f"{connection.address}: {what}: exit status {output.status}: {output.complaint}",
            why="Running again does what is left.",
        )


def sftp_remote(name: str, host: SshHost, path: str) -> Remote:
    """The same host and folder for rclone, its host key pinned by the same known_hosts file.

    Checksums are switched off: rclone starts a shell per file for them. Every file is compared by
    content afterwards, with one command per host.

    Raises: errors.Unreadable, errors.Refused
    """
    key = host.key.resolve().reveal().rstrip("\n") + "\n"
    settings = {
        "type": "sftp",
        "host": host.host,
        "port": str(host.port),
        "user": host.user,
        "key_pem": key.replace("\r", "").replace("\n", "\\n"),
        "known_hosts_file": str(host.known_hosts),
        "host_key_algorithms": " ".join(_algorithms(host)),
        "encoding": "Raw",
        "skip_links": "true",
        "shell_type": "none",
        "disable_hashcheck": "true",
    }
    if host.user != "root":
        settings["server_command"] = f"sudo -n {_SFTP_SERVER}"
    return Remote(name, path, f"{host.address}:{path}", settings)


def _algorithms(host: SshHost) -> list[str]:
    """The kinds of host key that known_hosts has for this host: rclone would negotiate another one.

    Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
    """
    name = host.host if host.port == 22 else f"[{host.host}]:{host.port}"
    kinds: list[str] = []
    for line in Path(host.known_hosts).read_text(errors="replace").splitlines():
        fields = line.split()
        if len(fields) >= 3 and not line.startswith(("#", "@")) and _names(fields[0], name):
            kinds += ["rsa-sha2-512", "rsa-sha2-256"] if fields[1] == "ssh-rsa" else [fields[1]]
    if not kinds:
        raise Refused(
            f"{host.address}: its host key is not in {host.known_hosts}",
            why="Whoever answers could be anyone.",
            next_command=f"ssh-keyscan -p {host.port} {host.host}",
        )
    return list(dict.fromkeys(kinds))


def _names(field: str, name: str) -> bool:
    if not field.startswith("|1|"):
        return name in field.split(",")
    salt, digest = (base64.b64decode(part) for part in field.split("|")[2:4])
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
