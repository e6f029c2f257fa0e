"""AWS steps enrolled in the lifecycle contract, against moto's server."""

from collections.abc import Callable
from typing import Any

from core.step import Step
from tasks.aws import (
    AclEntry,
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
from tasks.aws.buckets import BLOCKS
from tasks.aws.endpoint import AwsAccount
from tests.contract.case import Case, World
from tests.worlds.aws_server import REGION, Keys, client, reset, seed_zone, server_url, tags
from tests.worlds.aws_snapshot import snapshot

ZONE = "practice.example.cn."
IMAGE = "ami-12c6146b"


class AwsWorld:
    """A fresh account. The methods named after objects make what an earlier step would have made."""

    def __init__(self) -> None:
        reset()
        self.keys = Keys()
        self.damage: Callable[[], object] = lambda: None

    @property
    def account(self) -> AwsAccount:
        return self.keys.account()

    def vpc(self) -> str:
        made = client("ec2").create_vpc(CidrBlock="10.80.0.0/16", **_tagged("vpc", "network/vpc"))
        return str(made["Vpc"]["VpcId"])

    def subnet(self, vpc: str, name: str, cidr: str) -> str:
        made = client("ec2").create_subnet(
            VpcId=vpc,
            CidrBlock=cidr,
            AvailabilityZone=f"{REGION}a",
            **_tagged("subnet", f"network/subnet/{name}"),
        )
        return str(made["Subnet"]["SubnetId"])

    def gateway(self, vpc: str) -> str:
        ec2 = client("ec2")
        made = ec2.create_internet_gateway(**_tagged("internet-gateway", "network/internet-gateway"))
        id_ = str(made["InternetGateway"]["InternetGatewayId"])
        ec2.attach_internet_gateway(InternetGatewayId=id_, VpcId=vpc)
        return id_

    def table(self, vpc: str, name: str = "somebody's") -> str:
        return str(client("ec2").create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"])

    def group(self, vpc: str, name: str) -> str:
        made = client("ec2").create_security_group(
            GroupName=f"practice-{name}",
            Description=name,
            VpcId=vpc,
            **_tagged("security-group", f"security/group/{name}"),
        )
        return str(made["GroupId"])

    def instance(self, server: str, subnet: str, group: str) -> str:
        made = client("ec2").run_instances(
            ImageId=IMAGE,
            InstanceType="t3.small",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            SecurityGroupIds=[group],
            **_tagged("instance", f"environment/{server}/instance"),
        )
        return str(made["Instances"][0]["InstanceId"])

    def snapshot(self) -> object:
        return snapshot()

    def make_unreadable(self) -> None:
        self.keys.deny_everything()

    def disturb(self) -> None:
        self.damage()

    def close(self) -> None:
        self.keys.close()


def _tagged(kind: str, step: str) -> dict[str, Any]:
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags(step)}]}


def _id(kind: str, list_name: str, id_name: str, step: str) -> str:
    """The id of what a step made."""
    filters = [{"Name": "tag:qianyun:step", "Values": [step]}]
    found = getattr(client("ec2"), f"describe_{kind}")(Filters=filters)[list_name]
    return str(found[0][id_name])


Built = tuple[Step[Any], World]


def vpc() -> Built:
    world = AwsWorld()
    step = CreateVpc(key="network/vpc", account=world.account, name="practice", cidr="10.80.0.0/16")
    world.damage = lambda: client("ec2").modify_vpc_attribute(
        VpcId=_id("vpcs", "Vpcs", "VpcId", step.key), EnableDnsHostnames={"Value": False}
    )
    return step, world


def subnet() -> Built:
    world = AwsWorld()
    world.vpc()
    step = CreateSubnet(
        key="network/subnet/public-a",
        account=world.account,
        name="public-a",
        cidr="10.80.0.0/24",
        zone=f"{REGION}a",
        public=True,
    )
    world.damage = lambda: client("ec2").delete_subnet(
        SubnetId=_id("subnets", "Subnets", "SubnetId", step.key)
    )
    return step, world


def internet_gateway() -> Built:
    world = AwsWorld()
    vpc = world.vpc()
    step = CreateInternetGateway(key="network/internet-gateway", account=world.account)
    world.damage = lambda: client("ec2").detach_internet_gateway(
        InternetGatewayId=_id("internet_gateways", "InternetGateways", "InternetGatewayId", step.key),
        VpcId=vpc,
    )
    return step, world


def public_route_table() -> Built:
    """One of the subnets uses somebody else's table before."""
    world = AwsWorld()
    vpc = world.vpc()
    world.gateway(vpc)
    world.subnet(vpc, "public-a", "10.80.0.0/24")
    other = world.subnet(vpc, "public-b", "10.80.1.0/24")
    client("ec2").associate_route_table(RouteTableId=world.table(vpc), SubnetId=other)
    step = CreateRouteTable(
        key="network/route-table/public",
        account=world.account,
        name="public",
        subnets=("public-a", "public-b"),
        public=True,
    )
    world.damage = lambda: client("ec2").delete_route(
        RouteTableId=_id("route_tables", "RouteTables", "RouteTableId", step.key),
        DestinationCidrBlock="0.0.0.0/0",
    )
    return step, world


