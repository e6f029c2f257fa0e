"""The demo project, its practice copies, and the schemas that its files name."""

import json
import stat
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from inventory.files import FILES
from inventory.loader import check, load
from inventory.practice import DEMO, materialise
from inventory.preconditions import evaluate
from inventory.schema import FOLDER, schemas, write
from inventory.secrets import SecretSource

CHINA = timezone(timedelta(hours=8))
START = datetime(2031, 3, 1, 22, tzinfo=CHINA)
END = datetime(2031, 3, 2, 4, tzinfo=CHINA)


def test_the_demo_has_no_faults() -> None:
    assert check(DEMO) == []
    inventory = load(DEMO)
    assert inventory.folder == DEMO
    assert [item.name for item in inventory.in_scope("application")] == ["shop", "orders"]
    assert inventory.project.customer_lead.mail == "li.ming@example.cn"
    assert len(inventory.tests) >= 8


def test_the_schemas_are_up_to_date(tmp_path: Path) -> None:
    write(tmp_path)
    assert {p.name: p.read_text(encoding="utf-8") for p in FOLDER.glob("*.json")} == schemas()
    assert {p.name for p in tmp_path.iterdir()} == set(schemas())


class _Yaml12(yaml.SafeLoader):
    """As editors read: no dates, no yes and no."""


_Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.mark.parametrize("file", FILES)
def test_an_editor_finds_no_fault_either(file: str) -> None:
    text = (DEMO / file).read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    schema = json.loads((DEMO / first.partition("=")[2]).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    value: Any = yaml.load(text, Loader=_Yaml12)  # a SafeLoader
    jsonschema.Draft202012Validator(schema).validate(value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**value, "nonsense": 1})


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "lab-secrets"
    (folder / "host_keys").mkdir(parents=True)
    for name in ("ssh_key", "known_hosts", "mysql_source_password", "mysql_target_password"):
        (folder / name).write_text(f"the {name}\n")
        (folder / name).chmod(0o644)
    return folder


def practice(folder: Path, secrets: Path, prefix: str = "10.79") -> Path:
    return materialise(
        folder, prefix=prefix, window_start=START, window_end=END, secrets=secrets, today=date(2031, 2, 20)
    )


def test_a_practice_project_loads(tmp_path: Path, secrets: Path) -> None:
    folder = practice(tmp_path / "p" / "demo", secrets)
    inventory = load(folder)
    assert (inventory.project.window.start, inventory.project.window.end) == (START, END)
    assert inventory.host("web-1").ssh.address == "10.79.1.11"
    assert inventory.application("shop").substitutions[0].replace == "10.79.2.13"
    assert inventory.targets.cloud.provider.endpoint_url == "http://10.79.2.250:5000"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")]
    assert "10.77." not in "".join(texts)
    assert all(Path(t.split("$schema=file://")[1].splitlines()[0]).is_file() for t in texts)


def test_its_preconditions_hold_today(tmp_path: Path, secrets: Path) -> None:
    inventory = load(practice(tmp_path / "demo", secrets))
    assert [f for f in evaluate(inventory, date(2031, 2, 20)) if not f.holds] == []


def test_its_secrets_are_private(tmp_path: Path, secrets: Path) -> None:
    folder = practice(tmp_path / "demo", secrets)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (folder / "secrets").iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert SecretSource("file:secrets/ssh_key", folder).resolve().reveal() == "the ssh_key"
    cloud = load(folder).targets.cloud.provider
    assert SecretSource(cloud.access_key_id, folder).resolve().reveal()
    assert SecretSource(cloud.secret_access_key, folder).resolve().reveal()


def test_again_over_itself(tmp_path: Path, secrets: Path) -> None:
    folder = practice(tmp_path / "demo", secrets)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    practice(folder, folder / "secrets")
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_refuses_times_without_zone_and_odd_prefixes(tmp_path: Path, secrets: Path) -> None:
    naive = datetime(2031, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        materialise(tmp_path / "x", window_start=naive, window_end=END, secrets=secrets)
    with pytest.raises(ValueError, match="first two numbers"):
        practice(tmp_path / "x", secrets, prefix="10.79.")
