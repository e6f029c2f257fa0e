"""Paths: absolute, plain, and never a whole system."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from inventory.draft import Draft, Finding
from inventory.files import SOURCES, TARGETS
from inventory.yaml_lines import Path

_SITES = "/etc/nginx/sites-available"
_SYSTEM = re.compile(r"/|/(bin|boot|dev|etc|lib|lib64|proc|root|run|sbin|sys|tmp|usr|var|var/lib)")
_TOO_BROAD = re.compile(
    r"/[^/]+|/etc/(ssh|init\.d|systemd|apt|pam\.d)|/usr/(bin|lib|local|sbin|share)"
    r"|/var/(lib|log|www|cache|spool|lib/dpkg|lib/apt)"
)


def plain_paths(draft: Draft) -> Iterator[Finding]:
    for path, application in draft.each(SOURCES, ("applications",), draft.sources.applications):
        for index, text in enumerate(application.content):
            yield from _plain(SOURCES, (*path, "content", index), text)
            if _TOO_BROAD.fullmatch(text) and not _objection(text):
                message = f"{text} holds more than one application: name the folders inside it"
                yield Finding(SOURCES, (*path, "content", index), message)
        for index, substitution in enumerate(application.substitutions):
            yield from _plain(SOURCES, (*path, "substitutions", index, "file"), substitution.file)
    for path, share in draft.each(SOURCES, ("file_shares",), draft.sources.file_shares):
        yield from _plain(SOURCES, (*path, "path"), share.path)
    if draft.targets is not None:
        for path, directory in draft.each(TARGETS, ("directories",), draft.targets.directories):
            yield from _plain(TARGETS, (*path, "path"), directory.path)


def substitutions_inside_content(draft: Draft) -> Iterator[Finding]:
    """Only files that move (content, the site's file) are changed, and only their copies on the target."""
    for path, application in draft.each(SOURCES, ("applications",), draft.sources.applications):
        for index, substitution in enumerate(application.substitutions):
            file = PurePosixPath(substitution.file)
            plain = not _objection(substitution.file)
            inside = any(file.is_relative_to(content) for content in application.content)
            if plain and not inside and substitution.file != f"{_SITES}/{application.site}":
                message = f"{substitution.file} is outside the content of {application.name!r}"
                yield Finding(SOURCES, (*path, "substitutions", index, "file"), message)
            if substitution.find == substitution.replace:
                where = (*path, "substitutions", index, "replace")
                yield Finding(SOURCES, where, "is the same as find: nothing would change")


def _plain(file: str, path: Path, text: str) -> Iterator[Finding]:
    objection = _objection(text)
    if objection:
        yield Finding(file, path, objection)


def _objection(text: str) -> str:
    if not text.startswith("/"):
        return f"{text!r} is not an absolute path"
    if ".." in text.split("/"):
        return f"{text!r} climbs with '..': write the path it leads to"
    if any(ord(character) < 32 for character in text):
        return f"{text!r} has control characters"
    if posixpath.normpath(text) != text:
        return f"{text!r} is not the plain form: write {posixpath.normpath(text)}"
    if _SYSTEM.fullmatch(text):
        return f"{text} is a folder of the system, not of an application: name the folders inside it"
    return ""


RULES = (plain_paths, substitutions_inside_content)
