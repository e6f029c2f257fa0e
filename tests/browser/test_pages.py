"""A lead opens the browser: what stands there, that fields are described, and that nothing calls outside."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.page import CHROMIUM, Page, page
from tests.served import Served, served

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is missing: apt-get install chromium")

FORM = {
    "rehearse": ("Folder of the project's inventory", "On: look at the real world", "Only these phases"),
    "approve": ("Mail of who approves", "Start the migration of this plan right after the approval."),
    "gate": ("accept or object (the customer)", "The items of the migration list that an objection names."),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("browser") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def shown(server: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with page() as opened:
        yield opened


def picture(shown: Page, name: str) -> None:
    """Kept where QIANYUN_SCREENSHOTS names a folder, for people to look at."""
    folder = os.environ.get("QIANYUN_SCREENSHOTS")
    if folder:
        shown.screenshot(Path(folder) / f"{name}.png")


def test_the_deployments_are_listed_as_ready(server: Served, shown: Page) -> None:
    shown.open(f"{server.address}/deployments")

    text = shown.wait_for("17 Deployments", "execute", "phase:discovery")
    picture(shown, "deployments")
    assert "Not Ready" not in text


@pytest.mark.parametrize("name", FORM)
def test_the_form_says_what_each_field_means(server: Served, shown: Page, name: str) -> None:
    (found,) = [row for row in server.post("/deployments/filter") if row["name"] == name]

    shown.open(f"{server.address}/deployments/deployment/{found['id']}/run")

    shown.wait_for("Parameters", *FORM[name])
    picture(shown, f"form-{name}")
    if name == "rehearse":
        assert shown.run("document.querySelector('[role=switch], input[type=checkbox]').checked") is not False


def test_a_refused_run_says_why(server: Served, shown: Page) -> None:
    run = server.run("migration/rehearse", project="/nowhere")
    server.wait(run, "FAILED")

    shown.open(f"{server.address}/runs/flow-run/{run}")

    text = shown.wait_for("rehearse nowhere", "Refused", "no such project folder")
    picture(shown, "refused")
    assert "Traceback" not in text


def test_nothing_calls_outside(server: Served, shown: Page) -> None:
    """Also not from V2, which Prefect would serve beside the interface that we prefer."""
    for path in ("/dashboard", "/runs", "/flows", "/work-pools", "/blocks", "/settings", "/v2/dashboard"):
        shown.open(server.address + path)
        shown.rest(2)

    assert "V2 interface is left out" in shown.text()
    assert len(shown.requests) > 50
    assert {address for address in shown.requests if not own(address, server.port)} == set()


def own(address: str, port: int) -> bool:
    parts = urlsplit(address)
    return parts.netloc == f"127.0.0.1:{port}" or parts.scheme in ("data", "blob", "about")
