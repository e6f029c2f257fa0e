"""A small project whose names try to break every format they are printed in."""

from pathlib import Path
from typing import Any

from inventory.model import Inventory

HOSTILE = "星辰<b>&x零售有限公司"
FORMULA = "=1+1"

_SSH = {"address": "10.77.1.11", "key": "file:secrets/key", "known_hosts": "secrets/known_hosts"}


def inventory(folder: Path = Path("inventory/estate"), **changes: Any) -> Inventory:
    """The project; `changes` replace whole parts (project, sources, ...)."""
    return Inventory.model_validate({"folder": folder, **PARTS, **changes})


PROJECT: dict[str, Any] = {
    "id": "estate",
    "name": "Move of the shop",
    "name_zh": "星辰商城上云",
    "customer": {"name": "Xingchen <b>&x Retail", "name_zh": HOSTILE},
    "provider": {"name": "Yunfan", "name_zh": "云帆云服务有限公司"},
    "contacts": [
        {
            "name": "李明",
            "party": "customer",
            "role": "project-lead",
            "mail": "li@example.cn",
            "may_approve": True,
        },
        {"name": "王芳", "party": "customer", "role": "tester", "mail": "wang@example.cn"},
        {"name": "张伟", "party": "provider", "role": "project-lead", "mail": "zhang@example.com"},
        {"name": "陈静", "party": "provider", "role": "engineer", "mail": "chen@example.com"},
    ],
    "contract": {"number": "YF-2026-0117", "signed_on": "2026-09-01", "ends_on": "2027-08-31"},
    "window": {
        "start": "2026-12-05T22:00:00+08:00",
        "end": "2026-12-06T04:00:00+08:00",
        "announced_on": "2026-11-16",
    },
    "residency": {"allowed_regions": ["cn-north-1"]},
    "mail": {
        "host": "127.0.0.1",
        "sender": "migration@example.com",
        "acceptance_mailbox": "acceptance@example.cn",
    },
}

PARTS: dict[str, Any] = {
    "project": PROJECT,
    "sources": {
        "networks": [{"name": "old-room", "cidr": "10.77.1.0/24"}],
        "hosts": [
            {"name": "web-1", "ssh": _SSH, "description": FORMULA},
            {"name": "file-1", "ssh": {**_SSH, "address": "10.77.1.14"}, "description": "共享文件"},
        ],
        "applications": [
            {
                "name": "shop",
                "name_zh": "商城<前台>&后台",
                "host": "web-1",
                "software": "nginx",
                "site": "shop",
                "php_fpm": True,
                "content": ["/var/www/shop"],
                "port": 80,
                "uses_databases": ["shop-db"],
            },
            {"name": "reports", "host": "web-1", "software": "tomcat", "content": ["/srv/r"], "port": 8090},
        ],
        "databases": [
            {
                "name": "shop-db",
                "engine": "mariadb",
                "address": "10.77.1.13",
                "schema": "shop",
                "user": "migrator",
                "password": "env:SOURCE_PASSWORD",
                "accounts": ["shop_app@%"],
            }
        ],
        "file_shares": [{"name": "share", "host": "file-1", "path": "/srv/share"}],
    },
    "targets": {
        "cloud": {
            "region": "cn-north-1",
            "provider": {
                "account": "123456789012",
                "access_key_id": "env:AWS_ID",
                "secret_access_key": "env:AWS_KEY",
            },
        },
        "network": {
            "name": "estate",
            "cidr": "10.80.0.0/16",
            "subnets": [
                {"name": "public-a", "cidr": "10.80.0.0/24", "zone": "cn-north-1a", "public": True},
                {"name": "private-a", "cidr": "10.80.10.0/24", "zone": "cn-north-1a"},
            ],
        },
        "security_groups": [
            {"name": "web", "inbound": [{"source": "0.0.0.0/0", "port": 80, "reason": "顾客访问商城"}]}
        ],
        "servers": [
            {
                "name": "web-2",
                "subnet": "public-a",
                "security_group": "web",
                "ssh": {**_SSH, "address": "10.77.2.11"},
                "provider": {"image": "ami-12c6146b", "instance_type": "t3.small"},
            }
        ],
        "databases": [
            {
                "name": "shop-db-target",
                "engine": "mariadb",
                "address": "10.77.2.13",
                "schema": "shop",
                "user": "migrator",
                "password": "env:TARGET_PASSWORD",
            }
        ],
        "buckets": [{"name": "estate-share"}],
        "backups": [{"name": "daily", "servers": ["web-2"], "keep_days": 30}],
        "dns": [{"zone": "example.cn.", "name": "shop", "old": "10.77.1.11", "new": "10.77.2.11"}],
    },
    "migration_list": [
        {"name": "shop-db", "kind": "database", "in_scope": True, "target": ["shop-db-target"]},
        {"name": "share", "kind": "file_share", "in_scope": True, "target": ["estate-share"]},
        {"name": "shop", "kind": "application", "in_scope": True, "target": ["web-2"], "wave": 2},
        {
            "name": "reports",
            "kind": "application",
            "in_scope": False,
            "method": "exclude",
            "reason": "大数据应用",
        },
    ],
    "preconditions": [
        {
            "kind": kind,
            "state": state,
            "evidence": f"记录 {kind}",
            "confirmed_by": "li@example.cn",
            "confirmed_on": "2026-11-16",
        }
        for kind, state in (
            ("project-lead", "met"),
            ("system-facts", "met"),
            ("backup-verified", "met"),
            ("window-announced", "met"),
            ("change-requested", "met"),
            ("account-funded", "met"),
            ("licences", "not-applicable"),
            ("third-parties", "not-applicable"),
        )
    ],
    "tests": [
        {
            "kind": "http",
            "name": "shop-front",
            "item": "shop",
            "before": "http://10.77.1.11/",
            "after": "http://10.77.2.11/",
        },
        {
            "kind": "sql",
            "name": "orders-sum",
            "item": "shop-db",
            "query": "select sum(x) from orders",
            "priority": "P1",
        },
    ],
}
