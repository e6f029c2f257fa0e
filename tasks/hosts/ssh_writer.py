"""A host changed over SSH: each method is one journalled write."""

import hashlib
import os
import posixpath
from collections.abc import Collection, Iterable, Sequence

from core.access import Journal
from core.errors import ApplyFailed, Unreadable
from tasks.hosts.connection import SILENCE_S, Connection
from tasks.hosts.ports import ServiceAction
from tasks.hosts.ssh_reader import SshReader, sysctl_path

PACKAGES_S = 1800.0
COPY_S = 3600.0

# A connection that breaks ends the input early: the hash keeps half a file from getting its name.
_PUT = """set -e; umask 077
cat >"$1"
[ "$(sha256sum <"$1")" = "$3  -" ] || { echo "the content did not arrive whole" >&2; exit 1; }
chown -- "$4" "$1"; chmod -- "$5" "$1"
[ -z "$6" ] || touch -d "@$6" -- "$1"
if [ -d "$2" ] && [ ! -L "$2" ]; then rm -rf -- "$2"; fi
mv -fT -- "$1" "$2" """
_LINK = 'set -e; rm -f -- "$1"; ln -s -- "$3" "$1"; mv -fT -- "$1" "$2"'
_COPY = 'set -e; rm -rf -- "$1"; cp -a --reflink=auto -T -- "$3" "$1"; rm -rf -- "$2"; mv -T -- "$1" "$2"'
_SYSCTL = 'printf "%s\\n" "$2" >"$1"'
_RMDIR = '[ ! -d "$1" ] || rmdir --ignore-fail-on-non-empty -- "$1"'
# A daemon started underneath keeps our output open for as long as it lives: it gets a file instead.
_DETACHED = """out=$(mktemp) || exit 1
"$@" >"$out" 2>&1 </dev/null; status=$?
cat "$out" >&2; rm -f "$out"; exit $status"""
# Scripts of packages live on when dpkg is killed above them, and hold debconf's lock.
_ORPHANS = """own='/var/lib/dpkg/info/.*[.](pre|post)(inst|rm)( |$)'; left=120
while [ "$left" -gt 0 ]; do
    busy=
    for words in /proc/[0-9]*/cmdline; do
        tr '\\0' ' ' <"$words" 2>/dev/null | grep -Eq "$own" && busy=yes
    done
    [ -n "$busy" ] || exit 0
    sleep 1; left=$((left - 1))
done
echo "a package's script of an earlier installation still runs after two minutes" >&2; exit 1"""
_APT = ("apt-get", "--quiet", "--yes", "-o", "DPkg::Lock::Timeout=120")
_MAYBE_LATER = (
    "Could not get lock",
    "Temporary failure",
    "Could not resolve",
    "Could not connect",
    "timed out",
)


