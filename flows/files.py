"""Phase 6, files: every share of the migration list to its buckets and disks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.errors import Refused
from core.step import Step
from flows.instances import bucket_key
from inventory.model import Inventory
from tasks.aws import cloud_of
from tasks.files import CopyFiles, SourceFolder, TargetBucket, TargetFolder
from tasks.files.ports import Target
from tasks.hosts.endpoint import ssh_host


@dataclass(frozen=True)
class Copy:
    """One share on its way to one place."""

    key: str
    share: str
    place: str
    source: SourceFolder
    target: Target
    needs: tuple[str, ...]


def files(inventory: Inventory) -> list[Step[Any]]:
    return [
        CopyFiles(
            key=copy.key,
            needs=(f"discovery/share/{copy.share}", *copy.needs),
            item=copy.share,
            source=copy.source,
            target=copy.target,
            copy=copy.key,
        )
        for copy in copies(inventory)
    ]


def copies(inventory: Inventory) -> Iterator[Copy]:
    """Every share in scope with each of its targets.

    Raises: errors.Refused where two shares would mix in one place.
    """
    taken: dict[str, str] = {}
    for item in inventory.in_scope("file_share"):
        for place in item.target:
            if place in taken:
                raise Refused(
                    f"the shares {taken[place]!r} and {item.name!r} both go to {place!r}",
                    why="Their names could collide; give each a bucket or folder of its own.",
                    next_command=f"qianyun check {inventory.folder}",
                )
            taken[place] = item.name
            yield _copy(inventory, item.name, place)


def source_of(inventory: Inventory, share: str) -> SourceFolder:
    wanted = inventory.file_share(share)
    return SourceFolder(ssh_host(inventory.host(wanted.host).ssh, inventory.folder), wanted.path)


def _copy(inventory: Inventory, share: str, place: str) -> Copy:
    key, source = f"files/{share}/{place}", source_of(inventory, share)
    directory = next((d for d in inventory.targets.directories if d.name == place), None)
    if directory is None:
        target: Target = TargetBucket(cloud_of(inventory), place)
        return Copy(key, share, place, source, target, (bucket_key(place),))
    host = ssh_host(inventory.server(directory.server).ssh, inventory.folder)
    needs = (f"environment/{directory.server}/accounts",)
    return Copy(key, share, place, source, TargetFolder(host, directory.path), needs)
