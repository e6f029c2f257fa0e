"""Outputs of host commands as facts, odd ones included."""

from tasks.hosts import parse
from tasks.hosts.ports import Disk, FileState, Service, Socket
from tasks.hosts.ssh_reader import sysctl_path
from tasks.hosts.sysctl import settings


def test_entries_with_odd_names() -> None:
    text = "d|755|root|root|4096|1700000000.5|||l|777|u|g|3|1.0|to\nthere|new\nline|".replace("|", "\0")
    assert dict(parse.entries(text)) == {
        "": FileState("folder", "755", "root", "root", 0, 1_700_000_000),
        "new\nline": FileState("link", "777", "u", "g", 0, 1, target="to\nthere"),
    }


def test_checksums_keep_every_character_of_a_name() -> None:
    digest = "a" * 64
    assert parse.checksums(f"{digest}  /a\\b\nc\0{digest}  /d\0") == {"/a\\b\nc": digest, "/d": digest}


def test_disks_without_what_stores_nothing() -> None:
    text = (
        "Type 1B-blocks Used Mounted on\next4 100 50 /\ntmpfs 10 0 /run\nnfs4 7 3 /mnt/two words\n"
        "overlay - - /broken\n"
    )
    assert parse.disks(text) == (Disk("/", "ext4", 100, 50), Disk("/mnt/two words", "nfs4", 7, 3))


def test_sockets() -> None:
    text = (
        'tcp LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=1,fd=6),("nginx",pid=2,fd=6))\n'
        "tcp LISTEN 0 128 [::]:22 [::]:*\n"
        "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*\n"
    )
    assert parse.sockets(text) == (
        Socket("tcp", "::", 22),
        Socket("tcp", "0.0.0.0", 80, "nginx"),
        Socket("udp", "127.0.0.53%lo", 53),
    )


def test_sockets_without_ss() -> None:
    text = "head\n 0: 0100007F:0CEA 00000000:0000 0A 0\n 1: 0100007F:0CEB 0100007F:9999 01 0\n"
    assert parse.proc_net(text, "tcp") == {Socket("tcp", "127.0.0.1", 3306)}


def test_packages_only_wholly_installed() -> None:
    text = "ii \tnginx\t1.22\nrc \tapache2\t2.4\nhi \tlinux\t6.1\niU \thalf\t1\n"
    assert parse.packages(text) == {"nginx": "1.22", "linux": "6.1"}


def test_candidates() -> None:
    text = (
        "nginx:\n  Installed: (none)\n  Candidate: 1.22.1-9\n  Version table:\n"
        "gone:\n  Installed: 1\n  Candidate: (none)\n"
    )
    assert parse.candidates(text) == {"nginx": "1.22.1-9"}


def test_a_simulation_tells_new_packages_from_upgrades() -> None:
    text = "Inst libc6 [1] (2 Debian [amd64])\nInst nginx (1.22 Debian [amd64])\nConf nginx (1.22)\n"
    assert parse.simulated(text, "install") == ("nginx",)
    assert parse.simulated("Purg php-fpm:amd64 [1]\nRemv x [2]\n", "remove") == ("php-fpm", "x")


def test_services_of_systemd() -> None:
    units = "nginx.service loaded active running web\n● bad.service not-found inactive dead bad\n"
    files = "nginx.service enabled enabled\ncron.service enabled enabled\ngetty@.service enabled enabled\n"
    assert parse.systemd_services(units, files) == (
        Service("cron", False, True),
        Service("nginx", True, True),
    )


def test_services_of_sysvinit() -> None:
    text = " [ + ]  ssh\n [ - ]  nginx\n [ ? ]  hwclock.sh\n"
    assert parse.sysv_services(text, {"ssh"}) == (
        Service("hwclock.sh", False, False),
        Service("nginx", False, False),
        Service("ssh", True, True),
    )


def test_settings_of_sysctl_files() -> None:
    text = "# a = 1\n; b = 2\n net.ipv4.ip_local_port_range = 10240\t65000 \n-vm.swappiness=10\n\n=\n"
    assert settings(text) == {"net.ipv4.ip_local_port_range": "10240 65000", "vm.swappiness": "10"}


def test_dots_and_slashes_change_places_in_sysctl_names() -> None:
    assert sysctl_path("net.ipv4.conf.eth0/1.forwarding") == "/proc/sys/net/ipv4/conf/eth0.1/forwarding"
