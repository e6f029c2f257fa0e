"""File shares: read, copied to disks and buckets by rclone, compared byte for byte."""

from tasks.files.bucket import TargetBucket
from tasks.files.copy_files import CopyFiles
from tasks.files.disk import SourceFolder, TargetFolder
from tasks.files.level_files import LevelFiles
from tasks.files.read_share import ReadShare

__all__ = ["CopyFiles", "LevelFiles", "ReadShare", "SourceFolder", "TargetBucket", "TargetFolder"]
