"""The practice estate on this machine: it stands, it is stable, and it leaves nothing behind.

One instance, `labtest`, beside whatever demo is running; needs root and Linux, minutes the first time.
"""

import email.message
import json
import os
import platform
import smtplib
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pymysql
import pytest

from lab import faults
from lab.errors import LabFailed, LabUnavailable
from lab.estate import Estate, down, estate, reset, status, up
from lab.machine import Mirror, deb822, one_line
from lab.plan import KNOWN_PREFIXES
from lab.processes import answers, first_processes, inside, marked
from lab.snapshot import snapshot
from tests.live.conftest import ON_ESTATE

NAME = "labtest"
pytestmark = ON_ESTATE


def ssh(lab: Estate, host: str, command: str) -> subprocess.CompletedProcess[str]:
    options = [f"UserKnownHostsFile={lab.secrets / 'known_hosts'}", "BatchMode=yes", "ConnectTimeout=3"]
    key = ["-i", str(lab.secrets / "ssh_key"), *(part for option in options for part in ("-o", option))]
    return subprocess.run(["ssh", *key, f"root@{lab.address(host)}", command], capture_output=True, text=True)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as reply:
        return str(reply.read().decode())


def ask(lab: Estate, host: str, user: str, password: str, sql: str) -> Any:
    secret = (lab.secrets / password).read_text()
    with (
        pymysql.connect(host=lab.address(host), user=user, password=secret) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return cursor.fetchall()


def cloud(lab: Estate, service: str) -> Any:
    keys = {"aws_access_key_id": "lab", "aws_secret_access_key": "lab"}
    return boto3.client(service, endpoint_url=lab.cloud_url, region_name="cn-north-1", **keys)  # type: ignore[call-overload]


def read_the_cloud(lab: Estate) -> None:
    ec2, s3 = cloud(lab, "ec2"), cloud(lab, "s3")
    for read in (
        ec2.describe_vpcs,
        ec2.describe_instances,
        ec2.describe_security_groups,
        ec2.describe_images,
    ):
        read()
    s3.list_buckets()
    s3.get_object(Bucket="shop-files", Key="a")["Body"].read()
    cloud(lab, "route53").list_hosted_zones()
    cloud(lab, "backup").list_backup_plans()
    cloud(lab, "secretsmanager").list_secrets()
    cloud(lab, "sts").get_caller_identity()


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {part for part in before.keys() | after.keys() if before.get(part) != after.get(part)}


def test_second_up_changes_nothing(lab: Estate) -> None:
    before, started = first_processes(lab), time.monotonic()
    up(NAME)
    print(f"second up: {time.monotonic() - started:.1f} s")
    assert first_processes(lab) == before


def test_every_service_answers(lab: Estate) -> None:
    found = status(NAME)
    assert found["state"] == "up"
    assert [(h["name"], s) for h in found["hosts"] for s, ok in h["services"].items() if not ok] == []


@pytest.mark.parametrize("host", ["web-1", "app-1", "db-1", "file-1", "web-2", "app-2", "db-2", "file-2"])
def test_host_is_reached_by_key(lab: Estate, host: str) -> None:
    assert ssh(lab, host, "hostname").stdout.strip() == host


def test_web_site_reads_the_database(lab: Estate) -> None:
    counts = json.loads(get(f"http://{lab.address('web-1')}/api/counts.php"))
    assert (counts["status"], counts["customers"], counts["sample"]) == ("ok", 20000, "欧阳若曦 🐼")
    assert get(f"http://{lab.address('web-1')}/health") == "OK\n"


def test_web_application_reads_its_configuration(lab: Estate) -> None:
    health = json.loads(get(f"http://{lab.address('app-1')}:8080/orders/health"))
    assert (health["status"], health["site"]) == ("UP", "shanghai-dc1")


def test_accounts_have_their_rights(lab: Estate) -> None:
    assert ask(lab, "db-1", "migrator", "mysql_source_password", "SELECT COUNT(*) FROM shop.orders") == (
        (50000,),
    )
    assert ask(lab, "db-2", "migrator", "mysql_target_password", "SHOW DATABASES LIKE 'shop'") == ()
    with pytest.raises(pymysql.err.OperationalError):
        ask(lab, "db-1", "migrator", "mysql_source_password", "DELETE FROM shop.orders")


def test_database_is_frozen_and_thawed(lab: Estate) -> None:
    def freeze(state: int) -> None:
        ask(lab, "db-1", "migrator", "mysql_source_password", f"SET GLOBAL read_only = {state}")

    write = "UPDATE shop.settings SET value = value WHERE name = 'currency'"
    freeze(1)
    with pytest.raises(pymysql.err.OperationalError, match="read-only"):
        ask(lab, "db-1", "shop_app", "mysql_app_password", write)
    freeze(0)
    ask(lab, "db-1", "shop_app", "mysql_app_password", write)


def test_migrators_rights_carry_the_whole_database_across(lab: Estate) -> None:
    copy = (
        "read -r source; read -r target; export MYSQL_PWD=$source\n"
        "mariadb-dump -h db-1 -u migrator --single-transaction --routines --events --triggers shop >/tmp/x\n"
        "export MYSQL_PWD=$target; mariadb -h db-2 -u migrator -e 'CREATE DATABASE shop'\n"
        "mariadb -h db-2 -u migrator shop </tmp/x"
    )
    passwords = [(lab.secrets / f"mysql_{side}_password").read_text() for side in ("source", "target")]
    inside(lab, "db-2", ["sh", "-e", "-c", copy], given="\n".join(passwords) + "\n")
    parts = snapshot(NAME)
    assert parts["db-1/database/shop"] == parts["db-2/database/shop"]
    inside(lab, "db-2", ["mariadb", "-e", "DROP DATABASE shop"])


def test_source_is_large_enough(lab: Estate) -> None:
    tables = inside(
        lab, "db-1", ["mariadb", "-N", "shop"], given="SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"
    )
    names = [line.split("\t")[0] for line in tables.splitlines()]
    counts = inside(
        lab, "db-1", ["mariadb", "-N", "shop"], given="".join(f"SELECT COUNT(*) FROM `{n}`;" for n in names)
    )
    assert len(names) >= 8
    assert sum(int(count) for count in counts.split()) >= 200_000
    assert (
        int(inside(lab, "file-1", ["sh", "-c", "find /srv/share -type f -print0 | tr -dc '\\0' | wc -c"]))
        >= 2000
    )


def test_mailbox_keeps_and_refuses(lab: Estate) -> None:
    letter = email.message.EmailMessage()
    letter["Subject"] = "验收"
    letter.set_content("请查收。\n")
    with smtplib.SMTP(lab.address("mail"), 25, timeout=10) as server:
        server.send_message(letter, "pm@qianyun.example", ["it@customer.example"])
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            server.send_message(letter, "pm@qianyun.example", ["bounce-1@customer.example"])
    kept = sorted(lab.mailbox.glob("*.json"))
    assert json.loads(kept[-1].read_text())["to"] == ["it@customer.example"]


def test_snapshot_is_stable_and_notices_a_write(lab: Estate) -> None:
    cloud(lab, "s3").create_bucket(
        Bucket="shop-files", CreateBucketConfiguration={"LocationConstraint": "cn-north-1"}
    )
    cloud(lab, "s3").put_object(Bucket="shop-files", Key="a", Body=b"1")
    before = snapshot(NAME)
    ssh(lab, "web-1", "cat /etc/passwd; service nginx status; apt-cache policy nginx")
    get(f"http://{lab.address('web-1')}/api/counts.php")
    read_the_cloud(lab)
    assert changed(before, snapshot(NAME)) == set()
    inside(
        lab, "db-1", ["mariadb", "shop"], given="UPDATE settings SET value = 'USD' WHERE name = 'currency'"
    )
    inside(lab, "web-2", ["sh", "-c", "rm /etc/motd; echo x > /etc/new"])
    inside(lab, "app-2", ["sysctl", "-q", "-w", "net.core.somaxconn=100"])
    inside(lab, "file-2", ["touch", "/data/new"])
    cloud(lab, "s3").put_object(Bucket="shop-files", Key="a", Body=b"2")
    assert changed(before, snapshot(NAME)) == {
        "db-1/database/shop",
        "trace/db-1/binlog",
        "web-2/files",
        "app-2/kernel",
        "file-2/disk",
        "cloud/s3/aws-cn",
    }


def test_bare_host_installs_without_a_route_outside(lab: Estate) -> None:
    assert ssh(lab, "web-2", "apt-get -q -y install nginx php-fpm php-mysql").returncode == 0
    assert answers(lab.address("web-2"), 80)


def test_host_may_not_write_the_machine(lab: Estate) -> None:
    before = Path("/proc/sys/vm/swappiness").read_text()
    assert ssh(lab, "web-2", "sysctl -w vm.swappiness=7 || exit 9").returncode == 9
    assert ssh(lab, "web-2", "date -s 2020-01-01 || exit 9").returncode == 9
    assert Path("/proc/sys/vm/swappiness").read_text() == before


def test_faults_come_and_go(lab: Estate) -> None:
    faults.cut(lab, "web-1")
    assert not answers(lab.address("web-1"), 80)
    faults.heal(lab, "web-1")
    assert answers(lab.address("web-1"), 80, timeout_s=5)
    for host, service, port in (("web-1", "nginx", 80), ("db-2", "mariadb", 3306), ("app-2", "ssh", 22)):
        faults.kill_service(lab, host, service)
        assert not answers(lab.address(host), port)
        faults.start_service(lab, host, service)
        assert answers(lab.address(host), port)
    faults.change_host_key(lab, "app-2")
    assert "HOST IDENTIFICATION HAS CHANGED" in ssh(lab, "app-2", "true").stderr
    faults.restore_host_key(lab, "app-2")
    assert ssh(lab, "app-2", "true").returncode == 0
    faults.fill_disk(lab, "file-2")
    assert "No space left" in ssh(lab, "file-2", "head -c 100000 /dev/zero > /data/x").stderr
    faults.free_disk(lab, "file-2")
    assert ssh(lab, "file-2", "head -c 100000 /dev/zero > /data/x").returncode == 0
    with pytest.raises(LabFailed, match="no disk of its own"):
        faults.fill_disk(lab, "web-1")


def test_reset_gives_the_first_state(lab: Estate) -> None:
    reset(NAME)
    first = snapshot(NAME)
    inside(lab, "db-2", ["mariadb"], given="CREATE DATABASE strange")
    inside(lab, "web-1", ["rm", "-r", "/var/www/shop"])
    reset(NAME)
    ids = {part for part in first if part.startswith("cloud/")}  # moto draws new identifiers
    stamps = {"db-1/accounts", "db-2/accounts"}  # the moment a password was set, and its salt
    assert changed(first, snapshot(NAME)) - ids - stamps == set()


def test_names_that_cannot_be_are_refused() -> None:
    with pytest.raises(LabUnavailable, match="cannot name an instance"):
        up("../demo")


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for command in (up, down, reset, status, snapshot):
        with pytest.raises(LabUnavailable, match="it needs root, this is user 1000"):
            command(NAME)


def test_without_linux_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(LabUnavailable, match="it needs Linux, this is Darwin"):
        up(NAME)


def test_where_mounts_are_refused_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QIANYUN_LAB_STATE", "/proc/lab")
    with pytest.raises(LabUnavailable, match="/proc/lab"):
        up(NAME)


def test_package_sources_are_read_in_both_formats() -> None:
    one = "deb [arch=amd64 signed-by=/x] http://a/debian bookworm main contrib # c\n# deb http://b x main\n"
    two = "Types: deb deb-src\nURIs: http://a/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\n"
    off = "\nTypes: deb\nEnabled: no\nURIs: http://c\nSuites: bookworm\nComponents: main\n"
    assert one_line(one) == [Mirror("http://a/debian", "bookworm", ("main", "contrib"))]
    assert [m.suite for m in deb822(two + off)] == ["bookworm", "bookworm-updates"]


def test_two_instances_never_share_a_network(lab: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN_PREFIXES, "other", lab.prefix)
    with pytest.raises(LabUnavailable, match="belongs to qianyun-lab/labtest"):
        up("other")
    down("other")
    with pytest.raises(LabFailed, match="in use by another instance"):
        down("other", purge=True)
    assert status(NAME)["state"] == "up"


def test_up_killed_in_the_middle_is_finished_or_removed(lab: Estate) -> None:
    for pause_s in (0.3, 0.6, 1.0):
        down(NAME)
        child = subprocess.Popen(["python3", "-m", "lab", "up", "--name", NAME])
        time.sleep(pause_s)
        child.kill()
        child.wait()
        if pause_s == 0.6:
            up(NAME)
            assert status(NAME)["state"] == "up"
    down(NAME)
    assert nothing_left() == []
    up(NAME)


def test_down_leaves_nothing(lab: Estate) -> None:
    down(NAME)
    down(NAME)
    assert nothing_left() == []
    up(NAME)


def nothing_left() -> list[str]:
    """Name every process, mount, link and file of the instance that is still there."""
    wanted = estate(NAME)
    left = [f"process {pid}" for pid in marked(f"{NAME}/")]
    left += [f"link {p.name}" for p in Path("/sys/class/net").glob(f"{wanted.bridge}*")]
    for mounts in Path("/proc").glob("[0-9]*/mounts"):
        try:
            left += [
                f"mount of {mounts.parent.name}" for line in mounts.open() if str(wanted.root) + "/" in line
            ]
        except OSError:
            continue  # it ended between the listing and the reading
    return left + ([str(wanted.root)] if wanted.root.exists() else [])
