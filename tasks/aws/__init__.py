"""The cloud: an AWS account, its network, instances, security, backups, names, buckets and DMS."""

from tasks.aws import secrets as secrets  # teaches aws: references
from tasks.aws.backups import SetBackupPlan
from tasks.aws.buckets import CreateBucket
from tasks.aws.endpoint import AwsAccount, AwsReader, AwsWriter, cloud_of
from tasks.aws.gateways import CreateInternetGateway
from tasks.aws.instances import RunInstance
from tasks.aws.network_acls import AclEntry, SetNetworkAcl
from tasks.aws.networks import CreateSubnet, CreateVpc
from tasks.aws.records import SwitchRecord, switch_records
from tasks.aws.routes import CreateRouteTable
from tasks.aws.security_groups import InboundRule, SetSecurityGroup

__all__ = [
    "AclEntry",
    "AwsAccount",
    "AwsReader",
    "AwsWriter",
    "CreateBucket",
    "CreateInternetGateway",
    "CreateRouteTable",
    "CreateSubnet",
    "CreateVpc",
    "InboundRule",
    "RunInstance",
    "SetBackupPlan",
    "SetNetworkAcl",
    "SetSecurityGroup",
    "SwitchRecord",
    "cloud_of",
    "switch_records",
]
