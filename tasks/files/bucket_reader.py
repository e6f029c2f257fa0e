"""A bucket looked at: listed by rclone, its marks read by the account's own client."""

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsAccount, AwsReader
from tasks.files.listing import Differences, Entry, Listing, differences, shown
from tasks.files.ports import CopyState, SourceReader
from tasks.files.rclone import NOT_FOUND, Rclone, Remote, logged_name, standard_name
from tasks.files.transfer import LIST, compare_bytes, lines, would_copy

LINK_SUFFIX = ".rclonelink"
"""rclone's own convention for links in stores without links: a file whose content is the link's target."""

LONGEST_KEY_BYTES = 1024
"""Source: Amazon S3 user guide, object key naming."""

SINGLE_PART_BYTES = 200 * 1024 * 1024
"""Above, an upload has several parts, and the MD5 that rclone reports is only what the uploader claimed."""

MARK = "qianyun-step"
TIMES = ("begun", "copied", "last", "ready")
"""What our tag says of a copy, in the order of CopyState."""


def bucket_remote(account: AwsAccount, bucket: str) -> Remote:
    """The bucket for rclone, with the same keys, region and endpoint as the account's client."""
    settings = {
        "type": "s3",
        "provider": "Other" if account.endpoint_url else "AWS",
        "region": account.region,
        "access_key_id": account.access_key_id.resolve().reveal(),
        "secret_access_key": account.secret_access_key.resolve().reveal(),
        "env_auth": "false",
        "no_check_bucket": "true",
        "upload_cutoff": f"{SINGLE_PART_BYTES}B",
        # Beyond rclone's defaults also control characters: XML 1.0, which S3 answers in, cannot hold them.
        "encoding": "Slash,InvalidUtf8,Dot,Ctl,Del",
    }
    if account.endpoint_url:
        settings |= {"endpoint": account.endpoint_url, "force_path_style": "true", "list_url_encode": "true"}
    return Remote("dst", bucket, f"bucket {bucket}", settings)


