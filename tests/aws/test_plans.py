"""What each step plans from which facts: change, no-op and refusal, as data."""

from pathlib import Path
from typing import Any

import pytest

from core.errors import Refused, Unreadable
from core.facts import ABSENT, Known
from core.facts import Unreadable as UnreadableFact
from core.plan import AfterApply
from inventory.secrets import SecretSource
from tasks.aws import (
    AclEntry,
    AwsAccount,
    CreateBucket,
    CreateInternetGateway,
    CreateRouteTable,
    CreateSubnet,
    CreateVpc,
    InboundRule,
    RunInstance,
    SetBackupPlan,
    SetNetworkAcl,
    SetSecurityGroup,
    SwitchRecord,
)
from tasks.aws.backups import BackupFacts, BackupPlan
from tasks.aws.buckets import BLOCKS, BucketFacts
from tasks.aws.gateways import Gateway, GatewayFacts
from tasks.aws.instances import Instance, InstanceFacts
from tasks.aws.network_acls import AclFacts, Membership
from tasks.aws.networks import Subnet, SubnetFacts, Vpc, VpcFacts
from tasks.aws.records import Record, RecordFacts
from tasks.aws.routes import Association, RouteTableFacts
from tasks.aws.security_groups import GroupFacts

KEY = SecretSource("env:KEY", Path("projects/practice"))
ACCOUNT = AwsAccount(
    account="123456789012", region="cn-north-1", project="practice", access_key_id=KEY, secret_access_key=KEY
)
VPC = Known("vpc-1")

vpc = CreateVpc(key="network/vpc", account=ACCOUNT, name="core", cidr="10.0.0.0/16")
subnet = CreateSubnet(
    key="network/subnet/a", account=ACCOUNT, name="a", cidr="10.0.0.0/24", zone="cn-north-1a", public=True
)
gateway = CreateInternetGateway(key="network/internet-gateway", account=ACCOUNT)
public = CreateRouteTable(
    key="network/route-table/public", account=ACCOUNT, name="public", subnets=("a",), public=True
)
private = CreateRouteTable(key="network/route-table/private", account=ACCOUNT, name="private", subnets=("a",))
instance = RunInstance(
    key="environment/web/instance",
    account=ACCOUNT,
    server="web",
    image="ami-1",
    instance_type="t3.small",
    subnet="a",
    security_group="web",
)
group = SetSecurityGroup(
    key="security/group/web",
    account=ACCOUNT,
    name="web",
    inbound=(InboundRule("0.0.0.0/0", "tcp", 80, 80), InboundRule("app", "tcp", 81, 81)),
)
acl = SetNetworkAcl(
    key="security/acl/p",
    account=ACCOUNT,
    name="p",
    subnets=("a",),
    entries=(AclEntry(100, False, "allow", "-1", "10.0.0.0/16"),),
)
backup = SetBackupPlan(
    key="security/backup/daily",
    account=ACCOUNT,
    name="daily",
    servers=("web",),
    schedule="cron",
    keep_days=30,
)
dns = SwitchRecord(
    key="cutover/dns/shop",
    account=ACCOUNT,
    zone="example.cn",
    name="shop",
    type="A",
    ttl_s=60,
    old="10.1.1.1",
    new="10.2.2.2",
)
bucket = CreateBucket(key="environment/bucket/share", account=ACCOUNT, name="share")


def running(**other: Any) -> InstanceFacts:
    values: dict[str, Any] = {
        "id": "i-1",
        "state": "running",
        "image": "ami-1",
        "type": "t3.small",
        "subnet": "subnet-1",
        "groups": ("sg-1",),
        "address": "10.0.0.4",
    }
    return InstanceFacts(Known("subnet-1"), Known("sg-1"), Known(Instance(**(values | other))))


def table(default: dict[str, str] | None, association: Association | None) -> RouteTableFacts:
    return RouteTableFacts(
        VPC,
        Known("igw-1"),
        Known("rtb-1"),
        Known(default) if default else ABSENT,
        {"a": Known(association) if association else ABSENT},
    )


OURS = Association("rtbassoc-1", "rtb-1")
RULES: dict[str, dict[str, str | int]] = {
    rule.text: {"source": rule.source, "protocol": "tcp", "from_port": 0, "to_port": 0, "reason": ""}
    for rule in group.inbound
}
PLAN = BackupPlan("p-1", "cron", 30, "practice-daily", [])
CLOSED = BucketFacts(Known("cn-north-1"), "Enabled", BLOCKS, "aws:kms", bucket.mark.tags())

