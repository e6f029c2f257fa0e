"""A moto server in this process, and an account on it: what the AWS steps are tried against."""

import gc
import logging
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

from moto import settings
from moto.backends import get_backend
from moto.core.responses import ActionAuthenticatorMixin
from moto.server import ThreadedMotoServer

from inventory.secrets import SecretSource
from lab.backup import add_selections
from tasks.aws.endpoint import AwsAccount
from tasks.aws.marks import PROJECT_TAG, STEP_TAG

ACCOUNT = "123456789012"
REGION = "cn-north-1"
PROJECT = "practice"


@lru_cache(maxsize=1)
def server_url() -> str:
    """The server's address; it runs until the process ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    add_selections()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@lru_cache(maxsize=16)
def client(service: Any, region: str = REGION) -> Any:
    """A client of the customer's own administrator, who is not bound by our guards."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=server_url(),
        aws_access_key_id="administrator",
        aws_secret_access_key="administrator",
    )


def reset() -> None:
    """An empty account whose server believes every key.

    Only the services we use: the server's own reset builds all of moto's afresh, a hundred times slower.
    """
    _warm()
    ActionAuthenticatorMixin.request_count, settings.INITIAL_NO_AUTH_ACTION_COUNT = 0, float("inf")
    for service in ("ec2", "s3", "route53", "backup", "iam", "sts"):
        for regions in get_backend(service).values():
            for backend in regions.values():
                backend.reset()


class Keys:
    """The account's access key as files with mode 0600, so that a test can put another key there."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.write("AKIAPRACTICE00000000", "a-key-that-the-practice-server-does-not-check")

    def write(self, access_key_id: str, secret_access_key: str) -> None:
        for name, text in (("access_key_id", access_key_id), ("secret_access_key", secret_access_key)):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text)

    def account(self, **other: Any) -> AwsAccount:
        wanted: dict[str, Any] = {
            "account": ACCOUNT,
            "region": REGION,
            "project": PROJECT,
            "endpoint_url": server_url(),
            "access_key_id": SecretSource("file:access_key_id", self.folder),
            "secret_access_key": SecretSource("file:secret_access_key", self.folder),
        }
        return AwsAccount(**(wanted | other))

    def deny_everything(self) -> None:
        """From now on the key belongs to a user without any permission, and the server checks."""
        iam = client("iam")
        iam.create_user(UserName="powerless")
        key = iam.create_access_key(UserName="powerless")["AccessKey"]
        self.write(key["AccessKeyId"], key["SecretAccessKey"])
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0

    def close(self) -> None:
        self._folder.cleanup()


@lru_cache(maxsize=1)
def _warm() -> None:
    """Load what every connection shares, and keep the collector from searching it again and again.

    The service descriptions are millions of small objects; each new client makes the collector run, and
    opening one took 40 ms with them, 16 ms without.
    """
    keys = Keys()
    reader = keys.account().open_reader()
    _ = (reader.ec2, reader.s3, reader.route53, reader.backup)
    reader.close()
    keys.close()
    gc.collect()
    gc.freeze()


def seed_zone(endpoint_url: str, region: str, zone: str, records: dict[str, str], ttl_s: int = 300) -> None:
    """The customer's hosted zone as it is before cutover: A records by full name; made once only."""
    route53 = boto3.client(
        "route53",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id="administrator",
        aws_secret_access_key="administrator",
    )
    wanted = zone.rstrip(".") + "."
    found = [z for z in route53.list_hosted_zones()["HostedZones"] if z["Name"] == wanted]
    if not found:
        found = [route53.create_hosted_zone(Name=wanted, CallerReference=wanted)["HostedZone"]]
    for name, address in records.items():
        record = {"Name": name, "Type": "A", "TTL": ttl_s, "ResourceRecords": [{"Value": address}]}
        route53.change_resource_record_sets(
            HostedZoneId=found[0]["Id"],
            ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
        )


def tags(step: str, project: str = PROJECT) -> list[dict[str, str]]:
    """The marks of an object that `step` made."""
    return [{"Key": PROJECT_TAG, "Value": project}, {"Key": STEP_TAG, "Value": step}]
