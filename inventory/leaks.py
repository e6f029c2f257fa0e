"""Finds secrets that were written into an inventory instead of a reference to them.

Heuristics: they cannot find every secret, and never repeat what they found.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from inventory.base import SECRET_SCHEMES
from inventory.yaml_lines import Node, Path

_WORDS = frozenset(
    {"password", "passwd", "pwd", "passphrase", "secret", "token", "credential", "credentials"}
)
_PAIRS = frozenset({("private", "key"), ("api", "key"), ("access", "key")})
_SHAPES = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), "an AWS access key"),
    (re.compile(r"\bLTAI[0-9A-Za-z]{12,24}\b"), "an Alibaba Cloud access key"),
    (re.compile(r"\bAKID[0-9A-Za-z]{32}\b"), "a Tencent Cloud secret id"),
    (re.compile(r"://[^/\s:@]+:[^/\s@]+@"), "a password inside a URL"),
)
_ADVICE = (
    "write a reference to it (env:NAME, file:PATH with mode 0600, prefect:BLOCK or aws:SECRET-ID), "
    "and change the secret: whoever saw this file knows it"
)


def inline_secrets(root: Node) -> Iterator[tuple[Path, str]]:
    """Path and message of every value that looks like a secret."""
    for path, text in root.scalars():
        shape = _shape(text)
        if shape:
            yield path, f"holds {shape}: {_ADVICE}"
        elif _names_a_secret(path) and not _is_reference(text):
            yield path, f"holds a secret itself: {_ADVICE}"


def secrets_in_comments(text: str) -> Iterator[tuple[int, str]]:
    """Line and message of every comment that looks like a secret."""
    for number, line in enumerate(text.splitlines(), start=1):
        start = line.find("#")
        shape = _shape(line[start:]) if start >= 0 else ""
        if shape:
            yield number, f"the comment holds {shape}: {_ADVICE}"


def is_secretive(path: Path) -> bool:
    """Whether the value there must not be repeated in a message."""
    return _names_a_secret(path) or path[-1:] == ("key",)


def _shape(text: str) -> str:
    return next((name for pattern, name in _SHAPES if pattern.search(text)), "")


def _names_a_secret(path: Path) -> bool:
    # A secret may also hide one level deeper: `password: {value: ...}`.
    return any(_is_secret_word(part) for part in path if isinstance(part, str))


@lru_cache(maxsize=4096)
def _is_secret_word(key: str) -> bool:
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", key).lower())
    return not _WORDS.isdisjoint(words) or not _PAIRS.isdisjoint(pairwise(words))


def _is_reference(text: str) -> bool:
    scheme, _, rest = text.partition(":")
    return not text or (scheme in SECRET_SCHEMES and bool(rest))
