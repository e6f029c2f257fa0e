"""rclone at work between two remotes: copying a list of files, and comparing them byte by byte."""

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tasks.files.ports import Moved
from tasks.files.rclone import Rclone, Remote, logged_name, standard_name

LIST = ("--files-from-raw", "-")
"""The names come through stdin: rclone's standard names hold no line ends."""


def transfer(
    rclone: Rclone,
    source: Remote,
    target: Remote,
    names: Collection[str],
    options: Iterable[str] = (),
    limit: int = 0,
    moved: Moved = lambda done, total: None,
) -> None:
    """Copy these files whatever is there, each under a .partial name until it is whole.

    Raises: errors.ApplyFailed
    """

    def tell(stats: Mapping[str, Any]) -> None:
        moved(stats["bytes"], stats["totalBytes"])

    throttle = ["--bwlimit", f"{limit}B"] if limit else []
    # The list is exact: sizes and times are not to be asked again, nor all of it copied again on an error.
    exactly = ["--ignore-times", "--retries", "1"]
    command = ["copy", *LIST, *exactly, *throttle, *options]
    rclone.do([*command, source.at, target.at], source, target, stdin=name_list(names), on_stats=tell)


def would_copy(rclone: Rclone, source: Remote, target: Remote, names: Collection[str]) -> list[str]:
    """Which of these files a copy would write or touch: those that differ in size or modification time."""
    output = rclone.ask(["copy", *LIST, source.at, target.at], source, target, stdin=name_list(names))
    skipped = {entry.get("object") for entry in output.log if entry.get("skipped")}
    return [name for name in names if logged_name(standard_name(name)) in skipped]


def compare_bytes(
    rclone: Rclone, source: Remote, target: Remote, names: Collection[str]
) -> tuple[list[str], list[str]]:
    """Read these files on both sides: which differ, and which could not be read.

    rclone's own verdict counts files without a comparable hash as equal; reading them leaves no such case.
    """
    if not names:
        return [], []
    command = ["check", "--download", "--combined", "-", *LIST, source.at, target.at]
    output = rclone.run(command, source, target, stdin=name_list(names))
    said = {line[2:]: line[0] for line in output.lines if line[1:2] == " "}
    verdicts = {name: said.get(standard_name(name), "!") for name in names}
    differing = [name for name, verdict in verdicts.items() if verdict in "*+-"]
    return differing, [name for name, verdict in verdicts.items() if verdict == "!"]


def name_list(names: Iterable[str]) -> bytes:
    """Names of a POSIX system, a line each, as rclone takes them."""
    return lines(map(standard_name, names))


def lines(names: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\n" for name in names)
