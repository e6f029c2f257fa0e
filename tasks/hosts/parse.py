"""What commands on a host print, made into facts. Pure, so that odd outputs are tested without a host."""

import re
from collections.abc import Iterator

from tasks.hosts.ports import Disk, FileKind, FileState, Service, Socket

FIND_FORMAT = r"%y\0%m\0%u\0%g\0%s\0%T@\0%l\0%P\0"
DPKG_FORMAT = r"${db:Status-Abbrev}\t${Package}\t${Version}\n"
DF_COLUMNS = "fstype,size,used,target"

_KINDS: dict[str, FileKind] = {"f": "file", "d": "folder", "l": "link", "s": "socket"}
_STORES_NOTHING = re.compile(
    r"autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|mqueue|nsfs"
    r"|proc|pstore|ramfs|rpc_pipefs|securityfs|squashfs|sysfs|tmpfs|tracefs|-"
)


def entries(text: str) -> Iterator[tuple[str, FileState]]:
    """Entries of FIND_FORMAT: path relative to where find started, and state without hash."""
    parts = text.split("\0")
    for at in range(0, len(parts) - 8, 8):
        kind, mode, owner, group, size, mtime, target, name = parts[at : at + 8]
        state = FileState(
            kind=_KINDS.get(kind, "other"),
            mode=mode,
            owner=owner,
            group=group,
            size_bytes=int(size) if kind == "f" else 0,
            mtime_s=int(mtime.partition(".")[0]),
            target=target,
        )
        yield name, state


def checksums(text: str) -> dict[str, str]:
    """sha256sum -z: by path as it was given."""
    return {line[66:]: line[:64] for line in text.split("\0") if line}


def os_release(text: str) -> dict[str, str]:
    pairs = re.findall(r"(?m)^([A-Z_]+)=(.*)$", text)
    return {name: value.strip().strip("\"'") for name, value in pairs}


def memory_bytes(text: str) -> int | None:
    found = re.search(r"(?m)^MemTotal:\s+(\d+) kB$", text)
    return int(found[1]) * 1024 if found else None


def disks(text: str) -> tuple[Disk, ...]:
    """df: file systems that store something, each mount once."""
    found = {}
    for line in text.splitlines()[1:]:
        kind, size, used, mount = line.split(None, 3)
        if not _STORES_NOTHING.fullmatch(kind) and size.isdigit() and used.isdigit():
            found[mount] = Disk(mount, kind, int(size), int(used))
    return tuple(found[mount] for mount in sorted(found))


def sockets(text: str) -> tuple[Socket, ...]:
    """ss -H -l -n -t -u -p."""
    found = set()
    for line in text.splitlines():
        fields = line.split()
        address, _, port = fields[4].rpartition(":")
        process = re.search(r'users:\(\("([^"]+)"', line)
        found.add(Socket(fields[0], address.strip("[]"), int(port), process[1] if process else ""))
    return tuple(sorted(found, key=lambda s: (s.protocol, s.port, s.address)))


def proc_net(text: str, protocol: str) -> set[Socket]:
    """/proc/net/{tcp,udp}, for hosts without ss: the same without process names and with raw IPv6."""
    found = set()
    wanted = "0A" if protocol == "tcp" else "07"
    for line in text.splitlines()[1:]:
        fields = line.split()
        if fields[3] == wanted:
            address, _, port = fields[1].partition(":")
            found.add(Socket(protocol, _address(address), int(port, 16)))
    return found


def _address(raw: str) -> str:
    if len(raw) == 8:
        return ".".join(str(byte) for byte in reversed(bytes.fromhex(raw)))
    return "::" if not raw.strip("0") else raw.lower()


def packages(text: str) -> dict[str, str]:
    """dpkg-query with DPKG_FORMAT: those wholly installed."""
    lines = (line.split("\t") for line in text.splitlines())
    return {name: version for status, name, version in lines if status.startswith(("ii", "hi"))}


def candidates(text: str) -> dict[str, str]:
    """apt-cache policy."""
    found = re.findall(r"(?m)^(\S+):\n  Installed: .*\n  Candidate: (.+)$", text)
    return {name: version for name, version in found if version != "(none)"}


def simulated(text: str, word: str) -> tuple[str, ...]:
    """apt-get --simulate: the packages behind Inst (new ones only), or Purg and Remv."""
    pattern = r"(?m)^Inst (\S+) \(" if word == "install" else r"(?m)^(?:Purg|Remv) (\S+)"
    return tuple(sorted({name.partition(":")[0] for name in re.findall(pattern, text)}))


def systemd_services(units: str, files: str) -> tuple[Service, ...]:
    """systemctl list-units and list-unit-files."""
    running = {}
    for line in units.splitlines():
        fields = line.lstrip("●* ").split()
        if len(fields) >= 4:
            running[fields[0]] = fields[2] == "active" and fields[3] == "running"
    enabled = {}
    for line in files.splitlines():
        fields = line.split()
        if len(fields) >= 2 and "@." not in fields[0]:
            enabled[fields[0]] = fields[1].startswith("enabled")
    names = sorted(name for name in {*running, *enabled} if running.get(name) or enabled.get(name))
    return tuple(
        Service(name.removesuffix(".service"), running.get(name, False), enabled.get(name, False))
        for name in names
    )


def sysv_services(status_all: str, enabled: set[str]) -> tuple[Service, ...]:
    """service --status-all, which marks "+" what runs."""
    lines = re.findall(r"(?m)^ \[ ([+?-]) \]\s+(\S+)$", status_all)
    marks = {name: mark for mark, name in lines}
    return tuple(Service(name, marks[name] == "+", name in enabled) for name in sorted(marks))