def private_route_table() -> Built:
    world = AwsWorld()
    vpc = world.vpc()
    gateway = world.gateway(vpc)
    world.subnet(vpc, "private-a", "10.80.10.0/24")
    step = CreateRouteTable(
        key="network/route-table/private", account=world.account, name="private", subnets=("private-a",)
    )
    world.damage = lambda: client("ec2").create_route(
        RouteTableId=_id("route_tables", "RouteTables", "RouteTableId", step.key),
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=gateway,
    )
    return step, world


def instance() -> Built:
    world = AwsWorld()
    vpc = world.vpc()
    world.subnet(vpc, "public-a", "10.80.0.0/24")
    world.group(vpc, "web")
    step = RunInstance(
        key="environment/web-2/instance",
        account=world.account,
        server="web-2",
        image=IMAGE,
        instance_type="t3.small",
        subnet="public-a",
        security_group="web",
        address="10.80.0.11",
    )
    world.damage = lambda: client("ec2").terminate_instances(InstanceIds=[_instance_id(step.key)])
    return step, world


def drifted_instance() -> Built:
    """It is there already, stopped, in a foreign group."""
    world = AwsWorld()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "public-a", "10.80.0.0/24")
    world.group(vpc, "web")
    id_ = world.instance("web-2", subnet, world.group(vpc, "app"))
    client("ec2").stop_instances(InstanceIds=[id_])
    step = RunInstance(
        key="environment/web-2/instance",
        account=world.account,
        server="web-2",
        image=IMAGE,
        instance_type="t3.small",
        subnet="public-a",
        security_group="web",
    )
    world.damage = lambda: client("ec2").stop_instances(InstanceIds=[id_])
    return step, world


