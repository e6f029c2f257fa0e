"""An AWS account in one region, opened for reading or for writing."""

import os
import shlex
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, WaiterError

from core.access import Endpoint, Journal
from core.errors import ApplyFailed, Refused, Unreadable
from inventory.model import Inventory
from inventory.secrets import SecretSource
from tasks.aws.calls import Hooks

if TYPE_CHECKING:
    from mypy_boto3_backup import BackupClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dms import DatabaseMigrationServiceClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient


class AwsReader:
    """Clients of the services we use; every operation that is not a read is refused underneath."""

    def __init__(self, session: boto3.Session, config: Config, endpoint_url: str) -> None:
        self._session = session
        self._options: dict[str, Any] = {"config": config, "endpoint_url": endpoint_url or None}

    @property
    def partition(self) -> str:
        """The part of AWS the region belongs to ("aws", "aws-cn"): the second field of every ARN."""
        return self._session.get_partition_for_region(self._session.region_name)

    @cached_property
    def ec2(self) -> "EC2Client":
        return self._session.client("ec2", **self._options)

    @cached_property
    def s3(self) -> "S3Client":
        return self._session.client("s3", **self._options)

    @cached_property
    def route53(self) -> "Route53Client":
        return self._session.client("route53", **self._options)

    @cached_property
    def backup(self) -> "BackupClient":
        return self._session.client("backup", **self._options)

    @cached_property
    def dms(self) -> "DatabaseMigrationServiceClient":
        return self._session.client("dms", **self._options)

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        return self._session.client("cloudwatch", **self._options)

    @cached_property
    def sts(self) -> "STSClient":
        return self._session.client("sts", **self._options)

    def close(self) -> None:
        for name in ("ec2", "s3", "route53", "backup", "dms", "cloudwatch", "sts"):
            if client := self.__dict__.pop(name, None):
                client.close()


class AwsWriter(AwsReader):
    """The same clients, allowed to write; every write is journalled first."""

    def wait(self, state: str, filter_name: str, id_: str) -> None:
        """Wait until an EC2 object is in the waiter's state.

        By filter, not by id: a young object may not be known to every server yet, which must not fail.

        Raises: errors.ApplyFailed where it takes too long or ends in another state.
        """
        try:
            self.ec2.get_waiter(state).wait(Filters=[{"Name": filter_name, "Values": [id_]}])  # type: ignore[call-overload]
        except WaiterError as error:
            raise ApplyFailed(
                f"{id_} did not become {state}: {error}",
                why="It exists and is marked as ours; running again continues from there.",
                next_command="qianyun migrate",
                transient=True,
            ) from error


@dataclass(frozen=True)
class AwsAccount(Endpoint[AwsReader, AwsWriter]):
    """One account in one region; `project` marks what this project made in it.

    Only the keys of the inventory count: profiles, instance roles and endpoint variables of the machine
    we happen to run on must not lead a migration into another account.
    """

    account: str
    region: str
    project: str
    access_key_id: SecretSource = field(repr=False)
    secret_access_key: SecretSource = field(repr=False)
    endpoint_url: str = ""

    @property
    def address(self) -> str:
        return f"AWS account {self.account} in {self.region}"

    @property
    def next_command(self) -> str:
        return f"qianyun rehearse {shlex.quote(str(self.access_key_id.folder))}"

    def open_reader(self) -> AwsReader:
        return self._verified(AwsReader(*self._session(None)))

    def open_writer(self, journal: Journal) -> AwsWriter:
        writer = AwsWriter(*self._session(journal))
        self._verified(writer)
        return writer

    def _session(self, journal: Journal | None) -> tuple[boto3.Session, Config, str]:
        core = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        core.register_component("data_loader", _data_loader())
        # The hooks go onto the session, so that every client made from it inherits them.
        Hooks(self.address, self.next_command, journal).attach(core.get_component("event_emitter"))
        session = boto3.Session(
            aws_access_key_id=self.access_key_id.resolve().reveal(),
            aws_secret_access_key=self.secret_access_key.resolve().reveal(),
            region_name=self.region,
            botocore_session=core,
        )
        # Other endpoints have no wildcard name, so there the bucket goes into the path.
        style: Any = "path" if self.endpoint_url else "virtual"
        return session, _CONFIG.merge(Config(s3={"addressing_style": style})), self.endpoint_url

    def _verified(self, cloud: AwsReader) -> AwsReader:
        """Raises: errors.Refused where the keys belong to another account than the inventory names."""
        try:
            actual = cloud.sts.get_caller_identity()["Account"]
        except (BotoCoreError, ValueError) as error:
            # Before any call: a region name that no endpoint can be made from.
            raise Unreadable(f"{self.address}: {error}", next_command=self.next_command) from error
        if actual != self.account:
            cloud.close()
            raise Refused(
                f"the access key belongs to account {actual}, the inventory names {self.account}",
                why="Work for one customer must never land in the account of another.",
                next_command=self.next_command,
            )
        return cloud


def cloud_of(inventory: Inventory) -> AwsAccount:
    """The account that the inventory names as the target."""
    cloud = inventory.targets.cloud
    return AwsAccount(
        account=cloud.provider.account,
        region=cloud.region,
        project=inventory.project.id,
        access_key_id=SecretSource(cloud.provider.access_key_id, inventory.folder),
        secret_access_key=SecretSource(cloud.provider.secret_access_key, inventory.folder),
        endpoint_url=cloud.provider.endpoint_url,
    )


_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # the stubs do not know it yet
)


@lru_cache(maxsize=1)
def _data_loader() -> Any:
    """botocore's service descriptions, read once per process: each session would parse megabytes anew."""
    return botocore.session.Session().get_component("data_loader")
