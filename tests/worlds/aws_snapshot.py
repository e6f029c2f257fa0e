"""The account's whole state with generated ids replaced by what they stand for."""

import json
import re
from typing import Any

from tests.worlds.aws_server import client

_VOLATILE = re.compile(
    r"Time$|Date$|^ResponseMetadata$|^OwnerId$|^ReservationId$|^ClientToken$|^Launch|^VersionId$|^RuleId$"
    r"|AssociationId$|^AttachmentId$|DnsName$|^MacAddress$|^PrivateIpAddress|^PublicIp|^Etag$|^RequestId$"
    r"|^SecurityGroupRuleId$|^SecurityGroupRuleArn$|^NetworkInterfaces$|^BlockDeviceMappings$|^RootDeviceName$"
    r"|^SelectionId$|^CallerReference$|^StateTransitionReason$|^StateReason$|^UsageOperation|^AmiLaunchIndex$"
)
_ID = re.compile(r"\b(vpc|subnet|igw|rtb|acl|sg|i|vol|dopt)-[0-9a-f]{8,17}\b")


def snapshot() -> Any:
    """Comparable with ==: what exists, tagged how, related how."""
    state = {**_ec2(), "zones": _zones(), "buckets": _buckets(), "backup": _backup()}
    names = _names(state)
    text = json.dumps(_stable(state), sort_keys=True, default=str)
    return _sorted(json.loads(_ID.sub(lambda match: names.get(match[0], match[1]), text)))


def _ec2() -> dict[str, Any]:
    ec2 = client("ec2")
    instances = [
        instance
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"  # AWS lists them for an hour; they are gone all the same
    ]
    vpcs = ec2.describe_vpcs()["Vpcs"]
    for vpc in vpcs:
        names = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
        vpc["DnsNames"] = names["EnableDnsHostnames"]["Value"]
    subnets = [
        {key: value for key, value in subnet.items() if key != "AvailableIpAddressCount"}
        for subnet in ec2.describe_subnets()["Subnets"]
    ]
    acls = ec2.describe_network_acls()["NetworkAcls"]
    for acl in acls:
        # moto leaves the association of a deleted subnet behind, and the default ACL of a deleted VPC;
        # AWS takes them along.
        ids = {subnet["SubnetId"] for subnet in subnets}
        acl["Associations"] = [found for found in acl["Associations"] if found["SubnetId"] in ids]
    alive = {vpc["VpcId"] for vpc in vpcs}

    def inside(things: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [thing for thing in things if thing["VpcId"] in alive]

    return {
        "vpcs": vpcs,
        "subnets": subnets,
        "gateways": ec2.describe_internet_gateways()["InternetGateways"],
        "tables": inside(ec2.describe_route_tables()["RouteTables"]),
        "acls": inside(acls),
        "groups": inside(ec2.describe_security_groups()["SecurityGroups"]),
        "instances": instances,
    }


def _zones() -> dict[str, Any]:
    route53 = client("route53")
    return {
        zone["Name"]: [
            record
            for record in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
            if record["Type"] not in ("NS", "SOA")
        ]
        for zone in route53.list_hosted_zones()["HostedZones"]
    }


def _buckets() -> dict[str, Any]:
    s3 = client("s3")

    def setting(read: Any, name: str) -> Any:
        try:
            return {key: value for key, value in read(Bucket=name).items() if key != "ResponseMetadata"}
        except s3.exceptions.ClientError as error:
            return error.response["Error"]["Code"]

    reads = (
        s3.get_bucket_versioning,
        s3.get_public_access_block,
        s3.get_bucket_encryption,
        s3.get_bucket_location,
        s3.get_bucket_tagging,
    )
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    return {name: [setting(read, name) for read in reads] for name in names}


def _backup() -> dict[str, Any]:
    backup = client("backup")
    plans = {}
    for found in backup.list_backup_plans()["BackupPlansList"]:
        plan = backup.get_backup_plan(BackupPlanId=found["BackupPlanId"])
        selections = backup.list_backup_selections(BackupPlanId=found["BackupPlanId"])["BackupSelectionsList"]
        plans[found["BackupPlanName"]] = {
            "rules": plan["BackupPlan"]["Rules"],
            "tags": backup.list_tags(ResourceArn=plan["BackupPlanArn"])["Tags"],
            "selections": [
                backup.get_backup_selection(
                    BackupPlanId=found["BackupPlanId"], SelectionId=selection["SelectionId"]
                )["BackupSelection"]
                for selection in selections
            ],
        }
    vaults = [vault["BackupVaultName"] for vault in backup.list_backup_vaults()["BackupVaultList"]]
    return {"plans": plans, "vaults": vaults}


def _names(state: dict[str, Any]) -> dict[str, str]:
    """A stable name for every id: the step that made the object, or its kind."""
    kinds = {
        "vpcs": "VpcId",
        "subnets": "SubnetId",
        "gateways": "InternetGatewayId",
        "tables": "RouteTableId",
        "acls": "NetworkAclId",
        "groups": "GroupId",
        "instances": "InstanceId",
    }
    names = {}
    for kind, id_ in kinds.items():
        for thing in state[kind]:
            tags = {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}
            other = (
                thing.get("GroupName") or thing.get("CidrBlock") or thing.get("VpcId", "").partition("-")[0]
            )
            names[thing[id_]] = f"{kind} of {tags.get('qianyun:step') or tags.get('Name') or other}"
    return names


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stable(inner) for key, inner in value.items() if not _VOLATILE.search(key)}
    return [_stable(inner) for inner in value] if isinstance(value, list) else value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted(
            (_sorted(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True)
        )
    return value
