"""The name that users follow: switched from the old address to the new one at cutover."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import WaiterError

from core.access import Reader
from core.checks import Check
from core.errors import ApplyFailed, Refused
from core.facts import Fact
from core.plan import Change, Duration, Plan
from core.step import Reversal, Step
from inventory.model import Inventory
from tasks.aws.endpoint import AwsReader, AwsWriter, cloud_of
from tasks.aws.marks import at_most_one, required
from tasks.aws.step import AwsStep, fact, known

if TYPE_CHECKING:
    from mypy_boto3_route53.literals import RRTypeType
    from mypy_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef


@dataclass(frozen=True)
class Record:
    value: str
    ttl_s: int


@dataclass(frozen=True)
class RecordFacts:
    zone: Fact[str]
    record: Fact[Record]


@dataclass(frozen=True, kw_only=True)
class SwitchRecord(AwsStep[RecordFacts]):
    """One record of a hosted zone, from `old` to `new`; any third value is refused.

    `name` is relative to the zone or ends with it; "@" or the zone's own name is its top.
    """

    zone: str
    name: str
    type: "RRTypeType"
    ttl_s: int
    old: str
    new: str

    @property
    def reversal(self) -> Reversal:
        return Reversal(
            "reversible", f"{self.full_name} is set back to what it was; caches follow within its TTL"
        )

    @property
    def full_name(self) -> str:
        """The name with its zone and the final dot."""
        zone, name = _dotted(self.zone), _dotted(self.name)
        if self.name in ("", "@"):
            return zone
        return name if name == zone or name.endswith(f".{zone}") else name + zone

    def _look(self, cloud: AwsReader) -> RecordFacts:
        zone = self._zone(cloud)
        return RecordFacts(fact(zone), fact(self._record(cloud, zone) if zone else None))

    def plan(self, facts: RecordFacts) -> Plan:
        if known(facts.zone) is None:
            raise self._refused(f"the account has no hosted zone {_dotted(self.zone)}")
        record = known(facts.record)
        if record is None:
            raise self._refused(f"{self.full_name} has no {self.type} record, expected {self.old}")
        wanted = Record(self.new, self.ttl_s)
        if _same(record.value, self.new, self.type) and record.ttl_s == self.ttl_s:
            return Plan(nothing_because=f"{self.full_name} already leads to {self.new}")
        if not (_same(record.value, self.new, self.type) or _same(record.value, self.old, self.type)):
            raise self._refused(
                f"{self.full_name} leads to {record.value}: neither old ({self.old}) nor new ({self.new})"
            )
        change = Change("change", f"{self.type} record {self.full_name}", _to_json(record), _to_json(wanted))
        return Plan((change,), duration=Duration(30, 60))

    def _refused(self, detail: str) -> Refused:
        return Refused(
            detail,
            why="Somebody else manages this name differently: switching it would overwrite their work.",
            next_command=self.account.next_command,
        )

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        self._set(cloud, change.after["value"], change.after["ttl_s"])

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        zone = required(self._zone(cloud), f"hosted zone {self.zone}")
        now = self._record(cloud, zone)
        if now == Record(change.before["value"], change.before["ttl_s"]):
            return
        if now is None or not _same(now.value, change.after["value"], self.type):
            raise ApplyFailed(
                f"{self.full_name} leads to {now.value if now else 'nothing'}, "
                f"not to {change.after['value']} as we left it",
                why="Somebody changed it after us; their value is left alone.",
                next_command=self.account.next_command,
            )
        self._set(cloud, change.before["value"], change.before["ttl_s"])

    def _set(self, cloud: AwsWriter, value: str, ttl_s: int) -> None:
        zone = required(self._zone(cloud), f"hosted zone {self.zone}")
        told = cloud.route53.change_resource_record_sets(
            HostedZoneId=zone,
            ChangeBatch={
                "Comment": f"Qianyun {self.account.project} {self.key}",
                "Changes": [
                    {
                        "Action": "UPSERT",
                        "ResourceRecordSet": {
                            "Name": self.full_name,
                            "Type": self.type,
                            "TTL": ttl_s,
                            "ResourceRecords": [{"Value": value}],
                        },
                    }
                ],
            },
        )
        try:
            # Until then some of the zone's servers still answer with the old address.
            cloud.route53.get_waiter("resource_record_sets_changed").wait(
                Id=told["ChangeInfo"]["Id"], WaiterConfig={"Delay": 5, "MaxAttempts": 60}
            )
        except WaiterError as error:
            raise ApplyFailed(
                f"{self.full_name} was set to {value}, but not all name servers answer so yet: {error}",
                why="Users may still be led to the other side.",
                next_command=self.account.next_command,
                transient=True,
            ) from error

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        record = known(self.inspect(reader).record)
        actual = (record.value.rstrip("."), record.ttl_s) if record else "no record"
        return (Check.equal(f"{self.full_name} leads to", (self.new.rstrip("."), self.ttl_s), actual),)

    def _zone(self, cloud: AwsReader) -> str | None:
        wanted = _dotted(self.zone)
        # The list starts at the name and is sorted, so everything of this name stands at its beginning.
        found = cloud.route53.list_hosted_zones_by_name(DNSName=wanted, MaxItems="10")["HostedZones"]
        zones = [zone["Id"] for zone in found if zone["Name"] == wanted]
        return at_most_one(zones, f"hosted zone {wanted} (a public and a private one, perhaps)")

    def _record(self, cloud: AwsReader, zone: str) -> Record | None:
        # The list is sorted and starts at the name: its first entry is the record, or there is none.
        found = cloud.route53.list_resource_record_sets(
            HostedZoneId=zone, StartRecordName=self.full_name, StartRecordType=self.type, MaxItems="1"
        )["ResourceRecordSets"]
        for record in found:
            # Route 53 writes the star of a wildcard as \052.
            if (record["Name"].replace("\\052", "*"), record["Type"]) == (self.full_name, self.type):
                return _record_of(record)
        return None


def switch_records(inventory: Inventory) -> list[Step[Any]]:
    """One step for each name that the inventory wants switched."""
    return [
        SwitchRecord(
            key=f"cutover/dns/{record.name}",
            account=cloud_of(inventory),
            zone=record.zone,
            name=record.name,
            type=record.type,
            ttl_s=record.ttl_s,
            old=record.old,
            new=record.new,
        )
        for record in inventory.targets.dns
    ]


def _record_of(found: "ResourceRecordSetOutputTypeDef") -> Record:
    """A simple record as it is; weighted, aliased and many-valued ones as a text that equals no address."""
    values = [record["Value"] for record in found.get("ResourceRecords", [])]
    if "SetIdentifier" in found or "AliasTarget" in found:
        values.append(
            f"{found.get('SetIdentifier') or found['AliasTarget']['DNSName']} (routing policy or alias)"
        )
    return Record(" and ".join(values), found.get("TTL", 0))


def _same(found: str, wanted: str, type_: str) -> bool:
    return found == wanted or (type_ == "CNAME" and _dotted(found) == _dotted(wanted))


def _dotted(name: str) -> str:
    return name.lower().rstrip(".") + "."


def _to_json(record: Record) -> dict[str, str | int]:
    return {"value": record.value, "ttl_s": record.ttl_s}
