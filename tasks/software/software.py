"""A kind of application software in words the steps understand; one module and one registry line each."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

Installed: TypeAlias = Collection[str]
"""Names of the packages installed on a host."""


@dataclass(frozen=True)
class SiteFiles:
    """Where a server keeps its sites: a file in `available` is served once it is linked in `enabled`."""

    available: str
    enabled: str
    retired: tuple[str, ...]
    """What its package enables by itself and no moved application wants."""
    upstream_sockets: Callable[[str], tuple[str, ...]]
    """The socket files a site's text hands requests to."""
    host_name: Callable[[str], str]
    """The name a site's text answers to, or ""."""


@dataclass(frozen=True)
class Software:
    """What moves with an application of this software, and how it is set to work."""

    name: str
    packages: Callable[[Installed], tuple[str, ...]]
    """From the source's packages, those to be wanted on the target."""
    service: Callable[[Installed], str]
    """The service's name given the host's packages, or "" where it is not installed."""
    check: Callable[[Installed], tuple[str, ...]]
    """The command that tests its configuration, or nothing."""
    activation: Literal["reload", "restart"]
    """How a running service takes up a new configuration."""
    site: SiteFiles | None = None
