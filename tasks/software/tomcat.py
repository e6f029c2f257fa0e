"""Tomcat as Debian packages it; web applications lie in its webapps folder and deploy themselves."""

import re

from tasks.software.software import Installed, Software


def _packages(installed: Installed) -> tuple[str, ...]:
    return tuple(sorted(n for n in installed if re.fullmatch(r"tomcat\d+", n)))


def _service(installed: Installed) -> str:
    # With several versions side by side, one application moves at a time, with the newest.
    return max(_packages(installed), key=lambda name: int(name.removeprefix("tomcat")), default="")


TOMCAT = Software(
    name="tomcat",
    packages=_packages,
    service=_service,
    check=lambda installed: (),
    activation="restart",
)
