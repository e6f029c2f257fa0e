"""Secrets by reference: where they are stands in the inventory, what they are is read only when used."""

import os
import shlex
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from core.errors import Unreadable
from core.secret import Secret
from inventory.base import SECRET_SCHEMES

Resolver: TypeAlias = Callable[[str, Path], str]
"""Reads the value behind a reference's text after the colon; the path is the project folder.

Raises: errors.Unreadable, never with the value in its text.
"""

MINIMUM_LENGTH = 4
"""Shorter values could not be masked in foreign texts without blanking out ordinary words."""

_MAXIMUM_BYTES = 1 << 20
_resolvers: dict[str, Resolver] = {}


def register(scheme: str, resolver: Resolver) -> None:
    """Teach a scheme; rooms that may import its library do so (Prefect in flows/, boto3 in tasks/aws/)."""
    if scheme not in SECRET_SCHEMES:
        raise ValueError(f"{scheme!r} is not one of the schemes {', '.join(SECRET_SCHEMES)}")
    _resolvers[scheme] = resolver


@dataclass(frozen=True)
class SecretSource:
    """Where a secret is: its reference and the project folder that relative paths start from."""

    ref: str
    folder: Path

    def resolve(self) -> Secret:
        """Read the value.

        Raises: errors.Unreadable where it is missing, readable by others, or too short to be masked.
        """
        scheme, _, rest = self.ref.partition(":")
        if scheme not in SECRET_SCHEMES:
            # The text is not repeated: an unknown reference may be the secret itself.
            raise Unreadable(
                "a secret reference of unknown kind", next_command=f"qianyun check {self.folder}"
            )
        if scheme not in _resolvers:
            raise Unreadable(
                f"secret {self.ref}: nothing in this process can read {scheme}: references",
                why="The part of Qianyun that reads them was not loaded.",
            )
        value = _resolvers[scheme](rest, self.folder)
        if len(value) < MINIMUM_LENGTH:
            raise Unreadable(
                f"secret {self.ref} has fewer than {MINIMUM_LENGTH} characters",
                why="So short a value is no protection, and cannot be masked in logs.",
            )
        return Secret(value)

    def __str__(self) -> str:
        return self.ref


def _from_environment(name: str, _folder: Path) -> str:
    value = os.environ.get(name)
    if value is None:
        raise Unreadable(
            f"secret env:{name}: the environment variable is not set",
            next_command=f"read -rs {name} && export {name}",
        )
    return value


def _from_file(text: str, folder: Path) -> str:
    path = folder / text
    try:
        # O_NONBLOCK: a named pipe must not hang us. The checks are made on what was opened, not on its name.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _refuse_unless_private(os.fstat(handle), path, f"secret file:{text}")
            content = os.read(handle, _MAXIMUM_BYTES)
        finally:
            os.close(handle)
    except OSError as error:
        raise Unreadable(
            f"secret file:{text}: {error.strerror} ({path})",
            next_command=f"ls -l {shlex.quote(str(path))}",
        ) from error
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        # `from None`: the decoding error carries the bytes.
        raise Unreadable(
            f"secret file:{text} is not UTF-8 text", next_command=f"file {shlex.quote(str(path))}"
        ) from None


def _refuse_unless_private(found: os.stat_result, path: Path, what: str) -> None:
    quoted = shlex.quote(str(path))
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{what} is not a regular file ({path})", next_command=f"ls -ld {quoted}")
    if found.st_uid != os.geteuid():
        raise Unreadable(
            f"{what} belongs to user {found.st_uid}, we are {os.geteuid()} ({path})",
            why="Its owner could change it under us.",
            next_command=f"chown {os.geteuid()} {quoted}",
        )
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Unreadable(
            f"{what} has mode {stat.S_IMODE(found.st_mode):04o}, wanted 0600 ({path})",
            why="Other accounts of this machine may read it.",
            next_command=f"chmod 600 {quoted}",
        )


register("env", _from_environment)
register("file", _from_file)
