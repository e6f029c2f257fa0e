"""The customer's DNS zone in the cloud of the estate: it is there before any migration begins."""

import boto3

from lab.plan import Estate

REGION = "cn-north-1"
ZONE = "demo-shop.example.cn."
RECORD = f"shop.{ZONE}"
TTL_S = 60


def seed(estate: Estate) -> None:
    """Make the zone with the shop's name leading to the old web host, unless it is there."""
    route53 = boto3.client(
        "route53",
        region_name=REGION,
        endpoint_url=estate.cloud_url,
        aws_access_key_id="practice",
        aws_secret_access_key="practice",
    )
    if any(zone["Name"] == ZONE for zone in route53.list_hosted_zones_by_name()["HostedZones"]):
        return
    made = route53.create_hosted_zone(Name=ZONE, CallerReference=f"lab-{estate.name}")
    record = {
        "Name": RECORD,
        "Type": "A",
        "TTL": TTL_S,
        "ResourceRecords": [{"Value": estate.address("web-1")}],
    }
    route53.change_resource_record_sets(
        HostedZoneId=made["HostedZone"]["Id"],
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},  # type: ignore[typeddict-item]
    )
