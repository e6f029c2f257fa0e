"""Shares on the disks of hosts: where they are and what of a share such a place keeps."""

from dataclasses import dataclass

from core.access import Journal
from tasks.files.folder_reader import FolderReader
from tasks.files.folder_writer import FolderWriter
from tasks.files.ports import Source, SourceReader, Target, TargetReader, TargetWriter
from tasks.files.shell import sftp_remote
from tasks.hosts.endpoint import SshHost


@dataclass(frozen=True)
class SourceFolder(Source):
    """A share: a folder on a source host."""

    host: SshHost
    path: str

    @property
    def address(self) -> str:
        return f"{self.host.address}:{self.path}"

    def open_reader(self) -> SourceReader:
        return FolderReader(self.host.connect(), sftp_remote("src", self.host, self.path), self.path)

    def open_writer(self, journal: Journal) -> SourceReader:
        raise AssertionError("nothing is ever written to a source")


@dataclass(frozen=True)
class TargetFolder(Target):
    """A folder on a target server's disk."""

    host: SshHost
    path: str

    @property
    def address(self) -> str:
        return f"{self.host.address}:{self.path}"

    @property
    def holds(self) -> dict[str, str]:
        return {
            "files": "all, with modification times in whole seconds",
            "folders": "all, empty ones too, with their times",
            "links": "as links, pointing where they point at the source",
            "modes and owners": "kept; an owner or group that the target does not know by name, by number",
            "hard links": "as files of their own",
            "sockets, pipes, devices, ACLs, extended attributes": "left out",
        }

    def open_reader(self) -> TargetReader:
        return FolderReader(self.host.connect(), sftp_remote("dst", self.host, self.path), self.path)

    def open_writer(self, journal: Journal) -> TargetWriter:
        remote = sftp_remote("dst", self.host, self.path)
        return FolderWriter(self.host.connect(), remote, self.path, journal)
