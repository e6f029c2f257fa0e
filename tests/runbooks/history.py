"""The record of the estate's migration, as the ledger would tell it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from runbooks.record import (
    Approved,
    ChangeLine,
    CheckLine,
    Issue,
    Reading,
    Record,
    StepLine,
)
from tests.runbooks.estate import FORMULA

START = datetime(2026, 12, 5, 12, 30, tzinfo=UTC)
DIGEST = "5f2c" * 16


def step(n: int, key: str, item: str = "", needs: tuple[str, ...] = (), **fields: Any) -> StepLine:
    name = key.rpartition("/")[2]
    return StepLine(
        key=key,
        item=item,
        needs=needs,
        state=fields.pop("state", "Applied"),
        reversal_kind=fields.pop("reversal_kind", "reversible"),
        reversal_how=fields.pop("reversal_how", "恢复到步骤前的状态"),
        p50_s=20.0,
        p90_s=60.0,
        started_at=START + timedelta(minutes=4 * n),
        ended_at=START + timedelta(minutes=4 * n, seconds=42),
        changes=(ChangeLine(action="create", object=f"{name} of {item or 'estate'}", after="{}"),),
        checks=fields.pop("checks", (CheckLine(name=name, status="PASS", planned="1", actual="1"),)),
        evidence=f"{n:02d}ab" * 16,
        **fields,
    )


STEPS = (
    step(0, "discovery/host/web-1", state="Unchanged"),
    step(1, "network/vpc"),
    step(2, "network/subnet/public-a", needs=("network/vpc",)),
    step(3, "security/group/web", needs=("network/vpc",)),
    step(
        4,
        "environment/web-2/instance",
        needs=("network/subnet/public-a", "security/group/web"),
        reversal_how="实例终止,磁盘随之删除",
    ),
    step(5, "environment/web-2/accounts", needs=("environment/web-2/instance",)),
    step(6, "applications/shop/site", "shop", ("environment/web-2/accounts",)),
    step(7, "databases/shop-db/data", "shop-db"),
    step(
        8,
        "databases/shop-db/comparison",
        "shop-db",
        ("databases/shop-db/data",),
        checks=(
            CheckLine(name="行数 orders", status="PASS", planned="200000", actual="200000"),
            CheckLine(name="内容 orders", status="PASS", planned="9b1d…", actual="9b1d…"),
        ),
    ),
    step(
        9,
        "files/share/estate-share",
        "share",
        checks=(CheckLine(name="2,048 个文件的内容", status="PASS", planned="2048", actual="2048"),),
    ),
    step(10, "security/backup/daily"),
    step(11, "testing/shop-front", "shop"),
    step(12, "testing/orders-sum", "shop-db"),
    step(13, "cutover/shop-db/freeze", "shop-db", reversal_how="恢复源端写入"),
    step(14, "cutover/shop-db/refresh", "shop-db", ("cutover/shop-db/freeze",), reversal_kind="compensating"),
    step(15, "cutover/shop-db/comparison", "shop-db", ("cutover/shop-db/refresh",)),
    step(16, "cutover/dns/shop", "", ("cutover/shop-db/comparison",)),
    step(17, "cutover/check/shop-front", "shop", ("cutover/dns/shop",)),
)
AFTER = START + timedelta(hours=2)

DISCOVERY = (
    Reading(
        step="discovery/host/web-1",
        taken_at=START,
        evidence="aa01" * 16,
        facts={
            "operating_system": {"name": "Debian GNU/Linux", "version": "12 (bookworm)", "kernel": "6.1.0"},
            "cpu_count": 2,
            "memory_bytes": 4 * 1024**3,
            "disks": [{"mount": "/", "filesystem": "ext4", "size_bytes": 42949672960, "used_bytes": 10}],
            "listening": ["22/tcp", "80/tcp"],
            "packages": [{"name": f"package-{n}", "version": "1"} for n in range(40)],
        },
    ),
    Reading(
        step="discovery/host/file-1",
        taken_at=START,
        evidence="aa02" * 16,
        facts={"operating_system": {"unreadable": "连接被拒绝"}, "cpu_count": 2, "memory_bytes": 2 * 1024**3},
    ),
    Reading(
        step="discovery/database/shop-db",
        taken_at=START,
        evidence="aa03" * 16,
        facts={"version": "10.11.6-MariaDB", "tables": 9, "size_bytes": 73_400_320},
    ),
    Reading(
        step="discovery/share/share",
        taken_at=START,
        evidence="aa04" * 16,
        facts={"path": "/srv/share", "files": 2048, "size_bytes": 52_428_800},
    ),
)


def reading(n: int, key: str, **facts: Any) -> Reading:
    return Reading(step=key, taken_at=AFTER, evidence=f"{n:02d}cd" * 16, facts=facts)


READINGS = (
    reading(1, "network/vpc", vpc={"id": "vpc-0a1b2c3d", "cidr": "10.80.0.0/16", "dns_names": True}),
    reading(
        2,
        "network/subnet/public-a",
        subnet={"id": "subnet-77aa", "cidr": "10.80.0.0/24", "zone": "cn-north-1a"},
    ),
    reading(
        3,
        "security/group/web",
        group={"id": "sg-0ff1", "rules": [{"source": "0.0.0.0/0", "port": 80, "protocol": "tcp"}]},
    ),
    reading(
        4,
        "environment/web-2/instance",
        subnet="subnet-77aa",
        group="sg-0ff1",
        instance={
            "id": "i-0123456789abcdef0",
            "state": "running",
            "type": "t3.small",
            "address": "10.80.0.10",
        },
    ),
    reading(5, "environment/web-2/accounts", accounts=["deploy", "www-data"]),
    reading(6, "applications/shop/site", software="nginx", version="1.22.1", note=FORMULA, port=80),
    reading(7, "databases/shop-db/data", tables=9, rows=200_000),
    reading(8, "files/share/estate-share", files=2048, size_bytes=52_428_800, missing={"absent": True}),
    reading(9, "security/backup/daily", plan="backup-plan-1", keep_days=30),
    reading(10, "cutover/dns/shop", record={"name": "shop.example.cn.", "value": "10.77.2.11", "ttl_s": 60}),
)

RECORD = Record(
    as_of=AFTER,
    plan_digest=DIGEST,
    steps=STEPS,
    discovery=DISCOVERY,
    readings=READINGS,
    approvals=(
        Approved(
            digest=DIGEST,
            approved_by="li@example.cn",
            requested_by="chen@example.com",
            at=START - timedelta(days=9),
        ),
    ),
    issues=(Issue(number="Q-1", text="旧服务器待甲方下架", level="P2", owner="李明"),),
    rollback_evidence="bb01" * 16,
)


def changed(key: str, **fields: Any) -> Record:
    """The record with one step told differently."""
    return replace(RECORD, steps=tuple(replace(s, **fields) if s.key == key else s for s in STEPS))
