"""How a failing AWS call ends: the documented class, the object, what is missing, the next command."""

from collections.abc import Callable

import pytest

from core.access import Reader, Writer
from core.errors import ApplyFailed, Refused, UndoFailed, Unreadable
from core.facts import ABSENT
from core.plan import Change, Plan
from tasks.aws import AwsReader, AwsWriter, CreateVpc
from tasks.aws.networks import VpcFacts
from tests.aws.scripted import CALLER, NO_VPCS, refusal, serving
from tests.worlds.aws import AwsWorld
from tests.worlds.aws_server import Keys

pytestmark = pytest.mark.usefixtures("no_waiting")

DENIED: list[tuple[Callable[[AwsReader], object], str, str]] = [
    (lambda cloud: cloud.ec2.describe_vpcs(), "ec2.DescribeVpcs", "ec2:DescribeVpcs"),
    (lambda cloud: cloud.s3.head_bucket(Bucket="b"), "s3.HeadBucket", "s3:ListBucket"),
    (
        lambda cloud: cloud.s3.get_bucket_encryption(Bucket="b"),
        "s3.GetBucketEncryption",
        "s3:GetEncryptionConfiguration",
    ),
    (lambda cloud: cloud.route53.list_hosted_zones(), "route53.ListHostedZones", "route53:ListHostedZones"),
    (lambda cloud: cloud.backup.list_backup_plans(), "backup.ListBackupPlans", "backup:ListBackupPlans"),
]


@pytest.mark.parametrize(("call", "name", "permission"), DENIED, ids=[name for _, name, _ in DENIED])
def test_a_denied_look_names_the_operation_and_the_permission(
    world: AwsWorld, call: Callable[[AwsReader], object], name: str, permission: str
) -> None:
    world.make_unreadable()
    reader = world.account.open_reader()
    with pytest.raises(Unreadable) as caught:
        call(reader)
    text = str(caught.value)
    assert name in text and permission in text and world.account.account in text
    assert text.splitlines()[-1] == f"    qianyun rehearse {world.keys.folder}"
    assert not caught.value.transient


def test_a_denied_write_says_what_was_done_and_what_not(world: AwsWorld) -> None:
    step = CreateVpc(key="network/vpc", account=world.account, name="practice", cidr="10.80.0.0/16")
    plan = step.plan(VpcFacts(ABSENT))
    world.make_unreadable()
    with pytest.raises(ApplyFailed) as caught:
        step.apply(plan, Writer(Reader(), lambda text: None))
    text = str(caught.value)
    assert "ec2.CreateVpc" in text and "ec2:CreateVpc" in text
    assert "done: nothing; not done: create VPC practice, change DNS names in VPC practice" in text


def test_a_failed_undo_says_what_still_stands(world: AwsWorld) -> None:
    vpc = world.vpc()
    step = CreateVpc(key="network/vpc", account=world.account, name="practice", cidr="10.80.0.0/16")
    world.subnet(vpc, "left", "10.80.0.0/24")
    with pytest.raises(UndoFailed, match="still standing: create VPC practice") as caught:
        step.undo(Plan((Change("create", "VPC practice"),)), Writer(Reader(), lambda text: None))
    assert caught.value.transient, "what stands inside may be on its way out"


def test_throttled_then_answered_is_success(keys: Keys) -> None:
    throttled = refusal(503, "RequestLimitExceeded", "slow down")
    with serving(CALLER, throttled, throttled, NO_VPCS) as server:
        reader = keys.account(endpoint_url=server.url).open_reader()
        assert reader.ec2.describe_vpcs()["Vpcs"] == []
        assert server.asked == 4


LASTING = [
    ("throttled", refusal(503, "RequestLimitExceeded"), True, "busy or slowed us down"),
    ("throttled with 400", refusal(400, "Throttling"), True, "busy or slowed us down"),
    ("broken", refusal(500, "InternalError"), True, "busy or slowed us down"),
    ("expired key", refusal(401, "AuthFailure"), False, "does not accept the access key"),
    ("denied", refusal(403, "UnauthorizedOperation"), False, "lacks the IAM permission ec2:DescribeVpcs"),
    ("limit", refusal(400, "VpcLimitExceeded", "at most 5"), False, "at most 5"),
]


@pytest.mark.parametrize(
    ("reply", "transient", "text"), [case[1:] for case in LASTING], ids=[case[0] for case in LASTING]
)
def test_lasting_failures(keys: Keys, reply: tuple[int, str], transient: bool, text: str) -> None:
    with serving(CALLER, reply) as server:
        cloud = keys.account(endpoint_url=server.url).open_writer(lambda text: None)
        with pytest.raises(Unreadable, match=text) as looked:
            cloud.ec2.describe_vpcs()
        assert looked.value.transient is transient
        with pytest.raises(ApplyFailed) as wrote:
            cloud.ec2.create_vpc(CidrBlock="10.0.0.0/16")
        assert wrote.value.transient is transient
        assert server.asked <= 1 + 4 + 4, "own retries are bounded"


def test_the_encoded_message_of_a_denial_is_not_repeated(keys: Keys) -> None:
    long = "You are not allowed. Encoded authorization failure message: " + "x" * 2000
    with serving(CALLER, refusal(403, "UnauthorizedOperation", long)) as server:
        reader = keys.account(endpoint_url=server.url).open_reader()
        with pytest.raises(Unreadable) as caught:
            reader.ec2.describe_vpcs()
        assert "xxx" not in str(caught.value)


def test_nobody_answers(keys: Keys) -> None:
    with serving(CALLER) as server:
        url = server.url
    with pytest.raises(Unreadable, match="got no answer") as caught:
        keys.account(endpoint_url=url).open_reader()
    assert caught.value.transient


def test_an_impossible_region(keys: Keys) -> None:
    with pytest.raises(Unreadable, match="not a region"):
        keys.account(region="not a region").open_reader()


@pytest.mark.parametrize("opening", ["open_reader", "open_writer"])
def test_the_keys_of_another_account_are_refused(world: AwsWorld, opening: str) -> None:
    account = world.keys.account(account="999999999999")
    arguments = [lambda text: None] if opening == "open_writer" else []
    with pytest.raises(Refused, match="belongs to account 123456789012, the inventory names 999999999999"):
        getattr(account, opening)(*arguments)


def test_the_machine_s_own_settings_do_not_count(
    world: AwsWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for name, value in {
        "AWS_PROFILE": "another-customer",
        "AWS_CONFIG_FILE": f"{tmp_path}/config",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_SECRET_ACCESS_KEY": "other",
        "AWS_SESSION_TOKEN": "other",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    reader = world.account.open_reader()
    assert reader.ec2.meta.region_name == "cn-north-1"
    assert reader.partition == "aws-cn"
    assert reader.ec2.describe_vpcs()


def test_secrets_show_nowhere(world: AwsWorld) -> None:
    assert "a-key-that" not in repr(world.account)
    world.make_unreadable()
    secret = (world.keys.folder / "secret_access_key").read_text()
    with pytest.raises(Unreadable) as caught:
        world.account.open_reader().ec2.describe_vpcs()
    assert secret not in f"{caught.value!r} {caught.value} {world.account!r}"


def test_waiting_too_long_is_transient(world: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.waiter.time.sleep", lambda seconds: None)
    writer: AwsWriter = world.account.open_writer(lambda text: None)
    with pytest.raises(ApplyFailed, match="did not become instance_running") as caught:
        writer.wait("instance_running", "instance-id", "i-0123456789abcdef0")
    assert caught.value.transient
