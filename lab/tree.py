"""Digest of a tree of files as they lie on a disk."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

VOLATILE = re.compile(
    r"(run|proc|sys|dev)(/|$)"  # mounted afresh at every start
    r"|var/lib/mysql/"  # the server's own files; the databases have digests of their own
    r"|var/log/(nginx|tomcat\d+|mysql|shop)/"  # who knocked
    r"|var/log/(php.*-fpm\.log|wtmp|btmp|lastlog|faillog)$"
    r"|var/cache/tomcat\d+/|var/lib/tomcat\d+/work/|tmp/hsperfdata_"  # compiled pages, JVM counters
    r"|var/cache/apt/[a-z]+\.bin$"  # rebuilt by every question to apt
)
"""Paths that change although nobody has changed the host; everything else counts."""


def digest_tree(root: Path) -> str:
    """Hash path, type, mode, owner, size and content of everything below `root`; times are left out.

    In an overlay's upper directory a deleted file is a device 0/0 and a replaced directory carries
    `trusted.overlay.opaque`, so deletions count as well.
    """
    seen = hashlib.sha256()
    for path in walk(root, root):
        seen.update(os.fsencode(path.relative_to(root)) + b"\0" + describe(path).encode() + b"\n")
    return seen.hexdigest()


def walk(root: Path, folder: Path) -> Iterator[Path]:
    """Give every path below `folder` that counts, in the order of the names."""
    for path in sorted(folder.iterdir()):
        if VOLATILE.match(str(path.relative_to(root))):
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from walk(root, path)


def describe(path: Path) -> str:
    """Put everything that counts about one path into a line."""
    facts = path.lstat()
    line = f"{facts.st_mode:o} {facts.st_uid}:{facts.st_gid} {facts.st_rdev}"
    if stat.S_ISREG(facts.st_mode):
        with path.open("rb") as file:
            return f"{line} {facts.st_size} {hashlib.file_digest(file, 'sha256').hexdigest()}"
    if stat.S_ISLNK(facts.st_mode):
        return f"{line} {os.fsencode(path.readlink())!r}"
    if stat.S_ISDIR(facts.st_mode) and "trusted.overlay.opaque" in os.listxattr(path):
        return f"{line} opaque"
    return line
