"""The services of an application's software: what state they are in, and putting it back."""

import time
from collections.abc import Callable, Mapping, Sequence

from core.checks import Check
from core.errors import ApplyFailed
from core.facts import ABSENT, Fact, Known
from tasks.hosts.ports import HostReader, HostWriter, Service
from tasks.software.software import Software

_PAUSE_S = 0.5


def states(look: HostReader, parts: Sequence[Software]) -> dict[str, Fact[Service]]:
    """The service of each part, by the part's name; Absent where the part is not installed."""
    installed = look.packages()
    return {part.name: _state(look, part.service(installed)) for part in parts}


def require(look: HostReader, parts: Sequence[Software], server: str) -> dict[str, Service]:
    """As `states`, of parts that must all be installed. Raises: errors.ApplyFailed"""
    found: dict[str, Service] = {}
    for name, fact in states(look, parts).items():
        if not isinstance(fact, Known):
            raise ApplyFailed(
                f"{name} is not installed on {server}",
                why="Nothing was changed: the software comes before the site.",
            )
        found[name] = fact.value
    return found


def take_up(host: HostWriter, part: Software, service: Service) -> None:
    """Have it load its configuration now and start with the host. Raises: errors.ApplyFailed"""
    host.service(service.name, part.activation if service.running else "start")
    if not service.enabled:
        host.service(service.name, "enable")


def put_back(
    look: HostReader, host: HostWriter, parts: Sequence[Software], before: Mapping[str, Mapping[str, bool]]
) -> None:
    """Return services to the states recorded in `before`, by service name. Raises: errors.ApplyFailed"""
    installed = look.packages()
    for part in reversed(parts):
        name = part.service(installed)
        now = _state(look, name)
        if not isinstance(now, Known) or name not in before:
            continue
        if now.value.running:
            host.service(name, part.activation if before[name]["running"] else "stop")
        if now.value.enabled and not before[name]["enabled"]:
            host.service(name, "disable")


def checks(found: Mapping[str, Fact[Service]]) -> list[Check]:
    result = []
    for name, fact in found.items():
        state = "not installed"
        if isinstance(fact, Known):
            state = f"running {fact.value.running}, enabled {fact.value.enabled}"
        result.append(Check.equal(f"service of {name}", "running True, enabled True", state))
    return result


def works(fact: Fact[Service]) -> bool:
    return isinstance(fact, Known) and fact.value.running and fact.value.enabled


def until(limit_s: float, holds: Callable[[], bool]) -> bool:
    """Ask again and again until it holds; False when the time is over."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE_S)
    return True


def _state(look: HostReader, name: str) -> Fact[Service]:
    return look.service(name) if name else ABSENT
