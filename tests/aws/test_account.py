"""The demo project's whole cloud: rehearsed on an empty account, made, proved, and taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import inventory
from core.access import Reader, Writer
from core.checks import Status, overall
from core.errors import ApplyFailed, Refused, UndoFailed
from core.facts import unreadable_in
from core.graph import Graph
from core.plan import MigrationPlan, Plan
from flows.instances import buckets, instances
from flows.network import network
from flows.security import security
from inventory.loader import load
from inventory.model import Inventory
from inventory.targets import Rule
from tasks.aws import cloud_of, switch_records
from tasks.aws.instances import find_instances
from tasks.aws.marks import Mark
from tests.worlds import aws
from tests.worlds.aws import IMAGE, AwsWorld
from tests.worlds.aws_server import ACCOUNT, REGION, client, seed_zone, server_url, tags
from tests.worlds.aws_snapshot import snapshot

DEMO = Path(inventory.__file__).parent / "demo"


@pytest.fixture
def project(world: AwsWorld) -> Iterator[Inventory]:
    """The demo's inventory with our server as the endpoint."""
    loaded = load(DEMO)
    provider = loaded.targets.cloud.provider.model_copy(
        update={
            "account": ACCOUNT,
            "endpoint_url": server_url(),
            "access_key_id": "file:access_key_id",
            "secret_access_key": "file:secret_access_key",
        }
    )
    cloud = loaded.targets.cloud.model_copy(update={"provider": provider, "region": REGION})
    targets = loaded.targets.model_copy(update={"cloud": cloud})
    return loaded.model_copy(update={"folder": world.keys.folder, "targets": targets})


def whole_cloud(project: Inventory) -> Graph:
    phases = (network, instances, buckets, security, switch_records)
    return Graph(step for phase in phases for step in phase(project))


def planned(graph: Graph) -> MigrationPlan:
    plans = {}
    for step in graph:
        reader = Reader()
        facts = step.inspect(reader)
        assert not list(unreadable_in(facts))
        plans[step.key] = step.plan(facts)
        reader.close()
    return MigrationPlan(plans)


def writer(journal: list[str]) -> Writer:
    return Writer(Reader(), journal.append)


def test_the_demo_s_cloud_is_made_as_rehearsed_and_taken_back(project: Inventory) -> None:
    names = {f"{dns.name}.{dns.zone}": dns.old for dns in project.targets.dns}
    seed_zone(server_url(), REGION, project.targets.dns[0].zone, names)
    graph = whole_cloud(project)
    empty = snapshot()

    rehearsed = MigrationPlan.from_json(planned(graph).to_json())
    assert snapshot() == empty, "a rehearsal changes nothing"

    applied: dict[str, Plan] = {}
    journal: list[str] = []
    for step in graph:
        now = step.plan(step.inspect(Reader()))
        single = MigrationPlan({step.key: rehearsed.steps[step.key]})
        assert single.drift(MigrationPlan({step.key: now})) == [], "as approved, now that others made theirs"
        step.apply(now, writer(journal))
        applied[step.key] = Plan.from_json(now.to_json())
        assert overall(step.verify(Reader())) is Status.PASS, step.verify(Reader())

    assert all(plan.is_empty for plan in planned(graph).steps.values())
    assert all(overall(step.verify(Reader())) is Status.PASS for step in graph)
    assert len(journal) >= len(graph) and "ec2.RunInstances" in " ".join(journal)
    for line in journal:
        assert "a-key-that" not in line and len(line) < 200

    for key in reversed(graph.order):
        graph.steps[key].undo(applied[key], writer(journal))
    assert snapshot() == empty


def test_keys_and_needs_are_as_agreed(project: Inventory) -> None:
    needs = {step.key: set(step.needs) for step in whole_cloud(project)}
    assert needs["network/route-table/public"] == {
        "network/vpc",
        "network/internet-gateway",
        "network/subnet/public-a",
        "network/subnet/public-b",
    }
    assert needs["environment/web-2/instance"] == {"network/subnet/public-a", "security/group/web"}
    assert needs["security/group/app"] == {"network/vpc", "security/group/web"}
    assert needs["security/acl/private"] >= {"network/subnet/private-a", "network/subnet/private-b"}
    assert needs["security/backup/daily"] >= {"environment/web-2/instance", "environment/file-2/instance"}
    assert "environment/bucket/demo-shop-share" in needs and "cutover/dns/shop" in needs


def test_an_address_inside_its_subnet_is_asked_for(project: Inventory) -> None:
    server = project.targets.servers[0]
    inside = server.model_copy(update={"ssh": server.ssh.model_copy(update={"address": "10.80.0.11"})})
    named = server.model_copy(update={"ssh": server.ssh.model_copy(update={"address": "web-2.internal"})})
    targets = project.targets.model_copy(update={"servers": (inside, named, server)})
    steps = instances(project.model_copy(update={"targets": targets}))
    assert [step.address for step in steps] == ["10.80.0.11", "", ""]  # type: ignore[attr-defined]


