"""Things that go wrong on purpose, each with the way back.

cut            heal                 the host's cable
kill_service   start_service        a service, with SIGKILL
change_host_key  restore_host_key   the host's identity
fill_disk      free_disk            the target disk at /data
"""

import os
import time
from pathlib import Path

from lab import network
from lab.errors import LabFailed
from lab.plan import Estate
from lab.processes import answers, inside, pid_of

RESTART_S = 20.0

PATTERNS = {
    "ssh": "^sshd:|/usr/sbin/sshd",
    "nginx": "nginx:",
    "php-fpm": "php-fpm:",
    "tomcat10": "org.apache.catalina.startup.Bootstrap",
    "mariadb": "mysqld_safe|mariadbd",
}
"""How a service's processes are told by their command line; a guardian goes with what it guards."""

FILLER = ".lab-filler"


def cut(estate: Estate, host: str) -> None:
    """Pull the host's cable: connections hang, as with a dead switch."""
    network.set_cable(estate, host, "down")


def heal(estate: Estate, host: str) -> None:
    """Plug the cable in again."""
    network.set_cable(estate, host, "up")


def kill_service(estate: Estate, host: str, service: str) -> None:
    """Kill every process of a service. Raises: LabFailed if the service is unknown or not running.

    The cloud and the mailbox are first processes of their hosts and keep their state in memory: cut them.
    """
    if service not in PATTERNS:
        raise LabFailed(f"no service {service!r} to kill; there are {', '.join(PATTERNS)}")
    pattern = PATTERNS[service]
    inside(estate, host, ["pkill", "-KILL", "-f", pattern])
    gone = 'for i in $(seq 100); do pgrep -f "$0" >/dev/null || exit 0; sleep 0.1; done; exit 1'
    inside(estate, host, ["sh", "-c", gone.replace("$0", bracketed(pattern))])


def bracketed(pattern: str) -> str:
    """Write a pattern so that the shell that carries it does not match it."""
    return "|".join(f"{part[:-1]}[{part[-1]}]" for part in pattern.split("|"))


def start_service(estate: Estate, host: str, service: str) -> None:
    """Start a service again, as an operator of the host would."""
    if service == "php-fpm":
        service = inside(estate, host, ["sh", "-c", "basename /etc/init.d/php*-fpm"]).strip()
    inside(estate, host, ["service", service, "start"])


def change_host_key(estate: Estate, host: str) -> None:
    """Give the host another identity, as if somebody stood between it and us."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    inside(estate, host, ["sh", "-c", f"rm -f {key} {key}.pub && ssh-keygen -q -t ed25519 -N '' -f {key}"])
    reload_sshd(estate, host)


def restore_host_key(estate: Estate, host: str) -> None:
    """Give the host its own identity back."""
    for ending in ("", ".pub"):
        key = (estate.secrets / "host_keys" / f"{host}{ending}").read_text()
        path = f"/etc/ssh/ssh_host_ed25519_key{ending}"
        inside(estate, host, ["tee", path], given=key)
    reload_sshd(estate, host)


def reload_sshd(estate: Estate, host: str) -> None:
    """Make sshd read its keys again; it answers when this returns."""
    inside(estate, host, ["service", "ssh", "restart"])
    deadline = time.monotonic() + RESTART_S
    while not answers(estate.address(host), 22):
        if time.monotonic() > deadline:
            raise LabFailed(f"sshd of {host} does not answer {RESTART_S:.0f} s after its restart")
        time.sleep(0.05)


def disk(estate: Estate, host: str) -> Path:
    """Find a host's own disk from outside. Raises: LabFailed if it has none: the machine's is not filled."""
    mount = estate.host(host).disk.split(":")[0]
    if not mount:
        raise LabFailed(f"{host} has no disk of its own; filling it would fill this machine")
    return Path(f"/proc/{pid_of(estate, host)}/root{mount}")


def fill_disk(estate: Estate, host: str, left_kb: int = 0) -> None:
    """Fill the host's disk but for `left_kb`."""
    where = disk(estate, host)
    free_disk(estate, host)
    facts = os.statvfs(where)
    with (where / FILLER).open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, facts.f_bavail * facts.f_frsize - left_kb * 1024)


def free_disk(estate: Estate, host: str) -> None:
    """Take away what `fill_disk` put there."""
    (disk(estate, host) / FILLER).unlink(missing_ok=True)
