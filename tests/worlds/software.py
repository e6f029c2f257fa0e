"""Steps that move applications between two hosts, upon doubles of both."""

from dataclasses import dataclass
from typing import Any

from core.access import Endpoint, Journal
from core.errors import Refused, Unreadable
from core.step import Step
from inventory.sources import Substitution
from tasks.software.content import Content, MoveContent
from tasks.software.install import InstallSoftware
from tasks.software.site import ConfigureSite
from tasks.software.web import Answer, WebReader
from tests.contract.case import Case, World
from tests.worlds.host_double import FOLDER, FakeEndpoint, FakeHost, HostWorld, Node, Package, Running
from tests.worlds.hosts import bare_host

SITE = b"""server {
    server_name _ www.shop.example.cn;
    location ~ \\.php$ { fastcgi_pass unix:/run/php/php8.2-fpm.sock; }
}
"""
SHOP = Substitution(file="/var/www/shop/config.php", find="10.0.0.1", replace="10.0.0.2")
SOFTWARE = ("php-fpm", "nginx")


def _mine(data: bytes, mode: str = "640", mtime_s: int = 1_600_000_000) -> Node:
    return Node("file", data, mode, "shop", "shop", mtime_s)


def source_host() -> FakeHost:
    host = FakeHost(
        "web-1",
        {
            "/etc/nginx/sites-available/shop": Node(data=SITE),
            "/var/www/shop": Node("folder", mode="755", owner="shop", group="shop"),
            "/var/www/shop/config.php": _mine(b"<?php $db = '10.0.0.1'; ?>"),
            "/var/www/shop/index.php": _mine(b"<?php echo 1; ?>"),
            "/var/www/shop/图片 'a\nb'.jpg": _mine(b"\xff\xd8"),
            "/var/www/shop/current": Node("link", b"index.php", owner="shop", group="shop"),
            "/var/www/shop/empty": Node("folder", mode="2775", owner="shop", group="shop"),
            "/var/www/shop/run.sock": Node("socket"),
            "/etc/shop/shop.ini": Node("file", b"db=1\n", "640", "root", "shop", 1_600_000_001),
        },
    )
    host.installed = {
        "nginx": "1.22.1-9",
        "php-fpm": "2:8.2+93",
        "php8.2-fpm": "8.2.5",
        "php8.2-cli": "8.2.5",
    }
    return host


def target_host(*, software: bool = True) -> FakeHost:
    host = bare_host("web-2")
    host.add("/run", FOLDER)
    host.repository |= {
        "nginx": Package(
            "1.26.0-1",
            ("nginx-common",),
            {
                "/etc/nginx/sites-available/default": Node(data=b"server {}"),
                "/etc/nginx/sites-enabled/default": Node("link", b"/etc/nginx/sites-available/default"),
            },
            service="nginx",
        ),
        "nginx-common": Package("1.26.0-1", (), {"/var/www/html/index.html": Node(data=b"It works")}),
        "php-fpm": Package("2:8.2+93", ("php8.2-fpm",)),
        "php8.2-fpm": Package(
            "8.2.5", (), {"/run/php/php8.2-fpm.sock": Node("socket")}, service="php8.2-fpm"
        ),
    }
    if software:
        host.install(["nginx", "php8.2-fpm", "php-fpm"])
        host.services["php8.2-fpm"] = Running()
    return host


def _install() -> tuple[Step[Any], World]:
    source, target = source_host(), target_host(software=False)
    step = InstallSoftware(
        key="applications/shop/software",
        item="shop",
        server="web-2",
        software=SOFTWARE,
        source=FakeEndpoint(source),
        target=FakeEndpoint(target),
    )
    return step, HostWorld([source, target], lambda: target.installed.pop("nginx"))


def move(source: FakeHost, target: FakeHost) -> MoveContent:
    return MoveContent(
        key="applications/shop/content",
        item="shop",
        server="web-2",
        content=Content(("/var/www/shop", "/etc/shop/shop.ini"), "www-data", (SHOP,)),
        source=FakeEndpoint(source),
        target=FakeEndpoint(target),
    )


def _content(*, occupied: bool) -> tuple[Step[Any], World]:
    source, target = source_host(), target_host()
    if occupied:
        target.add("/var/www/shop/index.php", FOLDER)
        target.add("/var/www/shop/index.php/old.html", b"old")
        target.add("/var/www/shop/stray.txt", b"stray")

    def damage() -> None:
        target.nodes["/var/www/shop/index.php"] = _mine(b"<?php echo 2; ?>")

    return move(source, target), HostWorld([source, target], damage)


@dataclass(frozen=True)
class FakeWeb(Endpoint[WebReader, WebReader]):
    """Answers as the double's nginx would with the configuration it last loaded."""

    host: FakeHost

    @property
    def address(self) -> str:
        return "http://web-2:80"

    def open_reader(self) -> WebReader:
        return self

    def open_writer(self, journal: Journal) -> WebReader:
        raise Refused("a web server is only asked")

    def get(self, path: str, host_name: str) -> Answer:
        nginx = self.host.services.get("nginx")
        if nginx is None or not nginx.running:
            raise Unreadable("connection refused", transient=True)
        ours = "/etc/nginx/sites-enabled/shop" in self.host.nodes and host_name == "www.shop.example.cn"
        fresh = nginx.loaded == self.host.configuration()
        return Answer(200 if ours and fresh and "/var/www/shop/index.php" in self.host.nodes else 404, "")

    def close(self) -> None:
        return None


def site(source: FakeHost, target: FakeHost) -> ConfigureSite:
    return ConfigureSite(
        key="applications/shop/site",
        item="shop",
        server="web-2",
        software=SOFTWARE,
        site="shop",
        health="/health",
        move=move(source, target),
        source=FakeEndpoint(source),
        target=FakeEndpoint(target),
        web=FakeWeb(target),
    )


def moved_hosts() -> tuple[FakeHost, FakeHost]:
    """Both hosts after the software and the content are there."""
    source, target = source_host(), target_host()
    for path, node in source.nodes.items():
        if path.startswith(("/var/www/shop", "/etc/shop")) and node.kind != "socket":
            data = node.data.replace(b"10.0.0.1", b"10.0.0.2")
            owner = "root" if node.owner == "root" else "www-data"
            group = "root" if node.group == "root" else "www-data"
            target.add(path, Node(node.kind, data, node.mode, owner, group, node.mtime_s))
    target.services["nginx"].loaded = target.configuration()
    return source, target


def _site() -> tuple[Step[Any], World]:
    source, target = moved_hosts()
    return site(source, target), HostWorld([source, target], lambda: target.services.pop("nginx"))


CASES = [
    Case("software/install", _install),
    Case("software/content", lambda: _content(occupied=False)),
    Case("software/content-over-what-is-there", lambda: _content(occupied=True)),
    Case("software/site", _site),
]
