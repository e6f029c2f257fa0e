"""The readers' allow-list, mostly in the refusing direction."""

import pytest

from core.errors import Refused
from tasks.hosts.parse import FIND_FORMAT
from tasks.hosts.probes import APT_LOOKS, PROBES, require_probe

TAR = ["tar", "--create", "--file=-", "--format=posix", "--no-recursion", "--null", "--verbatim-files-from"]
INSTALL = ["apt-get", "--simulate", *APT_LOOKS, "--no-install-recommends", "install", "--"]

ALLOWED = [
    ["cat", "--", "/etc/os-release"],
    ["cat", "--", "--odd name"],
    ["find", "/srv", "-maxdepth", "0", "-printf", FIND_FORMAT],
    [*TAR, "--directory=/srv", "--owner=www-data:65534", "--group=www-data:65534", "--files-from=-"],
    [*INSTALL, "nginx"],
    ["service", "nginx", "status"],
    ["systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", "--", "nginx.service"],
]

REFUSED = [
    [],
    ["rm", "-rf", "/"],
    ["sh", "-c", "true"],
    ["sudo", "cat", "--", "/etc/passwd"],
    ["cat", "/etc/passwd"],
    ["find", "/srv", "-delete"],
    ["find", "/srv", "-exec", "rm", "{}", ";"],
    ["find", "/srv", "-fprintf", "/etc/passwd", "x"],
    ["find", "/srv", "-ok", "rm", "{}", ";"],
    ["xargs", "-0", "-r", "rm", "--"],
    ["xargs", "-0", "-r", "sha256sum", "-z", "--", "x"],
    [*TAR, "--files-from=-", "--to-command=sh"],
    [*TAR, "--files-from=-", "--checkpoint-action=exec=sh"],
    [*TAR, "--files-from=-", "--use-compress-program=sh"],
    [*TAR, "--files-from=-", "--remove-files"],
    ["tar", "--create", "--file=/etc/passwd", "x"],
    ["tar", "--extract", "--file=-"],
    ["apt-get", "install", "--", "nginx"],
    ["apt-get", "--simulate", "install", "--", "nginx"],
    ["apt-cache", "policy", "--", "nginx"],
    ["dpkg", "--purge", "nginx"],
    ["dpkg-query", "-W", "-f", "x", "--admindir=/tmp"],
    ["service", "nginx", "restart"],
    ["service", "--full-restart", "status"],
    ["service", "nginx", "status", "restart"],
    ["systemctl", "restart", "nginx"],
    ["systemctl", "list-units", "--root=/tmp"],
    ["getent", "passwd", "--", "root", "--"][:2],
    ["ss", "-K", "-t"],
    ["df", "--sync"],
    ["nproc", "--all", "x"],
]


@pytest.mark.parametrize("argv", ALLOWED, ids=" ".join)
def test_a_look_is_allowed(argv: list[str]) -> None:
    require_probe(argv)


@pytest.mark.parametrize("argv", REFUSED, ids=" ".join)
def test_anything_else_is_refused(argv: list[str]) -> None:
    with pytest.raises(Refused):
        require_probe(argv)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: " ".join(probe.begins))
def test_no_probe_takes_an_option_nobody_listed(probe: object) -> None:
    begins = [part if "\0" not in part else "x" for part in probe.begins]  # type: ignore[attr-defined]
    if begins[-1] != "--":
        with pytest.raises(Refused):
            require_probe([*begins, "--output-file=/etc/passwd"])
