"""Shares in object storage: rclone lists and moves, the account's own client keeps the marks."""

import hashlib
import json
import os
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.access import Journal
from core.errors import ApplyFailed
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsAccount, AwsReader, AwsWriter
from tasks.files.listing import Differences, Entry, Listing, differences, shown
from tasks.files.ports import CopyState, Moved, SourceReader, Target, TargetReader, TargetWriter
from tasks.files.rclone import NOT_FOUND, Rclone, Remote, logged_name, standard_name
from tasks.files.transfer import LIST, compare_bytes, lines, transfer, would_copy

LINK_SUFFIX = ".rclonelink"
"""rclone's own convention for links in stores without links: a file whose content is the link's target."""

LONGEST_KEY_BYTES = 1024
"""Source: Amazon S3 user guide, object key naming."""

SINGLE_PART_BYTES = 200 * 1024 * 1024
"""Above, an upload has several parts, and the MD5 that rclone reports is only what the uploader claimed."""

MARK = "qianyun-step"
_WORKERS = 8
_DELETED_AT_ONCE = 1000


@dataclass(frozen=True)
class TargetBucket(Target):
    """A bucket in the target account; the share's names are its keys."""

    account: AwsAccount
    bucket: str

    @property
    def address(self) -> str:
        return f"bucket {self.bucket}"

    @property
    def holds(self) -> dict[str, str]:
        return {
            "files": "all, with modification times (object metadata mtime)",
            "folders": "as parts of the keys; empty ones left out, a bucket has none",
            "links": f"as small files NAME{LINK_SUFFIX} that hold where they point",
            "modes and owners": "left out, a bucket has none",
            "hard links": "as objects of their own",
            "control characters and bytes that are no UTF-8 in names": "quoted as rclone does",
            "sockets, pipes, devices, ACLs, extended attributes": "left out",
        }

    def open_reader(self) -> TargetReader:
        return BucketReader(self.account, self.bucket, self.account.open_reader())

    def open_writer(self, journal: Journal) -> TargetWriter:
        return BucketWriter(self.account, self.bucket, journal)


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
                "sph",
                "--hash",
                "MD5",
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
            if tag["Key"] == _tag(copy):
                parts = dict(part.partition("=")[::2] for part in tag["Value"].split())
                times = [float(parts[k]) if k in parts else None for k in ("begun", "copied", "last")]
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
        return sorted([*differ, *(n for n in self._odd_links(links, found) if _stored(n) in found.entries)])

    def outstanding(self, listing: Listing, found: Listing) -> tuple[list[str], int]:
        # Times are not looked at here, each would cost a request: `touched` and verify do.
        files = [
            name
            for name, entry in listing.of("file").items()
            if getattr(found.entries.get(standard_name(name)), "size", -1) != entry.size
        ]
        return files, len(self._odd_links(listing.of("link"), found))

    def touched(self, source: SourceReader, names: Collection[str]) -> list[str]:
        if not names:
            return []
        times = would_copy(self._rclone, source.remote, self.remote, names)
        differing, unread = self._unequal(source, dict.fromkeys(names, 0))
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

    def unequal(self, source: SourceReader, listing: Listing) -> tuple[list[str], list[str]]:
        sizes = {name: entry.size for name, entry in listing.of("file").items()}
        differing, unread = self._unequal(source, sizes)
        return differing + self._odd_links(listing.of("link"), self.listing() or Listing({})), unread

    def _unequal(self, source: SourceReader, sizes: dict[str, int]) -> tuple[list[str], list[str]]:
        found = (self.listing() or Listing({})).entries
        there = source.checksums([n for n, s in sizes.items() if s < SINGLE_PART_BYTES], self.algorithm)
        # A checksum that differs may be another one than MD5 (encrypted objects): the bytes decide.
        unsure = [
            n for n in sizes if n not in there or there[n] != getattr(found.get(standard_name(n)), "md5", "")
        ]
        return compare_bytes(self._rclone, source.remote, self.remote, unsure)

    def _odd_links(self, links: dict[str, Entry], found: Listing) -> list[str]:
        return [
            n for n, e in links.items() if getattr(found.entries.get(_stored(n)), "md5", "") != _md5(e.target)
        ]


