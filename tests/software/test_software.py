"""What is known of each kind of software: packages, services, what its files say."""

import pytest

from tasks.software.install import compared
from tasks.software.nginx import NGINX, host_name, upstream_sockets
from tasks.software.php_fpm import PHP_FPM
from tasks.software.registry import NOT_YET, SOFTWARE
from tasks.software.software import Software
from tasks.software.tomcat import TOMCAT

PACKAGES: list[tuple[Software, set[str], tuple[str, ...]]] = [
    (NGINX, {"nginx", "nginx-common", "libnginx-mod-http-geoip"}, ("libnginx-mod-http-geoip", "nginx")),
    (NGINX, {"apache2"}, ()),
    (PHP_FPM, {"php-fpm", "php8.2-fpm", "php8.2-cli", "php8.2-common"}, ("php-fpm",)),
    (
        PHP_FPM,
        {"php8.2-fpm", "php8.2-mysql", "php-mysql", "php8.2-gd"},
        ("php-mysql", "php8.2-fpm", "php8.2-gd"),
    ),
    (PHP_FPM, {"php-cli", "php8.2-cli"}, ()),
    (TOMCAT, {"tomcat10", "tomcat10-common", "libtomcat10-java"}, ("tomcat10",)),
]


@pytest.mark.parametrize(("software", "installed", "wanted"), PACKAGES)
def test_packages_wanted_for_those_the_source_has(
    software: Software, installed: set[str], wanted: tuple[str, ...]
) -> None:
    assert software.packages(installed) == wanted


def test_services_by_what_is_installed() -> None:
    assert PHP_FPM.service({"php7.4-fpm", "php8.10-fpm", "php8.2-fpm"}) == "php8.10-fpm"
    assert PHP_FPM.check({"php8.2-fpm"}) == ("php-fpm8.2", "-t")
    assert TOMCAT.service({"tomcat9", "tomcat10"}) == "tomcat10"
    assert [software.service(set()) for software in (NGINX, PHP_FPM, TOMCAT)] == ["", "", ""]


SITES = [
    ("server_name _;", ""),
    ("server_name _ *.shop.cn ~^x$ .shop.cn shop.cn;", "shop.cn"),
    ("# server_name old.cn;\nserver { server_name\n  a.cn b.cn; }", "a.cn"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "name"), SITES)
def test_the_name_a_site_answers_to(text: str, name: str) -> None:
    assert host_name(text) == name


def test_the_sockets_a_site_hands_requests_to() -> None:
    text = (
        "fastcgi_pass unix:/run/php/a.sock;\n# fastcgi_pass unix:/run/old.sock;\n"
        "fastcgi_pass  unix:/run/b.sock:;\nfastcgi_pass unix:/run/php/a.sock;\nfastcgi_pass 127.0.0.1:9000;\n"
    )
    assert upstream_sockets(text) == ("/run/php/a.sock", "/run/b.sock")


VERSIONS = [
    ("1.22.1-9", "1.22.1-9+deb12u1", ""),
    ("1.22.1-9", "1.26.0", "minor"),
    ("2:8.2+93", "2:8.4+96", "minor"),
    ("9.0.70-2", "10.1.6-1", "major"),
    ("1:1.0", "2:1.0", ""),
    ("1.0", "", "not on offer"),
]


@pytest.mark.parametrize(("source", "candidate", "differs"), VERSIONS)
def test_versions_compared(source: str, candidate: str, differs: str) -> None:
    assert compared(source, candidate)["differs"] == differs


def test_every_kind_the_inventory_knows_is_carried_out_or_refused_by_name() -> None:
    from inventory.sources import Application

    kinds = set(Application.model_json_schema()["properties"]["software"]["enum"])
    assert kinds <= SOFTWARE.keys() | NOT_YET.keys()
    assert not SOFTWARE.keys() & NOT_YET.keys()
