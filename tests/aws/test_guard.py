"""Through a reader nothing can be written, by whatever road; through a writer nothing goes unjournalled."""

import boto3
import pytest

from core.errors import Refused
from tasks.aws.calls import Hooks, is_read
from tests.aws.scripted import CALLER, serving
from tests.worlds.aws_server import Keys

SERVICES = ("ec2", "s3", "route53", "backup", "sts", "secretsmanager")

READS = [
    "ec2.DescribeVpcs",
    "s3.ListObjectsV2",
    "s3.HeadBucket",
    "s3.GetBucketEncryption",
    "route53.ListHostedZonesByName",
    "route53.TestDNSAnswer",
    "backup.GetBackupPlan",
    "sts.GetCallerIdentity",
]
WRITES = [
    "ec2.CreateVpc",
    "ec2.ModifyVpcAttribute",
    "ec2.RunInstances",
    "ec2.TerminateInstances",
    "s3.PutObject",
    "s3.CopyObject",
    "s3.CreateMultipartUpload",
    "route53.ChangeResourceRecordSets",
    "sts.AssumeRole",
    "sts.GetSessionToken",
    "sts.GetFederationToken",
    "made-up.Getaway",
]


@pytest.mark.parametrize("call", READS)
def test_reads_are_known(call: str) -> None:
    assert is_read(call)


@pytest.mark.parametrize("call", WRITES)
def test_everything_else_is_a_write(call: str) -> None:
    assert not is_read(call)


def guarded(service: str, url: str) -> object:
    session = boto3.Session("key", "secret", region_name="cn-north-1")
    Hooks("nowhere", "again").attach(session.events)
    return session.client(service, endpoint_url=url)  # type: ignore[call-overload]


@pytest.mark.parametrize("service", SERVICES)
def test_every_write_of_the_service_is_refused_before_any_request(service: str) -> None:
    with serving(CALLER) as server:
        client = guarded(service, server.url)
        model = client.meta.service_model  # type: ignore[attr-defined]
        writes = [name for name in model.operation_names if not is_read(f"{service}.{name}")]
        assert writes
        for name in writes:
            with pytest.raises(Refused, match="while only looking"):
                client._make_api_call(name, {})  # type: ignore[attr-defined]
        assert server.asked == 0


def test_roads_around_the_call_are_closed(keys: Keys) -> None:
    with serving(CALLER) as server:
        reader = keys.account(endpoint_url=server.url).open_reader()
        asked = server.asked
        with pytest.raises(Refused):
            reader.s3.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "k"})
        with pytest.raises(Refused):
            reader.s3.generate_presigned_post("b", "k")
        with pytest.raises(Refused):
            reader.s3.upload_fileobj(open("/dev/null", "rb"), "b", "k")  # noqa: PTH123, SIM115
        with pytest.raises(Refused):
            list(reader.ec2.get_paginator("search_local_gateway_routes").paginate())
        assert server.asked == asked
        reader.close()


def test_a_writer_journals_first_and_only_writes(keys: Keys) -> None:
    class Stop(BaseException):
        pass

    journal: list[str] = []

    def note(text: str) -> None:
        journal.append(text)
        raise Stop

    with serving(CALLER) as server:
        writer = keys.account(endpoint_url=server.url).open_writer(note)
        writer.sts.get_caller_identity()
        asked = server.asked
        with pytest.raises(Stop):
            writer.ec2.create_subnet(VpcId="vpc-1", CidrBlock="10.0.0.0/24")
        assert server.asked == asked, "the journal comes before the request"
        assert journal == ["ec2.CreateSubnet vpc-1 10.0.0.0/24"]
        writer.close()
