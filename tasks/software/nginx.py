"""nginx as Debian packages it: sites-available, sites-enabled, a default site."""

import re

from tasks.software.software import Installed, SiteFiles, Software


def upstream_sockets(site: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"(?m)^[^#\n]*fastcgi_pass\s+unix:([^;:\s]+)", site)))


def host_name(site: str) -> str:
    """The first server_name a browser could send: no wildcard, no pattern, not "_"."""
    for names in re.findall(r"(?m)^[^#\n]*\bserver_name\s+([^;]+);", site):
        for name in names.split():
            if re.fullmatch(r"[A-Za-z0-9.-]+", name) and not name.startswith("."):
                return str(name)
    return ""


def _packages(installed: Installed) -> tuple[str, ...]:
    return tuple(sorted(n for n in installed if n == "nginx" or n.startswith("libnginx-mod-")))


NGINX = Software(
    name="nginx",
    packages=_packages,
    service=lambda installed: "nginx" if "nginx" in installed else "",
    check=lambda installed: ("nginx", "-t"),
    activation="reload",
    site=SiteFiles(
        available="/etc/nginx/sites-available",
        enabled="/etc/nginx/sites-enabled",
        retired=("/etc/nginx/sites-enabled/default",),
        upstream_sockets=upstream_sockets,
        host_name=host_name,
    ),
)
