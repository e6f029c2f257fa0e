"""The practice estate's share to a disk and to a bucket: rehearsed, copied, proved, cut over, taken back."""

import os
from typing import Any

import pytest

from core.access import Reader
from core.checks import Status
from core.errors import ApplyFailed
from core.facts import Known
from flows.cutover_files import final_sync
from flows.discovery_shares import shares
from flows.files import files
from inventory.migration import Item
from inventory.model import Inventory
from inventory.project import Project
from inventory.sources import FileShare, Host, Sources, Ssh
from inventory.targets import AwsProvider, Bucket, Cloud, Directory, Server, Targets
from lab import faults
from lab.estate import Estate
from lab.processes import inside
from lab.snapshot import snapshot
from tasks.aws import CreateBucket, cloud_of
from tests.contract.test_lifecycle import apply, look_and_plan, status, undo
from tests.live.conftest import ON_ESTATE

NAME = "livefiles"
BUCKET = "live-share"
pytestmark = ON_ESTATE


@pytest.fixture(scope="module")
def inventory(lab: Estate) -> Inventory:
    def ssh(host: str) -> Ssh:
        return Ssh(address=lab.address(host), key="file:secrets/ssh_key", known_hosts="secrets/known_hosts")

    os.environ["QIANYUN_TEST_KEY"] = "any-key"
    provider = AwsProvider(
        account="123456789012",
        endpoint_url=f"http://{lab.address('cloud')}:5000",
        access_key_id="env:QIANYUN_TEST_KEY",
        secret_access_key="env:QIANYUN_TEST_KEY",
    )
    return Inventory.model_construct(
        folder=lab.root,
        project=Project.model_construct(id="live"),
        sources=Sources(
            hosts=(Host(name="file-1", ssh=ssh("file-1")),),
            file_shares=(FileShare(name="share", host="file-1", path="/srv/share"),),
        ),
        targets=Targets.model_construct(
            cloud=Cloud(region="cn-north-1", provider=provider),
            servers=(Server.model_construct(name="file-2", ssh=ssh("file-2"), accounts=()),),
            buckets=(Bucket(name=BUCKET),),
            directories=(Directory(name="disk", server="file-2", path="/data/share"),),
        ),
        migration_list=(Item(name="share", kind="file_share", in_scope=True, target=(BUCKET, "disk")),),
    )


def by_key(steps: list[Any]) -> dict[str, Any]:
    return {step.key: step for step in steps}


def test_the_share_is_counted(inventory: Inventory) -> None:
    (read,) = shares(inventory)
    reader = Reader()
    share = read.inspect(reader).share
    reader.close()
    assert isinstance(share, Known)
    assert share.value.files >= 2000
    assert share.value.links >= 1 and share.value.empty_folders >= 1
    assert status(read) is Status.PASS


def test_to_a_disk_and_back(lab: Estate, inventory: Inventory) -> None:
    step = by_key(files(inventory))["files/share/disk"]
    last = by_key(final_sync(inventory))["cutover/share/disk"]
    before = snapshot(NAME)
    assert look_and_plan(step).changes
    assert snapshot(NAME) == before, "a rehearsal writes nothing"
    plan, _ = apply(step)
    assert status(step) is Status.PASS
    assert look_and_plan(step).is_empty
    inside(
        lab,
        "file-2",
        ["sh", "-c", "printf X | dd of=/data/share/影像/宣传片.bin conv=notrunc bs=1 seek=5000"],
    )
    inside(lab, "file-2", ["touch", "-r", "/data/share/crowd/0000.dat", "/data/share/影像/宣传片.bin"])
    assert status(step) is Status.FAIL
    inside(lab, "file-2", ["rm", "/data/share/影像/宣传片.bin"])
    apply(step)
    assert status(step) is Status.PASS
    last_plan, _ = apply(last)
    assert status(last) is Status.PASS
    undo(last, last_plan)
    undo(step, plan)
    after = snapshot(NAME)
    # The overlay of that host now holds copies of folders above what came and went again.
    assert {k for k in before if before[k] != after[k]} <= {"file-2/files"}
    inside(lab, "file-2", ["sh", "-c", "test ! -e /var/lib/qianyun && test ! -e /data/share"])


def test_to_a_bucket_and_back(inventory: Inventory) -> None:
    bucket = CreateBucket(key=f"environment/bucket/{BUCKET}", account=cloud_of(inventory), name=BUCKET)
    step = by_key(files(inventory))[f"files/share/{BUCKET}"]
    rehearsed = look_and_plan(step)
    made, _ = apply(bucket)
    plan, _ = apply(step)
    assert [c.logical() for c in plan.changes] == [c.logical() for c in rehearsed.changes]
    assert status(step) is Status.PASS
    assert look_and_plan(step).is_empty
    undo(step, plan)
    undo(bucket, made)


def test_a_full_disk_is_named_and_got_over(lab: Estate, inventory: Inventory) -> None:
    step = by_key(files(inventory))["files/share/disk"]
    faults.fill_disk(lab, "file-2")
    try:
        with pytest.raises(ApplyFailed, match="are free"):
            apply(step)
    finally:
        faults.free_disk(lab, "file-2")
    plan, _ = apply(step)
    assert status(step) is Status.PASS
    undo(step, plan)
