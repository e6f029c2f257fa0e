"""Keys and passwords of an instance: made once, kept until `down`, each file 0600."""

import os
import secrets
import shutil
from pathlib import Path

from lab.commands import run
from lab.plan import Estate

PASSWORDS = ("mysql_source_password", "mysql_target_password", "mysql_app_password")


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner reads, complete or not at all."""
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.rename(path)


def make_key(path: Path, comment: str) -> None:
    """Make an ed25519 key pair; a half-written one from a killed `up` is made anew."""
    if path.exists() and path.with_name(f"{path.name}.pub").exists():
        return
    path.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def make_access(estate: Estate) -> None:
    """Make what is missing of the instance's keys and passwords."""
    host_keys = estate.secrets / "host_keys"
    host_keys.mkdir(parents=True, exist_ok=True)
    for directory in (estate.root, estate.secrets, host_keys):
        directory.chmod(0o700)
    for name in PASSWORDS:
        if not (estate.secrets / name).exists():
            write_secret(estate.secrets / name, secrets.token_urlsafe(18))
    make_key(estate.secrets / "ssh_key", f"engineer@{estate.name}")
    known = ""
    for host in estate.hosts:
        if host.layers:
            make_key(host_keys / host.name, f"root@{host.name}")
            kind, key = (host_keys / f"{host.name}.pub").read_text().split()[:2]
            known += f"{host.name},{estate.address(host.name)} {kind} {key}\n"
    write_secret(estate.secrets / "known_hosts", known)


def password(estate: Estate, name: str) -> str:
    """Read one of the instance's passwords."""
    return (estate.secrets / name).read_text()


def plant(estate: Estate, host_name: str) -> None:
    """Lay out what makes a fresh host this host: names, keys, addresses, the application's account."""
    host, root = estate.host(host_name), estate.directory(host_name) / "plant"
    shutil.rmtree(root, ignore_errors=True)
    put(root, "etc/hostname", f"{host.name}\n")
    names = "".join(f"{estate.address(h.name)} {h.name}.lab {h.name}\n" for h in estate.hosts)
    put(root, "etc/hosts", f"127.0.0.1 localhost\n{estate.gateway} engineer\n{names}")
    plant_keys(estate, host.name, root)
    if host.server_id:
        put(root, "etc/mysql/mariadb.conf.d/90-host.cnf", f"[mariadbd]\nserver_id = {host.server_id}\n")
    if host.name == "web-1":
        config = root / "etc/shop/shop.ini"
        settings = {
            "db_host": estate.address("db-1"),
            "db_port": "3306",
            "db_name": "shop",
            "db_user": "shop_app",
            "db_password": password(estate, "mysql_app_password"),
        }
        put(root, "etc/shop/shop.ini", "".join(f"{k} = {v}\n" for k, v in settings.items()), 0o640)
        os.chown(config, 0, 1500)


def plant_keys(estate: Estate, host_name: str, root: Path) -> None:
    """Give the host its own key and let the engineer in."""
    for ending, mode in (("", 0o600), (".pub", 0o644)):
        key = (estate.secrets / "host_keys" / f"{host_name}{ending}").read_text()
        put(root, f"etc/ssh/ssh_host_ed25519_key{ending}", key, mode)
    put(root, "root/.ssh/authorized_keys", (estate.secrets / "ssh_key.pub").read_text(), 0o600)
    (root / "root/.ssh").chmod(0o700)


def put(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    """Write one file below `root` with its permissions."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(mode)
