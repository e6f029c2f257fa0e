"""The command line's promises: one JSON document on stdout whatever happens, and the exit status."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.errors import LedgerMismatch
from flows import cli
from inventory.practice import materialise
from ledger.book import Ledger
from tests.flows.test_conduct import HOUR


@dataclass(frozen=True)
class Case:
    name: str
    arguments: tuple[str, ...]
    status: int
    says: str


CASES = [
    Case("no such folder", ("check", "/nowhere"), 2, "no such project folder"),
    Case("no such option", ("rehearse", "--bogus"), 2, "No such option"),
    Case("no such command", ("frobnicate",), 2, "No such command"),
    Case("no digest", ("migrate", "PROJECT"), 2, "Missing option '--plan'"),
    Case("no such phase", ("rehearse", "PROJECT", "--phase", "nope"), 2, "is not one of"),
    Case("no ledger", ("ledger", "verify"), 1, "there is no ledger"),
    Case("unknown plan", ("approve", "PROJECT", "--plan", "0" * 12, "--as", "x@y.cn"), 3, "no complete"),
    Case("gate not submitted", ("gate", "PROJECT", "accept", "--as", "li.ming@example.cn"), 3, "reason"),
    Case("not the customer", ("gate", "PROJECT", "accept", "--as", "chen.jing@example.com"), 3, "may not"),
    Case("nobody closes", ("gate", "PROJECT", "close", "--as", "nobody@example.cn"), 3, "is not a contact"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("QIANYUN_HOME", str(tmp_path / "home"))
    (tmp_path / "kept").mkdir()
    now = datetime.now(UTC)
    made = materialise(
        tmp_path / "p", window_start=now - HOUR, window_end=now + HOUR, secrets=tmp_path / "kept"
    )
    return str(made)


def run(folder: str, *arguments: str) -> tuple[int, dict[str, object], str]:
    asked = [folder if word == "PROJECT" else word for word in arguments]
    result = CliRunner().invoke(cli.main, [*asked, "--json"])
    return result.exit_code, json.loads(result.stdout), result.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_error_is_one_document_and_a_status(folder: str, case: Case) -> None:
    status, document, error = run(folder, *case.arguments)
    assert status == case.status and case.says in str(document["error"]) and case.says in error


def test_a_missing_folder_has_the_keys_of_check(folder: str) -> None:
    _, document, _ = run(folder, "check", "/nowhere")
    assert document["ok"] is False and document["faults"]


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), PermissionError("read-only"), LedgerMismatch("x")])
def test_whatever_ends_a_command_it_is_told(
    folder: str, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(Ledger, "open", fail)
    status, document, error = run(folder, "status", "PROJECT")
    assert status == (3 if isinstance(raised, LedgerMismatch) else 1)
    assert "error" in document and error


def test_the_whole_ledger_is_one_document(folder: str) -> None:
    assert run(folder, "status", "PROJECT")[0] == 0
    assert run(folder, "ledger", "export")[1] == {"entries": []}
    assert run(folder, "ledger", "verify")[1]["ok"] is True


def test_another_projects_ledger_is_refused_and_the_project_at_hand_kept(folder: str, tmp_path: Path) -> None:
    run(folder, "status", "PROJECT")
    other = tmp_path / "other"
    other.mkdir()
    for file in Path(folder).glob("*.yaml"):
        (other / file.name).write_text(file.read_text().replace("demo-shop", "other-shop"))
    assert run(str(other), "status", "PROJECT")[0] == 3
    assert run(folder, "status")[0] == 0