def _instance_id(step: str) -> str:
    filters = [
        {"Name": "tag:qianyun:step", "Values": [step]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    return str(
        client("ec2").describe_instances(Filters=filters)["Reservations"][0]["Instances"][0]["InstanceId"]
    )


INBOUND = (
    InboundRule("10.77.1.0/24", "tcp", 22, 22, "operation, 运维"),
    InboundRule("web", "tcp", 8080, 8080, "the shop calls the order service"),
    InboundRule("0.0.0.0/0", "icmp", -1, -1, "reachability"),
)


def security_group() -> Built:
    world = AwsWorld()
    world.group(world.vpc(), "web")
    step = SetSecurityGroup(key="security/group/app", account=world.account, name="app", inbound=INBOUND)
    world.damage = lambda: _open_port(_group_id(step.key), 3389)
    return step, world


def drifted_security_group() -> Built:
    """It is there already: one rule too many, two missing."""
    world = AwsWorld()
    vpc = world.vpc()
    world.group(vpc, "web")
    group = world.group(vpc, "app")
    _open_port(group, 23)
    _open_port(group, 22, "10.77.1.0/24")
    step = SetSecurityGroup(key="security/group/app", account=world.account, name="app", inbound=INBOUND)
    world.damage = lambda: client("ec2").revoke_security_group_ingress(
        GroupId=group, IpProtocol="icmp", FromPort=-1, ToPort=-1, CidrIp="0.0.0.0/0"
    )
    return step, world


def _group_id(step: str) -> str:
    return _id("security_groups", "SecurityGroups", "GroupId", step)


def _open_port(group: str, port: int, cidr: str = "0.0.0.0/0") -> None:
    client("ec2").authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=cidr
    )


ENTRIES = (
    AclEntry(100, False, "allow", "6", "10.80.0.0/16", 0, 65535),
    AclEntry(110, False, "deny", "1", "10.77.1.0/24"),
    AclEntry(100, True, "allow", "-1", "10.80.0.0/16"),
)


def network_acl() -> Built:
    world = AwsWorld()
    vpc = world.vpc()
    world.subnet(vpc, "private-a", "10.80.10.0/24")
    step = SetNetworkAcl(
        key="security/acl/private",
        account=world.account,
        name="private",
        subnets=("private-a",),
        entries=ENTRIES[:2],
    )
    world.damage = lambda: client("ec2").delete_network_acl_entry(
        NetworkAclId=_id("network_acls", "NetworkAcls", "NetworkAclId", step.key),
        RuleNumber=110,
        Egress=False,
    )
    return step, world


def drifted_network_acl() -> Built:
    """It is there already and in force on one subnet: one entry foreign, one different, one missing."""
    world = AwsWorld()
    vpc = world.vpc()
    ec2 = client("ec2")
    made = ec2.create_network_acl(VpcId=vpc, **_tagged("network-acl", "security/acl/private"))
    acl = made["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "Protocol": "-1", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}
    ec2.create_network_acl_entry(RuleNumber=90, Egress=False, **entry)
    ec2.create_network_acl_entry(RuleNumber=100, Egress=True, **entry)
    for name, cidr in _PRIVATE.items():
        world.subnet(vpc, name, cidr)
    step = SetNetworkAcl(
        key="security/acl/private",
        account=world.account,
        name="private",
        subnets=tuple(_PRIVATE),
        entries=ENTRIES,
    )
    world.damage = lambda: ec2.create_network_acl_entry(RuleNumber=80, Egress=False, **entry)
    return step, world


_PRIVATE = {"private-a": "10.80.10.0/24", "private-b": "10.80.11.0/24"}


def backup_plan() -> Built:
    world = _world_with_servers()
    step = _backup(world, keep_days=30)
    world.damage = lambda: client("backup").delete_backup_selection(**_first_selection())
    return step, world


def drifted_backup_plan() -> Built:
    """Plan and vault are there with another schedule; one server is not selected."""
    world = _world_with_servers()
    backup = client("backup")
    backup.create_backup_vault(BackupVaultName="practice-daily")
    rule = {
        "RuleName": "scheduled",
        "TargetBackupVaultName": "practice-daily",
        "ScheduleExpression": "cron(0 5 * * ? *)",
        "Lifecycle": {"DeleteAfterDays": 3},
    }
    backup.create_backup_plan(BackupPlan={"BackupPlanName": "practice-daily", "Rules": [rule]})
    step = _backup(world, keep_days=30)
    world.damage = lambda: client("ec2").terminate_instances(
        InstanceIds=[_instance_id("environment/app-2/instance")]
    )
    return step, world


def _world_with_servers() -> AwsWorld:
    world = AwsWorld()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "public-a", "10.80.0.0/24"), world.group(vpc, "web")
    for server in ("web-2", "app-2"):
        world.instance(server, subnet, group)
    return world


def _backup(world: AwsWorld, keep_days: int) -> SetBackupPlan:
    return SetBackupPlan(
        key="security/backup/daily",
        account=world.account,
        name="daily",
        servers=("web-2", "app-2"),
        schedule="cron(0 18 * * ? *)",
        keep_days=keep_days,
    )


def _first_selection() -> dict[str, str]:
    backup = client("backup")
    plan = backup.list_backup_plans()["BackupPlansList"][0]["BackupPlanId"]
    found = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"][0]
    return {"BackupPlanId": plan, "SelectionId": found["SelectionId"]}


def record() -> Built:
    world = AwsWorld()
    names = {f"shop.{ZONE}": "10.77.1.11", f"shop2.{ZONE}": "10.77.1.12", ZONE: "10.77.1.11"}
    seed_zone(server_url(), REGION, ZONE, names)
    step = SwitchRecord(
        key="cutover/dns/shop",
        account=world.account,
        zone=ZONE,
        name="shop",
        type="A",
        ttl_s=60,
        old="10.77.1.11",
        new="10.77.2.11",
    )
    world.damage = lambda: seed_zone(server_url(), REGION, ZONE, {f"shop.{ZONE}": "10.77.9.9"})
    return step, world


def bucket() -> Built:
    world = AwsWorld()
    step = CreateBucket(key="environment/bucket/practice-share", account=world.account, name="practice-share")
    world.damage = lambda: client("s3").delete_public_access_block(Bucket="practice-share")
    return step, world


def drifted_bucket() -> Built:
    """The customer made it: open, its own tags, versions suspended."""
    world = AwsWorld()
    s3 = client("s3")
    s3.create_bucket(Bucket="practice-share", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="practice-share", VersioningConfiguration={"Status": "Suspended"})
    s3.put_bucket_tagging(
        Bucket="practice-share", Tagging={"TagSet": [{"Key": "cost-centre", "Value": "四"}]}
    )
    s3.put_public_access_block(
        Bucket="practice-share", PublicAccessBlockConfiguration=dict.fromkeys(BLOCKS, False)
    )
    step = CreateBucket(key="environment/bucket/practice-share", account=world.account, name="practice-share")
    world.damage = lambda: s3.delete_bucket_encryption(Bucket="practice-share")
    return step, world


CASES = [
    Case(f"aws-{build.__name__.replace('_', '-')}", build)
    for build in (
        vpc,
        subnet,
        internet_gateway,
        public_route_table,
        private_route_table,
        instance,
        drifted_instance,
        security_group,
        drifted_security_group,
        network_acl,
        drifted_network_acl,
        backup_plan,
        drifted_backup_plan,
        record,
        bucket,
        drifted_bucket,
    )
]
