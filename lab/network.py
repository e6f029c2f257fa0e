"""The network of an instance: one bridge on this machine and a cable to every host."""

from pathlib import Path

from lab.commands import run
from lab.errors import LabFailed, LabUnavailable
from lab.plan import Estate

LINKS = Path("/sys/class/net")


def label(estate: Estate) -> str:
    """What the instance writes on its bridge, so that `down` never removes a stranger's."""
    return f"qianyun-lab/{estate.name}"


def raise_bridge(estate: Estate) -> None:
    """Make the bridge with this machine's address on it, if it is not there.

    Raises: LabUnavailable if the name or the addresses are somebody else's.
    """
    link, network = LINKS / estate.bridge, f"10.{estate.prefix}.0.0/16"
    if link.exists():
        if (link / "ifalias").read_text().strip() not in ("", label(estate)):
            raise LabUnavailable(
                f"the bridge {estate.bridge} belongs to {(link / 'ifalias').read_text().strip()}",
                why=f"Both instances would use {network}.",
                next_command="python -m lab status --name another",
            )
    else:
        routes = run(["ip", "-4", "route", "show", "root", network]).strip()
        if routes:
            raise LabUnavailable(f"this machine already has a route into {network}: {routes}")
        run(["ip", "link", "add", estate.bridge, "type", "bridge"])
    run(["ip", "link", "set", estate.bridge, "alias", label(estate), "up"])
    run(["ip", "address", "replace", f"{estate.gateway}/16", "dev", estate.bridge])


def plug(estate: Estate, host: str, pid: int) -> None:
    """Run a cable from the bridge into the network namespace of process `pid`."""
    link = estate.link(host)
    if (LINKS / link).exists():
        run(["ip", "link", "del", link])
    cable = f"link add {link} type veth peer name eth0 netns {pid}\n"
    run(["ip", "-batch", "-"], given=f"{cable}link set {link} master {estate.bridge} up\n")
    run(
        ["nsenter", "-t", str(pid), "-n", "ip", "-batch", "-"],
        given=f"link set lo up\naddress add {estate.address(host)}/16 dev eth0\nlink set eth0 up\n",
    )


def set_cable(estate: Estate, host: str, state: str) -> None:
    """Set a host's cable `up` or `down` at the bridge's end."""
    run(["ip", "link", "set", estate.link(host), state])


def remove_network(estate: Estate) -> None:
    """Remove the bridge and every cable left in it."""
    link = LINKS / estate.bridge
    if not link.exists() or (link / "ifalias").read_text().strip() not in ("", label(estate)):
        return
    for name in sorted(path.name for path in LINKS.glob(f"{estate.bridge}-*")):
        try:
            run(["ip", "link", "del", name])
        except LabFailed:
            if (LINKS / name).exists():  # the kernel may have removed it with its host meanwhile
                raise
    run(["ip", "link", "del", estate.bridge])
