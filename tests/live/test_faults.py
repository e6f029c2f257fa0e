"""What goes wrong on a bad day, each thing on real servers: the error's class, the exit status, the next
command, and a world that is as before."""

import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import faults
from lab.estate import Estate, reset
from tests.live.conftest import CUSTOMER, Answer, Terminal
from tests.live.worlds import address_of_name, ask, last_record, mailbox, recorded, without_traces

pytestmark = [pytest.mark.live, pytest.mark.timeout(1200)]

OTHER_ACCOUNT = "210987654321"
SECRET = "secrets/mysql_source_password"
BOUNCING = "bounce@example.cn"


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: how, what is asked then, and how it must end."""

    name: str
    phase: str
    step: str
    error: str
    status: int
    words: tuple[str, ...]
    next_command: str
    happens: Callable[[Terminal], object]
    mended: Callable[[Terminal], object]


def wrong_password(terminal: Terminal) -> None:
    secret = terminal.project / SECRET
    (terminal.root / "right").write_text(secret.read_text())
    secret.write_text("not-the-password\n")


def right_password(terminal: Terminal) -> None:
    (terminal.project / SECRET).write_text((terminal.root / "right").read_text())


def other_account(terminal: Terminal) -> None:
    replace(terminal.project / "targets.yaml", '"123456789012"', f'"{OTHER_ACCOUNT}"')


def right_account(terminal: Terminal) -> None:
    replace(terminal.project / "targets.yaml", f'"{OTHER_ACCOUNT}"', '"123456789012"')


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def calls_allowed(lab: Estate, count: str) -> None:
    """After so many more calls the cloud wants rights, which nobody has. Source: moto, IAM-like access."""
    address = f"{lab.cloud_url}/moto-api/reset-auth"
    request = urllib.request.Request(address, count.encode(), {"Content-Type": "text/plain"})
    urllib.request.urlopen(request, timeout=10).close()


FAULTS = (
    Fault(
        "a wrong database password",
        "discovery",
        "discovery/database/shop-db",
        "Unreadable",
        1,
        ("migrator", "1.13"),
        "mariadb",
        wrong_password,
        right_password,
    ),
    Fault(
        "a password file that others may read",
        "discovery",
        "discovery/database/shop-db",
        "Unreadable",
        1,
        ("0644", "0600"),
        "chmod 600 ",
        lambda t: (t.project / SECRET).chmod(0o644),
        lambda t: (t.project / SECRET).chmod(0o600),
    ),
    Fault(
        "a host out of reach",
        "discovery",
        "discovery/host/web-1",
        "Unreadable",
        1,
        ("cannot connect", "1.11"),
        "ssh ",
        lambda t: faults.kill_service(t.lab, "web-1", "ssh"),
        lambda t: faults.start_service(t.lab, "web-1", "ssh"),
    ),
    Fault(
        "another host key",
        "discovery",
        "discovery/host/web-1",
        "Refused",
        3,
        ("host key changed", "SHA256:"),
        "ssh-keygen -R ",
        lambda t: faults.change_host_key(t.lab, "web-1"),
        lambda t: faults.restore_host_key(t.lab, "web-1"),
    ),
    Fault(
        "keys of another cloud account",
        "network",
        "network/vpc",
        "Refused",
        3,
        ("123456789012", OTHER_ACCOUNT),
        "qianyun rehearse ",
        other_account,
        right_account,
    ),
    Fault(
        "a cloud that refuses the keys",
        "network",
        "network/vpc",
        "Unreadable",
        1,
        ("InvalidClientTokenId",),
        "qianyun rehearse ",
        lambda t: calls_allowed(t.lab, "0"),
        lambda t: calls_allowed(t.lab, "inf"),
    ),
)


@pytest.fixture(scope="module")
def looking(session_estate: Estate, api: str, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """One project for all that goes wrong while only looking: nothing there is ever written."""
    made = Terminal(reset(session_estate.name), tmp_path_factory.mktemp("looking"), api)
    made.set_window(-0.1, 4)
    return made


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_while_looking(looking: Terminal, fault: Fault) -> None:
    before = looking.world()
    fault.happens(looking)
    try:
        answer = looking.rehearse("--phase", fault.phase, expect=fault.status)
    finally:
        fault.mended(looking)
    assert answer.errors[fault.step] == fault.error
    assert all(word in answer.message for word in fault.words), answer.message
    assert f"\n    {fault.next_command}" in answer.message, answer.message
    assert "not-the-password" not in answer.message + answer.text
    assert answer.document["digest"] == "", "what was not seen whole cannot be approved"
    assert looking.world() == before


@pytest.mark.long
def test_a_bad_day(terminal: Terminal) -> None:
    """Everything that can go wrong between the approval and the handing over, one run after the other.

    What does not depend on the fault gets done, nothing is lost, and the same command goes on.
    """
    terminal.set_window(2, 6)
    replace(terminal.project / "project.yaml", "acceptance@example.cn", BOUNCING)
    digest = approved(terminal)
    source = old_side(terminal)
    disk_full_and_cable_cut(terminal, digest)
    assert old_side(terminal) == source
    window_closed(terminal, digest)
    assert old_side(terminal) == source
    set_window_open(terminal)
    comparison_fails(terminal, digest)
    assert old_side(terminal) == source
    mail_bounces(terminal, digest)
    replace(terminal.project / "project.yaml", BOUNCING, "acceptance@example.cn")
    done = terminal.migrate(approved(terminal))
    assert not done.undone
    assert done.document["gate"]["state"] == "submitted"
    assert [mail["to"][0] for mail in mailbox(terminal.lab)][-1] == "acceptance@example.cn"
    assert terminal.run("ledger", "verify").document["ok"]


def approved(terminal: Terminal) -> str:
    digest = str(terminal.rehearse().document["digest"])
    terminal.of_project("approve", "--plan", digest, "--as", CUSTOMER)
    return digest


def set_window_open(terminal: Terminal) -> None:
    terminal.set_window(-0.1, 4)
    replace(terminal.project / "project.yaml", "acceptance@example.cn", BOUNCING)


def disk_full_and_cable_cut(terminal: Terminal, digest: str) -> None:
    """The target disk fills up and a target host drops off the network while the run is at it."""
    faults.fill_disk(terminal.lab, "file-2", left_kb=256)
    with once_recorded(terminal, digest, "environment/app-2/packages", "step_begun") as run:
        faults.cut(terminal.lab, "app-2")
        answer = Answer.of(run)
    faults.heal(terminal.lab, "app-2")
    faults.free_disk(terminal.lab, "file-2")
    assert answer.status == 1, answer.text
    assert answer.errors["files/share/share-disk"] == "ApplyFailed"
    assert "free" in answer.message and "\n    qianyun migrate " in answer.message
    assert answer.errors["environment/app-2/packages"] in ("Unreadable", "ApplyFailed")
    assert terminal.lab.address("app-2") in answer.message
    others = {step for step in answer.undone if "app-2" not in step and "orders" not in step}
    waiting = {step for step in others if step.startswith(("cutover/", "acceptance/"))}
    assert others - waiting <= {"files/share/share-disk", "testing/share", "security/backup/daily"}, others
    assert all(answer.states[step] == "NotDone" for step in waiting) and waiting
    assert answer.states["applications/shop/site"] == "Applied"


def window_closed(terminal: Terminal, digest: str) -> None:
    """Everything before the cutover is done; the cutover waits for its window."""
    answer = terminal.migrate(digest, expect=3)
    assert answer.errors["cutover/share/share-disk/readiness"] == "Refused"
    assert answer.states["cutover/shop-db/freeze"] == "NotDone"
    assert "window" in answer.message and "\n    qianyun status " in answer.message
    assert {step.partition("/")[0] for step in answer.undone} == {"cutover", "acceptance"}
    assert "files/share/share-disk" in answer.applied and "applications/orders/site" in answer.applied


def comparison_fails(terminal: Terminal, digest: str) -> None:
    """One byte changes on the target while the source is frozen: the source's users write on."""
    one_byte = "UPDATE shop.customers SET name = CONCAT(name, 'x'), changed_at = changed_at WHERE id = 7"
    mend = (
        "UPDATE shop.customers SET name = LEFT(name, CHAR_LENGTH(name) - 1), changed_at = changed_at"
        " WHERE id = 7"
    )
    with once_recorded(terminal, digest, "cutover/shop-db/freeze", "step_ended") as run:
        ask(terminal.lab, "db-2", one_byte)
        assert ask(terminal.lab, "db-1", "SELECT @@global.read_only") == "1"
        answer = Answer.of(run)
    assert answer.status == 1, answer.text
    failed = {"cutover/shop-db/refresh", "cutover/shop-db/comparison"} & answer.errors.keys()
    assert {answer.errors[step] for step in failed} == {"VerifyFailed"}, answer.message
    assert "customers" in answer.message
    assert answer.states["cutover/shop-db/freeze"] == "Undone"
    assert answer.states["cutover/dns/shop"] == "NotDone"
    assert ask(terminal.lab, "db-1", "SELECT @@global.read_only") == "0"
    assert address_of_name(terminal.lab) == [terminal.lab.address("web-1")]
    ask(terminal.lab, "db-2", mend)


