"""The only commands a host's reader may run; everything else is refused before it leaves this machine.

One place, a list of what is allowed: a command or option nobody thought of is refused.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import Refused

ANY = "\0any"
"""Stands for one argument that is no option."""


@dataclass(frozen=True)
class Probe:
    """A command that only looks: how it begins, and which options may follow ("--x=" takes any value)."""

    begins: tuple[str, ...]
    options: frozenset[str] = frozenset()
    operands: bool = True

    def admits(self, argv: Sequence[str]) -> bool:
        if len(argv) < len(self.begins) or not all(map(_fits, self.begins, argv)):
            return False
        after_dashes = self.begins[-1] == "--"
        for argument in argv[len(self.begins) :]:
            if not after_dashes and argument.startswith("-"):
                if not any(_is_option(argument, option) for option in self.options):
                    return False
                after_dashes = argument == "--"
            elif not self.operands:
                return False
        return True


def _fits(pattern: str, argument: str) -> bool:
    return not argument.startswith("-") if pattern == ANY else pattern == argument


def _is_option(argument: str, option: str) -> bool:
    return argument.startswith(option) if option.endswith("=") else argument == option


# Left out on purpose: find's -exec, -delete and -fprint; tar's options that write, run or compress.
_FIND = frozenset({"-maxdepth", "-mindepth", "-type", "-name", "-executable", "-printf"})
_TAR = ("tar", "--create", "--file=-", "--format=posix", "--no-recursion", "--null", "--verbatim-files-from")
_TAR_OPTIONS = frozenset({"--directory=", "--owner=", "--group=", "--files-from=-"})
# With its caches switched off apt writes nothing at all; otherwise even a look refreshes pkgcache.bin.
APT_LOOKS = ("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=")
_LIST_UNITS = frozenset({"--type=service", "--all", "--plain", "--no-legend", "--no-pager", "--full"})

PROBES = (
    Probe(("cat", "--")),
    Probe(("find",), _FIND),
    Probe(("readlink", "--")),
    Probe(("sha256sum", "-z", "--")),
    Probe(("xargs", "-0", "-r", "sha256sum", "-z", "--"), operands=False),
    Probe(_TAR, _TAR_OPTIONS, operands=False),
    Probe(("uname", "-r"), operands=False),
    Probe(("nproc", "--all"), operands=False),
    Probe(("date", "+%s"), operands=False),
    Probe(("df",), frozenset({"-B1", "--output="}), operands=False),
    Probe(("ss",), frozenset({"-H", "-l", "-n", "-t", "-u", "-p"}), operands=False),
    Probe(("getent", "passwd", "--")),
    Probe(("getent", "group", "--")),
    Probe(("id", "-nG", "--")),
    Probe(("id", "-gn", "--")),
    Probe(("dpkg-query", "-W", "-f"), operands=True),
    Probe(("apt-cache", *APT_LOOKS, "policy", "--")),
    Probe(("apt-get", "--simulate", *APT_LOOKS, "--no-install-recommends", "install", "--")),
    Probe(("apt-get", "--simulate", *APT_LOOKS, "purge", "--")),
    Probe(("systemctl", "list-units"), _LIST_UNITS, operands=False),
    Probe(("systemctl", "list-unit-files"), _LIST_UNITS),
    Probe(("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", "--")),
    Probe(("service", ANY, "status"), operands=False),
    Probe(("service", "--status-all"), operands=False),
)


def require_probe(argv: Sequence[str]) -> None:
    """Refuse every command that is not known to leave the host as it is.

    Raises: errors.Refused
    """
    if not any(probe.admits(argv) for probe in PROBES):
        raise Refused(
            f"a reader wanted to run: {shlex.join(argv)}",
            why="Readers run only commands known to change nothing. This is a fault of Qianyun itself.",
        )
