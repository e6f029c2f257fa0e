"""targets.yaml: what the customer wants, in cloud-neutral words; provider details in `provider` blocks."""

from typing import Literal

from pydantic import Field, IPvAnyNetwork

from inventory.base import (
    AbsolutePath,
    Address,
    CloudAccount,
    DmsClass,
    Name,
    Noun,
    Package,
    RecordName,
    RoleArn,
    SecretRef,
    SystemAccount,
    Words,
)
from inventory.sources import Ssh


class AwsProvider(Noun):
    """Details of an AWS account (or of an endpoint that speaks its API)."""

    kind: Literal["aws"] = "aws"
    account: CloudAccount
    endpoint_url: str = Field(default="", description="Another endpoint than the region's own")
    access_key_id: SecretRef
    secret_access_key: SecretRef


class Cloud(Noun):
    region: str = Field(description="Must be on the residency list")
    provider: AwsProvider


class Subnet(Noun):
    name: Name
    cidr: IPvAnyNetwork
    zone: Words
    public: bool = False


class Network(Noun):
    """The wished network: one VPC cut into subnets."""

    name: Name
    cidr: IPvAnyNetwork
    subnets: tuple[Subnet, ...] = Field(min_length=1)


class InstanceProvider(Noun):
    image: Words = Field(description="Machine image id")
    instance_type: Words


class Account(Noun):
    """An operating-system account on a target server."""

    name: Name
    uid: int | None = Field(default=None, ge=1, le=65535)
    groups: tuple[SystemAccount, ...] = ()
    shell: AbsolutePath = "/bin/bash"


class Server(Noun):
    """A wished server: its record in the cloud and its operating system's settings."""

    name: Name
    subnet: Name
    security_group: Name
    ssh: Ssh
    provider: InstanceProvider
    timezone: str = "Asia/Shanghai"
    sysctl: dict[str, str] = Field(default_factory=dict)
    packages: tuple[Package, ...] = ()
    accounts: tuple[Account, ...] = ()


class DmsProvider(Noun):
    """AWS DMS brings the data of this database (method: dms): the machine it works on, and how."""

    kind: Literal["aws-dms"]
    instance_class: DmsClass = Field(description="Such as dms.t3.medium")
    storage_gb: int = Field(
        default=50, ge=5, le=6144, description="For its logs and for changes not yet applied"
    )
    subnets: tuple[Name, ...] = Field(min_length=2, description="In two zones at least")
    security_group: Name
    multi_az: bool = False
    engine_version: str = Field(default="", description="Of DMS; empty: AWS chooses")
    migration: Literal["full-load-and-cdc", "full-load"] = "full-load-and-cdc"
    max_lag_s: int = Field(
        default=10, ge=1, le=3600, description="At most this far behind when it is stopped"
    )
    secrets_role: RoleArn = Field(
        default="", description="Role under which DMS reads the databases' aws: secrets itself (ARN)"
    )
    source_certificate: str = Field(default="", description="TLS to the source: certificate in DMS (ARN)")
    target_certificate: str = Field(default="", description="TLS to the target: certificate in DMS (ARN)")


class ReplicateFrom(Noun):
    """The target reaches the source: its own replication carries the rows (method: follow)."""

    address: Address | None = Field(
        default=None, description="Of the source as the target sees it; empty: the source's own address"
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="Empty: the source's own port")
    user: Words = Field(description="Account at the source with the right REPLICATION SLAVE")
    password: SecretRef
    tls: bool = Field(default=False, description="Encrypted; the certificate is checked where ca is given")
    ca: str = Field(
        default="", description="File on the target's server that says by whom the certificate is signed"
    )


class TargetDatabase(Noun):
    name: Name
    engine: Literal["mariadb", "mysql", "oracle", "sqlserver", "mongodb", "postgresql"]
    address: Address
    port: int = Field(default=3306, ge=1, le=65535)
    schema_name: Words = Field(alias="schema")
    user: Words
    password: SecretRef
    provider: DmsProvider | None = None
    replicate_from: ReplicateFrom | None = None


class Bucket(Noun):
    """Object storage."""

    name: Name
    versioned: bool = True


class Directory(Noun):
    """A folder on a target server's disk."""

    name: Name
    server: Name
    path: AbsolutePath


class Rule(Noun):
    """A declared flow: who may reach this group's servers on which port."""

    source: str = Field(description="CIDR, or the name of another security group")
    protocol: Literal["tcp", "udp", "icmp"] = "tcp"
    port: int = Field(default=0, ge=0, le=65535, description="0 with icmp")
    reason: Words


class SecurityGroup(Noun):
    name: Name
    inbound: tuple[Rule, ...] = ()


class AclRule(Noun):
    """One numbered entry of a subnet's network ACL (stateless: answers need their own entry)."""

    number: int = Field(ge=1, le=32766)
    direction: Literal["inbound", "outbound"]
    action: Literal["allow", "deny"]
    protocol: Literal["tcp", "udp", "icmp", "all"] = "tcp"
    cidr: IPvAnyNetwork
    from_port: int = Field(default=0, ge=0, le=65535)
    to_port: int = Field(default=65535, ge=0, le=65535)


class NetworkAcl(Noun):
    name: Name
    subnets: tuple[Name, ...] = Field(min_length=1)
    rules: tuple[AclRule, ...] = ()


class BackupPolicy(Noun):
    """Daily backups (snapshots) of servers, kept for a time."""

    name: Name
    servers: tuple[Name, ...] = Field(min_length=1)
    schedule: str = Field(default="cron(0 18 * * ? *)", description="When, UTC")
    keep_days: int = Field(ge=1, le=36500)


class DnsRecord(Noun):
    """A name that cutover switches from the old to the new address."""

    zone: Words
    name: RecordName
    type: Literal["A", "CNAME"] = "A"
    ttl_s: int = Field(default=60, ge=1)
    old: str
    new: str


class Targets(Noun):
    cloud: Cloud
    network: Network
    security_groups: tuple[SecurityGroup, ...] = ()
    network_acls: tuple[NetworkAcl, ...] = ()
    servers: tuple[Server, ...] = ()
    databases: tuple[TargetDatabase, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    directories: tuple[Directory, ...] = ()
    backups: tuple[BackupPolicy, ...] = ()
    dns: tuple[DnsRecord, ...] = ()