def mail_bounces(terminal: Terminal, digest: str) -> None:
    """The cutover is done, the customer's mailbox is not: no clock runs, and nobody calls it submitted."""
    answer = terminal.migrate(digest, expect=1)
    assert answer.errors == {"acceptance/mail": "ApplyFailed"}
    assert BOUNCING in answer.message and "550" in answer.message
    assert set(answer.undone) == {"acceptance/mail"}
    assert answer.document["gate"]["state"] != "submitted"
    assert answer.document["gate"]["due_at"] is None
    assert address_of_name(terminal.lab) == [terminal.lab.address("web-2")]


@contextmanager
def once_recorded(terminal: Terminal, digest: str, step: str, kind: str) -> Iterator[subprocess.Popen[str]]:
    """A migration that runs on from the moment it wrote such a record of a step."""
    last = last_record(terminal.home)
    run = terminal.start("migrate", str(terminal.project), "--plan", digest)
    try:
        deadline = time.monotonic() + 300
        while not recorded(terminal.home, step, kind, last):
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < deadline, f"{step} has no record {kind}"
            time.sleep(0.02)
        yield run
    finally:
        if run.poll() is None:
            run.kill()
            run.communicate()


def old_side(terminal: Terminal) -> dict[str, str]:
    """The source's hosts and databases, and where its name leads."""
    world = without_traces(terminal.world())
    parts = {part: digest for part, digest in world.items() if part.partition("/")[0].endswith("-1")}
    return parts | {"name": ",".join(address_of_name(terminal.lab))}
