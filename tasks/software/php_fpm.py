"""PHP-FPM with the extensions the source has, by names without a version where there are any."""

import re

from tasks.software.software import Installed, Software

_VERSIONED = re.compile(r"php(\d+\.\d+)-([a-z0-9-]+)")
_UNVERSIONED = re.compile(r"php-([a-z0-9-]+)")
_COME_ALONG = frozenset({"common", "cli", "opcache", "readline"})
"""Dependencies of every PHP-FPM: wanting them by version would only forbid another version."""


def _packages(installed: Installed) -> tuple[str, ...]:
    if not _version(installed):
        return ()
    wanted: dict[str, str] = {}
    for name in sorted(installed):
        if found := _VERSIONED.fullmatch(name):
            wanted.setdefault(found[2], name)
    for name in sorted(installed):
        if found := _UNVERSIONED.fullmatch(name):
            wanted[found[1]] = name
    return tuple(sorted(name for part, name in wanted.items() if part not in _COME_ALONG))


def _version(installed: Installed) -> str:
    found = [v[1] for n in installed if (v := _VERSIONED.fullmatch(n)) and v[2] == "fpm"]
    return max(found, key=lambda version: tuple(map(int, version.split("."))), default="")


PHP_FPM = Software(
    name="php-fpm",
    packages=_packages,
    service=lambda installed: f"php{v}-fpm" if (v := _version(installed)) else "",
    check=lambda installed: (f"php-fpm{_version(installed)}", "-t"),
    activation="reload",
)