CHANGES: list[tuple[str, Any, Any, list[str]]] = [
    (
        "vpc from nothing",
        vpc,
        VpcFacts(ABSENT),
        ["create VPC core", "change DNS names in VPC core"],
    ),
    (
        "vpc half made",
        vpc,
        VpcFacts(Known(Vpc("vpc-1", "10.0.0.0/16", False))),
        ["change DNS names in VPC core"],
    ),
    (
        "subnet from nothing",
        subnet,
        SubnetFacts(ABSENT, ABSENT),
        ["create subnet a", "change public addresses in subnet a"],
    ),
    (
        "gateway not attached",
        gateway,
        GatewayFacts(VPC, Known(Gateway("igw-1", "")), ABSENT),
        ["create attachment of the internet gateway"],
    ),
    (
        "route leads elsewhere, subnet in another table",
        public,
        table({"NatGatewayId": "nat-1"}, Association("rtbassoc-1", "rtb-9")),
        ["change default route of route table public", "change association of subnet a"],
    ),
    (
        "private table opened to the internet",
        private,
        table({"GatewayId": "igw-1"}, OURS),
        ["delete default route of route table private"],
    ),
    ("instance from nothing", instance, InstanceFacts(ABSENT, ABSENT, ABSENT), ["create instance web"]),
    (
        "instance stopped in a foreign group",
        instance,
        running(state="stopped", groups=("sg-2",)),
        ["change security groups of instance web", "change state of instance web"],
    ),
    (
        "group with one rule missing and one foreign",
        group,
        GroupFacts(VPC, Known("sg-1"), {"tcp 80 from 0.0.0.0/0": {}, "tcp 23 from 0.0.0.0/0": {}}),
        [
            "create rule of security group web: tcp 81 from app",
            "delete rule of security group web: tcp 23 from 0.0.0.0/0",
        ],
    ),
    (
        "acl from nothing",
        acl,
        AclFacts(ABSENT, ABSENT, {}, {"a": ABSENT}),
        [
            "create network ACL p",
            "create entry of network ACL p: inbound 100",
            "change network ACL of subnet a",
        ],
    ),
    (
        "backup kept too short, server not selected",
        backup,
        BackupFacts(Known("practice-daily"), Known(BackupPlan("p", "cron", 7, "practice-daily", [])), {}, {}),
        ["change backup plan daily", "create selection of backup plan daily: web"],
    ),
    (
        "old name",
        dns,
        RecordFacts(Known("Z"), Known(Record("10.1.1.1", 300))),
        ["change A record shop.example.cn."],
    ),
    (
        "new name, old ttl",
        dns,
        RecordFacts(Known("Z"), Known(Record("10.2.2.2", 9))),
        ["change A record shop.example.cn."],
    ),
    (
        "bucket from nothing",
        bucket,
        BucketFacts(ABSENT),
        [
            "create bucket share",
            "change public access blocks of bucket share",
            "change encryption of bucket share",
            "change versioning of bucket share",
            "change tags of bucket share",
        ],
    ),
]

NOTHING: list[tuple[str, Any, Any]] = [
    ("vpc", vpc, VpcFacts(Known(Vpc("vpc-1", "10.0.0.0/16", True)))),
    ("subnet", subnet, SubnetFacts(VPC, Known(Subnet("subnet-1", "10.0.0.0/24", "cn-north-1a", True)))),
    ("gateway", gateway, GatewayFacts(VPC, Known(Gateway("igw-1", "vpc-1")), ABSENT)),
    ("public table", public, table({"GatewayId": "igw-1"}, OURS)),
    ("private table with a way out through NAT", private, table({"NatGatewayId": "nat-1"}, OURS)),
    ("instance", instance, running()),
    ("group", group, GroupFacts(VPC, Known("sg-1"), RULES)),
    (
        "acl",
        acl,
        AclFacts(
            VPC, Known("acl-1"), {"inbound 100": acl.entries[0]}, {"a": Known(Membership("x", "acl-1"))}
        ),
    ),
    ("backup", backup, BackupFacts(Known("practice-daily"), Known(PLAN), {"web": "s-1"}, {"web": 1})),
    ("name", dns, RecordFacts(Known("Z"), Known(Record("10.2.2.2", 60)))),
    ("bucket", bucket, CLOSED),
]