class BucketReader:
    """Looks at a bucket."""

    algorithm = "md5"

    def __init__(self, account: AwsAccount, bucket: str, cloud: AwsReader) -> None:
        self._cloud = cloud
        self._owned: Any = {"Bucket": bucket, "ExpectedBucketOwner": account.account}
        self._rclone = Rclone(reading=True)
        self.remote = bucket_remote(account, bucket)

    def close(self) -> None:
        self._cloud.close()

    def listing(self) -> Listing | None:
        # Asked with the owner's account number: the same name elsewhere must not receive our data.
        if none_on(lambda: self._cloud.s3.head_bucket(**self._owned), "404", "NoSuchBucket") is None:
            return None
        found = self._rclone.run(
            [
                "lsf",
                "-R",
                "--files-only",
                "--format",
                "spth",
                "--hash",
                "MD5",
                # When each was written: it stands in the list, the file's own time would cost a request.
                "--use-server-modtime",
                "--time-format",
                "unixnano",
                "--separator",
                "\t",
                self.remote.at,
            ],
            self.remote,
        )
        if found.status not in (0, NOT_FOUND):
            raise self._rclone.unreadable("lsf", found, self.remote)
        return Listing(dict(_entry(line) for line in found.lines))

    def wanted(self, source: Listing) -> dict[str, Entry]:
        """Files and, as small files, links; a bucket has no folders, modes or owners."""
        files = {
            standard_name(name): Entry("file", entry.size, entry.modified_at)
            for name, entry in source.of("file").items()
        }
        return files | {
            standard_name(name + LINK_SUFFIX): Entry(
                "file", len(os.fsencode(entry.target)), entry.modified_at, md5=_md5(entry.target)
            )
            for name, entry in source.of("link").items()
        }

    def key(self, name: str, entry: Entry) -> str:
        return standard_name(name + LINK_SUFFIX if entry.kind == "link" else name)

    def immovable(self, source: Listing) -> tuple[str, ...]:
        reasons = []
        for name in source.of("file", "link"):
            is_link = source.entries[name].kind == "link"
            key = name + LINK_SUFFIX if is_link else name
            if _key_bytes(key) > LONGEST_KEY_BYTES or len(os.fsencode(key.rpartition("/")[2])) > 255:
                reasons.append(f"{shown(name)}: its name is too long for a bucket")
            if is_link and key in source.entries:
                reasons.append(f"{shown(name + LINK_SUFFIX)}: the link {shown(name)} needs this name")
        return tuple(reasons)

    def state(self, copy: str) -> CopyState | None:
        for tag in self.tags():
            if tag["Key"] == tag_of(copy):
                parts = dict(part.partition("=")[::2] for part in tag["Value"].split())
                times = [float(parts[k]) if k in parts else None for k in TIMES]
                return CopyState(times[0] or 0.0, *times[1:])
        return None

    def tags(self) -> list[Any]:
        found = none_on(
            lambda: self._cloud.s3.get_bucket_tagging(**self._owned), "NoSuchTagSet", "NoSuchBucket"
        )
        return list(found["TagSet"]) if found else []

    def ours(self, copy: str, names: Collection[str]) -> set[str]:
        if not names:
            return set()
        argv = ["lsjson", "-R", "-M", "--files-only", *LIST, self.remote.at]
        found = json.loads(self._rclone.ask(argv, self.remote, stdin=lines(names)).stdout)
        marked = {entry["Path"] for entry in found if entry.get("Metadata", {}).get(MARK) == copy}
        return {name for name in names if logged_name(name) in marked}

    def clashes(self, source: SourceReader, listing: Listing, found: Listing) -> list[str]:
        there = [name for name in listing.of("file") if standard_name(name) in found.entries]
        differ = would_copy(self._rclone, source.remote, self.remote, there) if there else []
        links = listing.of("link")
        return sorted([*differ, *(n for n in self.odd_links(links, found) if _stored(n) in found.entries)])

    def outstanding(self, listing: Listing, found: Listing) -> tuple[list[str], int]:
        # Times are not looked at here, each would cost a request: `touched` and verify do.
        files = [
            name
            for name, entry in listing.of("file").items()
            if getattr(found.entries.get(standard_name(name)), "size", -1) != entry.size
        ]
        return files, len(self.odd_links(listing.of("link"), found))

    def touched(self, source: SourceReader, names: Collection[str], found: Listing) -> list[str]:
        if not names:
            return []
        times = would_copy(self._rclone, source.remote, self.remote, names)
        differing, unread = self._unequal(source, dict.fromkeys(names, 0), found)
        return list(dict.fromkeys([*times, *differing, *unread]))

    def strangers(self, listing: Listing, found: Listing) -> list[str]:
        wanted = self.wanted(listing)
        return [name for name in found.entries if name not in wanted]

    def free_bytes(self) -> int | None:
        return None

    def differing(self, source: SourceReader, listing: Listing, found: Listing) -> Differences:
        result = differences(self.wanted(listing), found.entries)
        unlike = {*result.missing, *result.size}
        same = [name for name in listing.of("file") if standard_name(name) not in unlike]
        touched = would_copy(self._rclone, source.remote, self.remote, same) if same else []
        return replace(result, modified=[standard_name(name) for name in touched])

    def unequal(self, source: SourceReader, listing: Listing, found: Listing) -> tuple[list[str], list[str]]:
        sizes = {name: entry.size for name, entry in listing.of("file").items()}
        differing, unread = self._unequal(source, sizes, found)
        return differing + self.odd_links(listing.of("link"), found), unread

    def _unequal(
        self, source: SourceReader, sizes: dict[str, int], found: Listing
    ) -> tuple[list[str], list[str]]:
        if not sizes:
            return [], []
        there = source.checksums([n for n, s in sizes.items() if s < SINGLE_PART_BYTES], self.algorithm)
        # A checksum that differs may be another one than MD5 (encrypted objects): the bytes decide.
        kept = {n: getattr(found.entries.get(standard_name(n)), "md5", "") for n in sizes}
        unsure = [n for n in sizes if n not in there or there[n] != kept[n]]
        return compare_bytes(self._rclone, source.remote, self.remote, unsure)

    def odd_links(self, links: dict[str, Entry], found: Listing) -> list[str]:
        return [
            n for n, e in links.items() if getattr(found.entries.get(_stored(n)), "md5", "") != _md5(e.target)
        ]


def tag_of(copy: str) -> str:
    return f"qianyun:{copy}"


def _stored(link: str) -> str:
    return standard_name(link + LINK_SUFFIX)


def _entry(line: str) -> tuple[str, Entry]:
    size, name, written, md5 = line.split("\t")
    return name, Entry("file", int(size), changed_at=int(written) / 1e9, md5=md5)


def _md5(text: str) -> str:
    return hashlib.md5(os.fsencode(text), usedforsecurity=False).hexdigest()


def _key_bytes(name: str) -> int:
    # rclone stores a byte that is no UTF-8 as a quote of three bytes and two digits, a control
    # character as its symbol.
    return sum(5 if "\udc80" <= c <= "\udcff" else len(c.encode()) for c in standard_name(name))
