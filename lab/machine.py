"""What the machine must have: Linux, root, overlay file systems, a few tools, a package mirror."""

import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run
from lab.errors import LabFailed, LabUnavailable

TOOLS = {
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "ssh-keygen": "openssh-client",
}
MODULES = ("moto", "flask", "aiosmtpd")
APT = Path("/etc/apt")


@dataclass(frozen=True)
class Mirror:
    """One package source of this machine."""

    url: str
    suite: str
    components: tuple[str, ...]

    def line(self) -> str:
        return f"deb {self.url} {self.suite} {' '.join(self.components)}"


def require_root() -> None:
    """Make sure that what is read here can be believed: only root sees other processes' marks.

    Raises: LabUnavailable, saying what is missing.
    """
    if platform.system() != "Linux":
        raise LabUnavailable(
            f"it needs Linux, this is {platform.system()}",
            why="Hosts are Linux namespaces. Any Debian or Ubuntu machine with root will do.",
        )
    if os.geteuid() != 0:
        raise LabUnavailable(
            f"it needs root, this is user {os.geteuid()}",
            why="Namespaces, overlay mounts and a bridge are made by root alone.",
            next_command="sudo make demo",
        )


def require(state: Path) -> None:
    """Make sure the estate can run here, installing missing Debian tools where apt is at hand.

    Raises: LabUnavailable, saying what is missing and what to type next.
    """
    require_root()
    if missing := [module for module in MODULES if not importlib.util.find_spec(module)]:
        raise LabUnavailable(
            f"the Python packages {', '.join(missing)} are not installed",
            why="They are the estate's cloud and mailbox.",
            next_command=f"{sys.executable} -m pip install -e '.[lab]'",
        )
    if missing := sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)}):
        install(missing)
    probe(state)


def install(packages: list[str]) -> None:
    """Install missing tools with apt. Raises: LabUnavailable without apt or network."""
    command = f"apt-get update && apt-get install -y {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise LabUnavailable(
            f"{', '.join(packages)} missing and there is no apt-get",
            why="The estate is built from Debian packages.",
            next_command="use a Debian or Ubuntu machine",
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", "-q", "update"], env=quiet, timeout_s=300)
        run(
            ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages], env=quiet, timeout_s=300
        )
    except LabFailed as error:
        raise LabUnavailable(
            f"{', '.join(packages)} could not be installed: {error.detail}", next_command=command
        ) from error


def probe(state: Path) -> None:
    """Try an overlay on the state directory inside new namespaces. Raises: LabUnavailable."""
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabUnavailable(
            f"{state} cannot be made: {error.strerror}",
            why="The instances' files lie there.",
            next_command="QIANYUN_LAB_STATE=/path/on/ext4 make demo",
        ) from error
    spaces = ("--mount", "--net", "--pid", "--uts", "--ipc")
    script = 'cd "$1" && mkdir l u w m && mount -t overlay lab -o lowerdir=l,upperdir=u,workdir=w m'
    with tempfile.TemporaryDirectory(dir=state, prefix=".probe-") as place:
        try:
            run(["unshare", *spaces, "--fork", "--propagation", "private", "sh", "-c", script, "sh", place])
        except LabFailed as error:
            raise LabUnavailable(
                f"namespaces or overlay mounts are refused at {state}: {error.detail}",
                why="In a container it needs --privileged and a state directory that is no overlay itself.",
                next_command="QIANYUN_LAB_STATE=/path/on/ext4 make demo",
            ) from error


def codename() -> str:
    """Give the Debian or Ubuntu release the estate is built from: the machine's own."""
    facts = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
    )
    name = facts.get("VERSION_CODENAME", "").strip('"')
    if not name:
        raise LabUnavailable("/etc/os-release names no release", why="The estate is built from it.")
    return name


def mirrors() -> list[Mirror]:
    """Read this machine's package sources for its own release, the release itself first.

    Raises: LabUnavailable if there are none. Source: sources.list(5), both formats.
    """
    release, found = codename(), []
    for path in sorted(APT.glob("sources.list.d/*.sources")):
        found += deb822(path.read_text())
    for path in [APT / "sources.list", *sorted(APT.glob("sources.list.d/*.list"))]:
        if path.exists():
            found += one_line(path.read_text())
    ours = [m for m in found if re.fullmatch(rf"{release}(-updates|-security)?", m.suite)]
    if release not in {m.suite for m in ours}:
        raise LabUnavailable(
            f"/etc/apt names no package source for {release}",
            why="The estate is built from the machine's own package sources.",
            next_command="apt-get update",
        )
    return sorted(ours, key=lambda mirror: mirror.suite != release)


def deb822(text: str) -> list[Mirror]:
    """Read sources in the deb822 format."""
    found = []
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {
            k.lower(): v.split() for k, v in re.findall(r"(?m)^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza)
        }
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        parts = tuple(fields.get("components", []))
        found += [Mirror(u, s, parts) for u in fields.get("uris", []) for s in fields.get("suites", [])]
    return found


def one_line(text: str) -> list[Mirror]:
    """Read sources in the one-line format."""
    lines = re.findall(r"(?m)^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#\n]+)", text)
    return [Mirror(url, suite, tuple(parts.split())) for url, suite, parts in lines]