def test_groups_that_name_each_other_are_refused(project: Inventory) -> None:
    web, app, *others = project.targets.security_groups
    back = Rule(source="app", protocol="tcp", port=443, reason="call-backs")
    circle = (web.model_copy(update={"inbound": (*web.inbound, back)}), app, *others)
    targets = project.targets.model_copy(update={"security_groups": circle})
    with pytest.raises(Refused, match=r"app -> web|web -> app"):
        security(project.model_copy(update={"targets": targets}))


def test_more_instances_than_fit_on_a_page(world: AwsWorld) -> None:
    """The server answers with at most 100 reservations."""
    subnet = world.subnet(world.vpc(), "public-a", "10.80.0.0/20")
    for _ in range(103):
        client("ec2").run_instances(
            ImageId=IMAGE,
            InstanceType="t3.small",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags("environment/many/instance")}],
        )
    cloud = world.account.open_reader()
    assert len(cloud.ec2.describe_instances()["Reservations"]) == 100
    assert len(find_instances(cloud, Mark("practice", "environment/many/instance"))) == 103


def test_two_objects_with_one_mark_are_refused(world: AwsWorld) -> None:
    step, other = aws.vpc()
    assert isinstance(other, AwsWorld)
    other.vpc()
    other.vpc()
    with pytest.raises(Refused, match="2 objects in the account carry the mark of network/vpc"):
        step.inspect(Reader())
    other.close()


def test_another_project_s_objects_are_not_ours(world: AwsWorld, project: Inventory) -> None:
    foreign = tags("network/vpc", project="another")
    client("ec2").create_vpc(
        CidrBlock="10.1.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": foreign}]
    )
    step = network(project)[0]
    assert step.plan(step.inspect(Reader())).changes[0].action == "create"
    assert cloud_of(project).project == project.project.id


def test_undo_leaves_a_record_that_somebody_changed_after_us() -> None:
    step, world = aws.record()
    plan = step.plan(step.inspect(Reader()))
    step.apply(plan, writer([]))
    world.disturb()
    before = world.snapshot()
    with pytest.raises(UndoFailed, match=r"leads to 10\.77\.9\.9, not to 10\.77\.2\.11 as we left it"):
        step.undo(plan, writer([]))
    assert world.snapshot() == before
    world.close()


def test_a_bucket_that_holds_anything_is_not_deleted(world: AwsWorld) -> None:
    step, other = aws.bucket()
    plan = step.plan(step.inspect(Reader()))
    step.apply(plan, writer([]))
    client("s3").put_object(Bucket="practice-share", Key="kept", Body=b"1")
    with pytest.raises(UndoFailed, match=r"BucketNotEmpty.*still standing: create bucket practice-share"):
        step.undo(plan, writer([]))
    assert client("s3").get_object(Bucket="practice-share", Key="kept")["Body"].read() == b"1"
    assert overall(step.verify(Reader())) is Status.PASS, "and it stays as closed as it was"
    other.close()


def test_a_name_aws_has_no_form_for_is_refused(project: Inventory) -> None:
    odd = project.targets.buckets[0].model_copy(update={"name": "under_score,"})
    targets = project.targets.model_copy(update={"buckets": (odd,)})
    (step,) = buckets(project.model_copy(update={"targets": targets}))
    with pytest.raises(Refused, match="Invalid bucket name"):
        step.inspect(Reader())


def test_a_token_that_leads_to_a_dead_instance_is_not_used_again(
    world: AwsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS answers a known token with the old, terminated instance; the practice server knows no tokens."""
    step, other = aws.instance()
    cloud = step.account.open_writer(lambda text: None)  # type: ignore[attr-defined]
    real, tokens = cloud.ec2.run_instances, []

    def with_memory(**request: object) -> object:
        tokens.append(request["ClientToken"])
        if len(tokens) == 1:
            return {"Instances": [{"InstanceId": "i-dead", "State": {"Name": "terminated"}}]}
        return real(**request)

    monkeypatch.setattr(cloud.ec2, "run_instances", with_memory)
    id_ = step._run(cloud)  # type: ignore[attr-defined]
    assert id_ != "i-dead" and len(set(tokens)) == 2

    def only_dead(**request: object) -> object:
        return {"Instances": [{"InstanceId": "i-dead", "State": {"Name": "terminated"}}]}

    monkeypatch.setattr(cloud.ec2, "run_instances", only_dead)
    with pytest.raises(ApplyFailed, match="50 times within a day"):
        step._run(cloud)  # type: ignore[attr-defined]
    other.close()
