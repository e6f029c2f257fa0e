"""The cloud of the estate: moto's server, plus one page that says in which state the whole cloud is.

Moto's own dump lists objects that were deleted and leaves out what is no plain value (object contents,
rules). `/lab/state` walks what the backends really hold instead. Services are woken at start, because a
first read would otherwise create default networks and look like a write.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

from lab.backup import add_selections

SERVICES = ("ec2", "s3", "route53", "secretsmanager", "backup", "sts", "iam", "kms")
GLOBAL_SERVICES = ("s3", "route53", "iam", "sts")
REGIONS = ("cn-north-1", "cn-northwest-1", "us-east-1")  # the last: moto looks there unasked
VOLATILE = frozenset(
    {"last_used", "last_used_date", "last_used_region", "last_accessed_date"}
    | {"_tick", "_time_progressed", "_pagination_tokens"}
)
"""Attributes that a read changes, in moto as in the cloud."""
PLAIN_MODULES = ("datetime", "decimal", "enum", "ipaddress", "uuid")


def regions() -> list[str]:
    """Name the regions that are awake from the start; $QIANYUN_LAB_REGIONS names others."""
    return os.environ.get("QIANYUN_LAB_REGIONS", " ".join(REGIONS)).split()


def account_of(service: str) -> Any:
    """Give the default account's backends of a service, by region or partition."""
    find: Any = get_backend  # typed for literal names only
    return find(service)[DEFAULT_ACCOUNT_ID]


def wake() -> None:
    """Make the backends that a first request would make: of global services, those of every partition."""
    for service in SERVICES:
        account = account_of(service)
        for place in account.regions:
            if service in GLOBAL_SERVICES or place in regions():
                _ = account[place]


def state() -> dict[str, str]:
    """Digest what every backend holds: {service/region: sha256}."""
    digests = {}
    for service in SERVICES:
        account = account_of(service)
        for place in sorted(account):
            text = json.dumps(Walk().value(vars(account[place])), sort_keys=True)
            digests[f"{service}/{place}"] = hashlib.sha256(text.encode()).hexdigest()
    return digests


class Walk:
    """Turns a graph of objects into plain values; what was met before becomes a reference."""

    def __init__(self) -> None:
        self.met: dict[int, int] = {}
        self.kept: list[object] = []

    def value(self, thing: object) -> Any:
        """Shape: JSON values; an object is {"": class, attribute: value}."""
        if thing is None or isinstance(thing, str | int | float | bool):
            return thing
        if isinstance(thing, bytes):
            return hashlib.sha256(thing).hexdigest()
        if id(thing) in self.met:
            return f"see {self.met[id(thing)]}"
        self.met[id(thing)] = len(self.met)
        self.kept.append(thing)  # its id stays its own until the walk is over
        if isinstance(thing, Mapping):
            return [
                [self.value(key), self.value(item)]
                for key, item in list(thing.items())
                if key not in VOLATILE
            ]
        if isinstance(thing, list | tuple | deque):
            return [self.value(item) for item in list(thing)]
        if isinstance(thing, set | frozenset):
            return sorted(json.dumps(self.value(item), sort_keys=True) for item in thing)
        return self.instance(thing)

    def instance(self, thing: object) -> Any:
        """Walk an object of moto's by its attributes; of a stored S3 object, its content too."""
        kind = type(thing)
        if not kind.__module__.startswith("moto."):
            return repr(thing) if kind.__module__ in PLAIN_MODULES else kind.__name__
        found = {"": kind.__name__}
        for name, item in sorted(vars(thing).items()):
            if name not in VOLATILE and not callable(item):
                found[name] = self.value(item)
        if kind.__name__ == "FakeKey":
            found["content"] = self.value(thing.value)  # type: ignore[attr-defined]
        return found


Start = Callable[[str, list[tuple[str, str]]], object]


def application() -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """Put the state page in front of moto's own application."""
    moto = DomainDispatcherApplication(create_backend_app)

    def answer(request: dict[str, Any], start: Start) -> Iterable[bytes]:
        if request.get("PATH_INFO") != "/lab/state":
            reply: Iterable[bytes] = moto(request, start)
            return reply
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(state()).encode()]

    return answer


if __name__ == "__main__":
    add_selections()
    wake()
    run_simple("0.0.0.0", 5000, application(), threaded=True)
