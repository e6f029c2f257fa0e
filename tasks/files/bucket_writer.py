"""A bucket filled: objects moved by rclone, each with our mark; versions and tags by the account's client."""

import os
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from core.access import Journal
from core.errors import ApplyFailed
from tasks.aws.endpoint import AwsAccount, AwsWriter
from tasks.files.bucket_reader import LINK_SUFFIX, MARK, TIMES, BucketReader, tag_of
from tasks.files.listing import Listing
from tasks.files.ports import CopyState, Moved
from tasks.files.rclone import Rclone, Remote
from tasks.files.transfer import LIST, lines, transfer

_WORKERS = 8
_DELETED_AT_ONCE = 1000


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

    def begin(self, copy: str, source: Listing, found: Listing | None) -> None:
        if self._look.state(copy) is None:
            self.finish(copy, CopyState(source.latest_change))

    def transfer(self, copy: str, source: Remote, names: Collection[str], limit: int, moved: Moved) -> None:
        self._journal(f"{self._look.remote.address}: copy {len(names)} files from {source.address}")
        transfer(self._rclone, source, self._look.remote, names, _marked(copy), limit, moved)

    def settle(self, copy: str, source: Listing, found: Listing, *, moved: bool) -> None:
        links = source.of("link")
        # What moved were files: the stand-ins of links are as they were.
        names = self._look.odd_links(links, found)
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
        times = dict(
            zip(TIMES, (state.begun_at, state.copied_at, state.last_at, state.ready_at), strict=True)
        )
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
        tags = [tag for tag in self._look.tags() if tag["Key"] != tag_of(copy)]
        if value:
            tags.append({"Key": tag_of(copy), "Value": value})
        if tags:
            self._cloud.s3.put_bucket_tagging(Tagging={"TagSet": tags}, **self._owned)
        else:
            self._cloud.s3.delete_bucket_tagging(**self._owned)


def _marked(copy: str) -> list[str]:
    return ["--metadata", "--metadata-set", f"{MARK}={copy}"]