REFUSALS: list[tuple[str, Any, Any, str]] = [
    (
        "vpc of another range",
        vpc,
        VpcFacts(Known(Vpc("vpc-1", "10.9.0.0/16", True))),
        "10.9.0.0/16.*10.0.0.0/16",
    ),
    (
        "subnet in another zone",
        subnet,
        SubnetFacts(VPC, Known(Subnet("s", "10.0.0.0/24", "cn-north-1b", True))),
        "zone cn-north-1b",
    ),
    ("foreign gateway", gateway, GatewayFacts(VPC, ABSENT, Known("igw-9")), "igw-9, not ours"),
    (
        "gateway elsewhere",
        gateway,
        GatewayFacts(VPC, Known(Gateway("igw-1", "vpc-9")), ABSENT),
        "vpc-9, wanted vpc-1",
    ),
    ("another image", instance, running(image="ami-2"), "ami-2.*ami-1"),
    ("another size", instance, running(type="m5.large"), "m5.large.*t3.small"),
    ("another subnet", instance, running(subnet="subnet-2"), "subnet-2.*subnet-1"),
    ("no zone", dns, RecordFacts(ABSENT, ABSENT), "no hosted zone example.cn."),
    ("no record", dns, RecordFacts(Known("Z"), ABSENT), "has no A record, expected 10.1.1.1"),
    (
        "neither old nor new",
        dns,
        RecordFacts(Known("Z"), Known(Record("10.9.9.9", 60))),
        "neither old .10.1.1.1. nor new .10.2.2.2.",
    ),
    (
        "bucket in another region",
        bucket,
        BucketFacts(Known("us-east-1")),
        "lies in us-east-1, agreed is cn-north-1",
    ),
]


@pytest.mark.parametrize(("step", "facts", "wanted"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_changes(step: Any, facts: Any, wanted: list[str]) -> None:
    plan = step.plan(facts)
    assert [f"{change.action} {change.object}" for change in plan.changes] == wanted
    assert plan.duration.p90_s >= plan.duration.p50_s > 0
    assert plan == step.plan(facts)


@pytest.mark.parametrize(("step", "facts"), [c[1:] for c in NOTHING], ids=[c[0] for c in NOTHING])
def test_nothing_to_do_explains_itself(step: Any, facts: Any) -> None:
    plan = step.plan(facts)
    assert plan.is_empty and plan.nothing_because


@pytest.mark.parametrize(("step", "facts", "text"), [c[1:] for c in REFUSALS], ids=[c[0] for c in REFUSALS])
def test_refusals(step: Any, facts: Any, text: str) -> None:
    with pytest.raises(Refused, match=text) as caught:
        step.plan(facts)
    assert caught.value.why
    assert str(caught.value).splitlines()[-1] == "    qianyun rehearse projects/practice"


def test_unreadable_is_never_planned_as_absent() -> None:
    with pytest.raises(Unreadable, match="no permission"):
        vpc.plan(VpcFacts(UnreadableFact("no permission")))


def test_what_others_make_is_known_after_apply() -> None:
    after = subnet.plan(SubnetFacts(ABSENT, ABSENT)).changes[0].after
    assert after["vpc"] == AfterApply("network/vpc", "id")
    after = instance.plan(InstanceFacts(ABSENT, ABSENT, ABSENT)).changes[0].after
    assert after["subnet"] == AfterApply("network/subnet/a", "id")
    assert after["security_group"] == AfterApply("security/group/web", "id")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("shop", "shop.example.cn."),
        ("Shop.Example.CN", "shop.example.cn."),
        ("shop.example.cn.", "shop.example.cn."),
        ("@", "example.cn."),
        ("example.cn", "example.cn."),
        ("notexample.cn", "notexample.cn.example.cn."),
        ("*", "*.example.cn."),
    ],
)
def test_names_in_a_zone(name: str, full: str) -> None:
    step = SwitchRecord(
        key="k", account=ACCOUNT, zone="example.cn.", name=name, type="A", ttl_s=1, old="1", new="2"
    )
    assert step.full_name == full
