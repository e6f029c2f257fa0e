"""Shares in object storage: where they are and what of a share a bucket keeps."""

from dataclasses import dataclass

from core.access import Journal
from tasks.aws.endpoint import AwsAccount
from tasks.files.bucket_reader import LINK_SUFFIX, BucketReader
from tasks.files.bucket_writer import BucketWriter
from tasks.files.ports import Target, TargetReader, TargetWriter


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