class SshWriter:
    """HostWriter over SSH."""

    def __init__(self, connection: Connection, journal: Journal) -> None:
        self._connection = connection
        self._journal = journal
        self._look = SshReader(connection)

    def close(self) -> None:
        self._connection.close()

    def put_file(
        self, path: str, content: bytes, *, mode: str, owner: str, group: str, mtime_s: int | None = None
    ) -> None:
        digest = hashlib.sha256(content).hexdigest()
        time = "" if mtime_s is None else str(mtime_s)
        arguments = [_beside(path), path, digest, f"{owner}:{group}", mode, time]
        self._write(f"put {path}", ["sh", "-c", _PUT, "sh", *arguments], content)

    def link(self, path: str, target: str) -> None:
        self._write(f"link {path} -> {target}", ["sh", "-c", _LINK, "sh", _beside(path), path, target])

    def make_dir(self, path: str) -> None:
        self._write(f"make folder {path}", ["mkdir", "-p", "--", path])

    def remove(self, paths: Sequence[str], what: str) -> None:
        names = os.fsencode("".join(f"{path}\0" for path in paths))
        self._write(f"remove {what}", ["xargs", "-0", "-r", "rm", "-rf", "--"], names, COPY_S)

    def remove_empty_dir(self, path: str) -> None:
        self._write(f"remove folder {path} if empty", ["sh", "-c", _RMDIR, "sh", path])

    def copy(self, path: str, to: str) -> None:
        self._write(
            f"copy {path} to {to}", ["sh", "-c", _COPY, "sh", _beside(to), to, path], silence_s=COPY_S
        )

    def unpack(self, path: str, chunks: Iterable[bytes], what: str) -> None:
        folder = posixpath.dirname(path)
        argv = ["tar", "--extract", "--file=-", "--preserve-permissions", "--same-owner"]
        self._write(
            f"unpack {what}", [*argv, "--delay-directory-restore", f"--directory={folder}"], chunks, COPY_S
        )

    def set_sysctl(self, key: str, value: str) -> None:
        self._write(f"sysctl {key} = {value}", ["sh", "-c", _SYSCTL, "sh", sysctl_path(key), value])

    def refresh_packages(self) -> None:
        self._run(["sh", "-c", _ORPHANS], silence_s=PACKAGES_S)
        self._write("refresh package lists", _detached("dpkg", "--configure", "-a"), silence_s=PACKAGES_S)
        self._run([*_APT, "update"], silence_s=PACKAGES_S)

    def install_packages(self, names: Collection[str]) -> None:
        options = ["--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "install", "--"]
        names = sorted(names)
        self._write(f"install {', '.join(names)}", _detached(*_APT, *options, *names), silence_s=PACKAGES_S)

    def remove_packages(self, names: Collection[str]) -> None:
        names = sorted(names)
        self._write(
            f"remove {', '.join(names)}", _detached(*_APT, "purge", "--", *names), silence_s=PACKAGES_S
        )

    def add_group(self, name: str) -> None:
        self._write(f"add group {name}", ["groupadd", "--", name])

    def remove_group(self, name: str) -> None:
        self._write(f"remove group {name}", ["groupdel", "--", name])

    def add_account(self, name: str, uid: int | None, shell: str) -> None:
        argv = ["useradd", "--create-home", "--shell", shell]
        argv += ["--uid", str(uid)] if uid is not None else []
        argv += ["--gid", name] if self._look.group_exists(name) else ["--user-group"]
        self._write(f"add account {name}", [*argv, "--", name])

    def change_account(self, name: str, groups: Sequence[str], shell: str) -> None:
        argv = ["usermod", "--groups", ",".join(groups), "--shell", shell, "--", name]
        self._write(f"account {name}: groups {','.join(groups) or '-'}, shell {shell}", argv)

    def remove_account(self, name: str) -> None:
        self._write(f"remove account {name}", ["userdel", "--remove", "--", name])

    def service(self, name: str, action: ServiceAction) -> None:
        if self._look.has_systemd():
            argv = ["systemctl", action, "--", f"{name}.service"]
        elif action in ("enable", "disable"):
            argv = ["update-rc.d", name, action]
        else:
            argv = ["service", name, action]
        self._write(f"{action} service {name}", _detached(*argv))

    def check_configuration(self, argv: Sequence[str]) -> None:
        self._write(f"test configuration: {' '.join(argv)}", argv)

    def _write(
        self,
        what: str,
        argv: Sequence[str],
        stdin: bytes | Iterable[bytes] = b"",
        silence_s: float = SILENCE_S,
    ) -> None:
        self._journal(f"{self._connection.address}: {what}")
        self._run(argv, stdin, silence_s, what)

    def _run(
        self,
        argv: Sequence[str],
        stdin: bytes | Iterable[bytes] = b"",
        silence_s: float = SILENCE_S,
        what: str = "refresh package lists",
    ) -> None:
        address = self._connection.address
        try:
            output = self._connection.run(argv, stdin, silence_s)
        except Unreadable as error:
            raise ApplyFailed(
                f"{address}: {what}: {error.detail}",
                why="It may be done wholly, partly or not at all; running again finds out and goes on.",
                transient=error.transient,
            ) from error
        if output.status == 0:
            return
        full = "No space left on device" in output.stderr or "Disk quota exceeded" in output.stderr
        raise ApplyFailed(
            f"{address}: {what}: exit status {output.status}: {output.complaint}",
            why="The disk is full; what was there before is still there." if full else "The host refused it.",
            next_command=f"ssh {address.partition(':')[0]} df -h" if full else "",
            transient=any(text in output.stderr for text in _MAYBE_LATER),
        )


def _detached(*argv: str) -> list[str]:
    return ["sh", "-c", _DETACHED, "sh", *argv]


def _beside(path: str) -> str:
    """The unfinished file: hidden, so that no server reads it as configuration, and the same every time."""
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f".{name[:200]}.qianyun-unfinished")