class BucketWriter:
    """Writes a copy into a bucket: every object carries the copy's key, the bucket's tag its state."""

    def __init__(self, account: AwsAccount, bucket: str, journal: Journal) -> None:
        self._cloud: AwsWriter = account.open_writer(journal)
        self._journal = journal
        self._owned: Any = {"Bucket": bucket, "ExpectedBucketOwner": account.account}
        self._look = BucketReader(account, bucket, self._cloud)
        self._rclone = Rclone(reading=False)

    def close(self) -> None:
        self._cloud.close()

    def begin(self, copy: str, source: Listing) -> None:
        if self._look.state(copy) is None:
            self.finish(copy, CopyState(source.latest_change))

    def transfer(self, copy: str, source: Remote, names: Collection[str], limit: int, moved: Moved) -> None:
        self._journal(f"{self._look.remote.address}: copy {len(names)} files from {source.address}")
        transfer(self._rclone, source, self._look.remote, names, _marked(copy), limit, moved)

    def settle(self, copy: str, source: Listing) -> None:
        links = source.of("link")
        names = self._look._odd_links(links, self._look.listing() or Listing({}))
        if not names:
            return
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                path = Path(folder, name + LINK_SUFFIX)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(os.fsencode(links[name].target))
                os.utime(path, (0, links[name].modified_at or 0))
            stand_ins = Remote("links", folder, "links", {"type": "local", "encoding": "Raw"})
            self._journal(f"{self._look.remote.address}: write {len(names)} links as {LINK_SUFFIX} files")
            to = self._look.remote
            transfer(self._rclone, stand_ins, to, [n + LINK_SUFFIX for n in names], _marked(copy))

    def remove(self, copy: str, names: Collection[str], what: str) -> None:
        ours = self._look.ours(copy, names)
        if ours:
            self._journal(f"{self._look.remote.address}: remove {what}: {len(ours)} files")
            argv = ["delete", *LIST, self._look.remote.at]
            self._rclone.do(argv, self._look.remote, stdin=lines(sorted(ours)))

    def finish(self, copy: str, state: CopyState) -> None:
        times = {"begun": state.begun_at, "copied": state.copied_at, "last": state.last_at}
        self._tag(copy, " ".join(f"{name}={time!r}" for name, time in times.items() if time is not None))

    def take_back(self, copy: str) -> None:
        if self._look.state(copy) is None:
            return
        ours = self._versions_of(copy)
        for start in range(0, len(ours), _DELETED_AT_ONCE):
            batch: Any = {"Objects": ours[start : start + _DELETED_AT_ONCE], "Quiet": True}
            answer = self._cloud.s3.delete_objects(Delete=batch, **self._owned)
            for error in answer.get("Errors", []):
                raise ApplyFailed(f"{self._look.remote.address}: {error.get('Key')}: {error.get('Message')}")
        self._tag(copy, "")

    def _versions_of(self, copy: str) -> list[Any]:
        """Every version the copy brought, and the deletion marks over nothing else: a bucket that keeps
        versions would otherwise never be empty again."""
        pages = self._cloud.s3.get_paginator("list_object_versions").paginate(**self._owned)
        versions, deletions = [], []
        for page in pages:
            versions += [(v["Key"], v["VersionId"]) for v in page.get("Versions", [])]
            deletions += [(v["Key"], v["VersionId"]) for v in page.get("DeleteMarkers", [])]
        with ThreadPoolExecutor(_WORKERS) as threads:
            marks = list(threads.map(self._mark, versions))
        ours = [version for version, mark in zip(versions, marks, strict=True) if mark == copy]
        foreign = {key for (key, _), mark in zip(versions, marks, strict=True) if mark != copy}
        brought = {key for key, _ in ours}
        ours += [(key, id_) for key, id_ in deletions if key in brought - foreign]
        return [{"Key": key, "VersionId": id_} for key, id_ in ours]

    def _mark(self, version: tuple[str, str]) -> str:
        key, id_ = version
        return self._cloud.s3.head_object(Key=key, VersionId=id_, **self._owned)["Metadata"].get(MARK, "")

    def _tag(self, copy: str, value: str) -> None:
        """Set our tag, or take it away where the value is empty; the others stay."""
        tags = [tag for tag in self._look.tags() if tag["Key"] != _tag(copy)]
        if value:
            tags.append({"Key": _tag(copy), "Value": value})
        if tags:
            self._cloud.s3.put_bucket_tagging(Tagging={"TagSet": tags}, **self._owned)
        else:
            self._cloud.s3.delete_bucket_tagging(**self._owned)


def _marked(copy: str) -> list[str]:
    return ["--metadata", "--metadata-set", f"{MARK}={copy}"]


def _tag(copy: str) -> str:
    return f"qianyun:{copy}"


def _stored(link: str) -> str:
    return standard_name(link + LINK_SUFFIX)


def _entry(line: str) -> tuple[str, Entry]:
    size, name, md5 = line.split("\t")
    return name, Entry("file", int(size), md5=md5)


def _md5(text: str) -> str:
    return hashlib.md5(os.fsencode(text), usedforsecurity=False).hexdigest()


def _key_bytes(name: str) -> int:
    # rclone stores a byte that is no UTF-8 as a quote of three bytes and two digits, a control
    # character as its symbol.
    return sum(5 if "\udc80" <= c <= "\udcff" else len(c.encode()) for c in standard_name(name))
