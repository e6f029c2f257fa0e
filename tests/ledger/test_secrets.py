"""No secret reaches the ledger, whatever text carries it."""

import pytest

from core import secret
from core.errors import Refused
from core.plan import Change, Plan
from core.secret import Secret
from ledger.engine import ledger_url, shown
from tests.ledger.places import Place
from tests.ledger.sample import NOW, ended, plan, rehearse
from tests.ledger.sample import migration_plan as whole_plan

SECRETS = ["hunter2-hunter2", 'with "quotes" and \\', "口令很长很长", "tab\there"]


@pytest.fixture(autouse=True)
def known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_seen", set())


@pytest.mark.parametrize("value", SECRETS)
def test_masked_in_every_text(file_place: Place, value: str) -> None:
    Secret(value)
    with file_place.open() as ledger:
        run_id = ledger.start_run("live", requested_by=f"a@b.cn {value}")
        evidence = ledger.store_evidence({"output": f"denied for {value}", "nested": [{value: value}]})
        ended(
            ledger, run_id, "databases/shop/data", "Failed", error=f"driver said: {value}!", evidence=evidence
        )
        ledger.record_waiver("backup", reason=value, by="li@customer.cn")
        ledger.record_deliverable("proposal", status="draft", sha256="a" * 64, path=value)
        ledger.end_run(run_id, "Failed", {"text": value})
        assert ledger.steps(run_id)[0].error == "driver said: ***!"
        assert ledger.read_evidence(evidence) == {"output": "denied for ***", "nested": [{"***": "***"}]}
        assert ledger.verify().ok
    for file in file_place.home.rglob("*"):
        assert not file.is_file() or value.encode() not in file.read_bytes(), file


def test_refused_in_plans_which_are_needed_to_the_letter(file_place: Place) -> None:
    Secret("hunter2-hunter2")
    leaky = Plan((Change("create", "user shop", None, {"password": "hunter2-hunter2"}),))
    with file_place.open() as ledger:
        run_id = ledger.start_run("live", requested_by="a@b.cn")
        with pytest.raises(Refused, match="contains the value of a secret") as refusal:
            ledger.step_begun(run_id, "databases/shop/accounts", leaky.to_json(), "d" * 64)
        assert "hunter2" not in str(refusal.value)
        assert ledger.applied_plans("databases/shop/accounts") == []


def test_names_and_digests_survive_a_secret_that_looks_like_them(file_place: Place) -> None:
    with file_place.open() as ledger:
        digest = rehearse(ledger, whole_plan("databases/shop/data"))
        Secret(digest[:5])
        Secret("shop")
        run_id = ledger.start_run("live", requested_by="a@b.cn", digest=digest)
        ledger.step_begun(run_id, "databases/shop/data", plan("orders").to_json(), digest)
        ledger.step_ended(
            run_id, "databases/shop/data", "Applied", started_at=NOW, ended_at=NOW, evidence=digest
        )
        assert ledger.applied_plans("databases/shop/data") == [plan("orders").to_json()]
        assert ledger.begun_under(digest) == {"databases/shop/data"}
        assert ledger.steps(run_id)[0].evidence == digest


def test_the_password_of_the_ledger_itself(file_place: Place) -> None:
    url = ledger_url(file_place.home, "postgresql://qianyun:s3cret-pw@db.example.com/qianyun")
    assert "s3cret-pw" not in shown(url)
    assert secret.redact("password s3cret-pw refused") == "password *** refused"
