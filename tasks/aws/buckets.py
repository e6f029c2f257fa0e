"""Object storage: a private, encrypted bucket in the agreed region."""

from dataclasses import dataclass, field
from typing import Any

from core.access import Reader, Writer
from core.checks import Check
from core.errors import Refused
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.step import AwsStep, fact, known

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass(frozen=True)
class BucketFacts:
    """`region` is where the bucket lies; `blocked` which of the four public-access blocks are on."""

    region: Fact[str]
    versioning: str = "Off"
    blocked: tuple[str, ...] = ()
    encryption: str = "none"
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CreateBucket(AwsStep[BucketFacts]):
    """A bucket closed to the public and encrypted by default; with `versioned`, it keeps old versions."""

    name: str
    versioned: bool = True

    @property
    def reversal(self) -> Reversal:
        return Reversal(
            "reversible",
            "a bucket we made is deleted while it is empty; a bucket that was there gets its settings back",
        )

    @property
    def _owned(self) -> dict[str, Any]:
        # Bucket names are world-wide: the same name in another account must not receive our data.
        return {"Bucket": self.name, "ExpectedBucketOwner": self.account.account}

    def _look(self, cloud: AwsReader) -> BucketFacts:
        s3, owned = cloud.s3, self._owned
        if none_on(lambda: s3.head_bucket(**owned), "404", "NoSuchBucket") is None:
            return BucketFacts(fact(None))
        location = s3.get_bucket_location(**owned)["LocationConstraint"]
        public = none_on(
            lambda: s3.get_public_access_block(**owned),
            "NoSuchPublicAccessBlockConfiguration",
        )
        encryption = none_on(
            lambda: s3.get_bucket_encryption(**owned),
            "ServerSideEncryptionConfigurationNotFoundError",
        )
        tags = none_on(lambda: s3.get_bucket_tagging(**owned), "NoSuchTagSet")
        return BucketFacts(
            # An empty location means the oldest region.
            region=fact(location or "us-east-1"),
            versioning=s3.get_bucket_versioning(**owned).get("Status", "Off"),
            blocked=_blocked(dict(public["PublicAccessBlockConfiguration"]) if public else {}),
            encryption=_algorithm(encryption),
            tags={tag["Key"]: tag["Value"] for tag in tags["TagSet"]} if tags else {},
        )

    def plan(self, facts: BucketFacts) -> Plan:
        region = known(facts.region)
        changes = []
        if region is None:
            changes.append(Change("create", f"bucket {self.name}", after={"region": self.account.region}))
        elif region != self.account.region:
            raise Refused(
                f"bucket {self.name} lies in {region}, agreed is {self.account.region}",
                why="Data must stay in the agreed region, and a bucket cannot be moved.",
                next_command=self.account.next_command,
            )
        if facts.blocked != BLOCKS:
            changes.append(self._change("public access blocks", list(facts.blocked), list(BLOCKS)))
        if facts.encryption == "none":
            changes.append(self._change("encryption", "none", "AES256"))
        wanted = "Enabled" if self.versioned else facts.versioning
        if facts.versioning != wanted:
            changes.append(self._change("versioning", facts.versioning, wanted))
        # Buckets are found by name; the mark is for people and bills, and comes last.
        if not self.mark.tags().items() <= facts.tags.items():
            changes.append(self._change("tags", facts.tags, self.mark.tags()))
        because = "" if changes else f"bucket {self.name} is there, closed and encrypted"
        return Plan(tuple(changes), because, Duration(3, 10))

    def _change(self, setting: str, before: Any, after: Any) -> Change:
        return Change("change", f"{setting} of bucket {self.name}", before, after)

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if change.action == "create":
            self._create(cloud)
        else:
            self._set(cloud, change.object, change.after)

    def _create(self, cloud: AwsWriter) -> None:
        request: Any = {"Bucket": self.name}
        # The oldest region must not be named, every other must.
        if self.account.region != "us-east-1":
            request["CreateBucketConfiguration"] = {"LocationConstraint": self.account.region}
        none_on(lambda: cloud.s3.create_bucket(**request), "BucketAlreadyOwnedByYou")

    def undo(self, plan: Plan, writer: Writer) -> None:
        # A bucket we made is deleted as it stands: were its settings taken back first, one that turns out
        # to hold data would be left open.
        created = tuple(change for change in plan.changes if change.action == "create")
        super().undo(Plan(created, plan.nothing_because) if created else plan, writer)

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        if known(self._look(cloud).region) is None:
            return
        if change.action == "create":
            # Never emptied by us: AWS refuses to delete a bucket that holds anything, and that is right.
            cloud.s3.delete_bucket(**self._owned)
        else:
            self._set(cloud, change.object, change.before)

    def _set(self, cloud: AwsWriter, object_: str, wanted: Any) -> None:
        s3, owned = cloud.s3, self._owned
        if object_.startswith("public access"):
            block: Any = {name: name in wanted for name in BLOCKS}
            s3.put_public_access_block(PublicAccessBlockConfiguration=block, **owned)
        elif object_.startswith("encryption") and wanted == "none":
            s3.delete_bucket_encryption(**owned)
        elif object_.startswith("encryption"):
            rule: Any = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": wanted}}
            s3.put_bucket_encryption(ServerSideEncryptionConfiguration={"Rules": [rule]}, **owned)
        elif object_.startswith("versioning"):
            # A bucket that ever kept versions can only be told to keep no further ones.
            status: Any = "Enabled" if wanted == "Enabled" else "Suspended"
            s3.put_bucket_versioning(VersioningConfiguration={"Status": status}, **owned)
        else:
            self._set_tags(cloud, wanted)

    def _set_tags(self, cloud: AwsWriter, wanted: dict[str, str]) -> None:
        """Set our tags to the wanted ones and leave the others."""
        others = {key: value for key, value in self._look(cloud).tags.items() if key not in self.mark.tags()}
        tags: Any = [{"Key": key, "Value": value} for key, value in {**others, **wanted}.items()]
        if tags:
            cloud.s3.put_bucket_tagging(Tagging={"TagSet": tags}, **self._owned)
        else:
            cloud.s3.delete_bucket_tagging(**self._owned)

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        facts = self.inspect(reader)
        region = known(facts.region)
        keeps = not self.versioned or facts.versioning == "Enabled"
        return (
            Check.equal(f"region of bucket {self.name}", self.account.region, region or "no bucket"),
            Check.equal(f"public access blocks of bucket {self.name}", BLOCKS, facts.blocked),
            Check.equal(f"bucket {self.name} is encrypted", True, facts.encryption != "none"),
            Check.equal(f"bucket {self.name} keeps versions as wished", True, keeps),
        )


def _blocked(configuration: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in BLOCKS if configuration.get(name))


def _algorithm(encryption: Any) -> str:
    rules = encryption["ServerSideEncryptionConfiguration"]["Rules"] if encryption else []
    return rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] if rules else "none"
