"""What the SSH reader makes of a host's answers: there, not there, or impossible to tell."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from core.errors import Unreadable
from core.facts import ABSENT, Known
from tasks.hosts.connection import Output
from tasks.hosts.ports import Service
from tasks.hosts.ssh_reader import SshReader


class Scripted:
    """A connection whose commands answer as told, by the beginning of their words; others are missing."""

    address = "root@web-1"

    def __init__(self, answers: dict[str, tuple[int, str, str]]) -> None:
        self._answers = answers

    def run(self, argv: Sequence[str], stdin: Any = b"", silence_s: float = 0) -> Output:
        line = " ".join(argv)
        for start, (status, stdout, stderr) in self._answers.items():
            if line.startswith(start):
                return Output(status, stdout.replace("|", "\0").encode(), stderr)
        return Output(127, b"", f"env: '{argv[0]}': No such file or directory")

    def close(self) -> None:
        return None


LINK = "l|777|root|root|1|1.0|/usr/share/zoneinfo/Asia/Shanghai||"
COPY = "f|644|root|root|1|1.0|||"
FOLDER = "d|755|root|root|1|1.0|||"
NO_FILE = (1, "", "x: No such file or directory")
DENIED = (1, "", "find: '/srv': Permission denied")
SYSV = {"find /run/systemd": NO_FILE, "find /etc/init.d": (0, COPY, ""), "find /etc/rc2.d": (0, "", "")}
SYSTEMD = {"find /run/systemd": (0, FOLDER, "")}

KNOWN: list[tuple[str, dict[str, tuple[int, str, str]], Callable[[SshReader], Any], Any]] = [
    ("zone", {"find /etc/localtime": (0, LINK, "")}, lambda r: r.timezone(), Known("Asia/Shanghai")),
    ("no zone", {"find /etc/localtime": NO_FILE}, lambda r: r.timezone(), ABSENT),
    ("no file", {"find /srv": NO_FILE}, lambda r: r.file("/srv"), ABSENT),
    ("no account", {"getent": (2, "", "")}, lambda r: r.account("x"), ABSENT),
    (
        "sysv, stopped",
        {**SYSV, "service": (3, "", "")},
        lambda r: r.service("nginx"),
        Known(Service("nginx", False, False)),
    ),
    ("sysv, script without program", {**SYSV, "service": (4, "", "")}, lambda r: r.service("x"), ABSENT),
    (
        "systemd",
        {**SYSTEMD, "systemctl": (0, "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n", "")},
        lambda r: r.service("nginx"),
        Known(Service("nginx", True, True)),
    ),
    (
        "systemd, unknown",
        {**SYSTEMD, "systemctl": (0, "LoadState=not-found\nActiveState=inactive\nUnitFileState=\n", "")},
        lambda r: r.service("nginx"),
        ABSENT,
    ),
]


@pytest.mark.parametrize(("answers", "ask", "wanted"), [c[1:] for c in KNOWN], ids=[c[0] for c in KNOWN])
def test_it_can_tell(answers: Any, ask: Callable[[SshReader], Any], wanted: Any) -> None:
    assert ask(SshReader(Scripted(answers))) == wanted  # type: ignore[arg-type]


UNREADABLE: list[tuple[str, dict[str, tuple[int, str, str]], Callable[[SshReader], Any], bool]] = [
    ("copied zone", {"find /etc/localtime": (0, COPY, "")}, lambda r: r.timezone(), False),
    ("denied file", {"find": DENIED}, lambda r: r.file("/srv"), False),
    ("denied tree", {"find": DENIED}, lambda r: r.tree("/srv"), False),
    ("half a tree", {"find": (1, FOLDER, DENIED[2])}, lambda r: r.tree("/srv"), False),
    (
        "an entry that vanished meanwhile",
        {"find": (1, FOLDER, "find: '/srv/x': No such file or directory")},
        lambda r: r.tree("/srv"),
        True,
    ),
    ("denied content", {"cat": (1, "", "cat: /x: Permission denied")}, lambda r: r.read_file("/x"), False),
    ("broken directory service", {"getent": (1, "", "")}, lambda r: r.account("x"), False),
    ("sudo that asks", {"getent": (1, "", "sudo: a password is required")}, lambda r: r.account("x"), False),
    ("broken init script", {**SYSV, "service": (126, "", "")}, lambda r: r.service("x"), False),
    ("no dpkg", {}, lambda r: r.packages(), False),
    ("no find", {}, lambda r: r.file("/srv"), False),
]


@pytest.mark.parametrize(
    ("answers", "ask", "transient"), [c[1:] for c in UNREADABLE], ids=[c[0] for c in UNREADABLE]
)
def test_it_cannot_tell_and_says_so(answers: Any, ask: Callable[[SshReader], Any], transient: bool) -> None:
    with pytest.raises(Unreadable) as caught:
        ask(SshReader(Scripted(answers)))  # type: ignore[arg-type]
    assert caught.value.transient is transient
