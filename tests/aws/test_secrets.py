"""aws: references, against moto's Secrets Manager."""

import json
from pathlib import Path

import pytest

import tasks.aws  # noqa: F401  # teaches the scheme
from core.errors import Unreadable
from inventory.secrets import SecretSource
from tests.worlds.aws_server import REGION, client, reset, server_url


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity of the machine that Qianyun runs on, and three secrets it may read."""
    reset()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "machine",
        "AWS_SECRET_ACCESS_KEY": "machine",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": server_url(),
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def store() -> dict[str, str]:
    """Names given by this test module only: moto keeps secrets between tests."""
    manager = client("secretsmanager")
    known = {secret["Name"]: secret["ARN"] for secret in manager.list_secrets()["SecretList"]}
    values = {"plain": "correct horse", "json": json.dumps({"password": "battery staple", "port": 3306})}
    for name, value in values.items():
        if name not in known:
            known[name] = manager.create_secret(Name=name, SecretString=value)["ARN"]
    if "bytes" not in known:
        known["bytes"] = manager.create_secret(Name="bytes", SecretBinary=b"\x00\x01")["ARN"]
    return known


def value(reference: str) -> str:
    return SecretSource(f"aws:{reference}", Path("/nowhere")).resolve().reveal()


def test_values_by_name_by_arn_and_by_key(store: dict[str, str]) -> None:
    assert value("plain") == "correct horse"
    assert value("json#password") == "battery staple"
    assert value("json#port") == "3306"
    assert value(store["plain"]) == "correct horse"


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("missing", "ResourceNotFoundException"),
        ("json#other", "no JSON object with the key other"),
        ("plain#password", "no JSON object with the key password"),
        ("bytes", "holds bytes"),
    ],
)
def test_what_cannot_be_read(store: dict[str, str], reference: str, text: str) -> None:
    with pytest.raises(Unreadable, match=text) as caught:
        value(reference)
    assert "horse" not in str(caught.value) and "staple" not in str(caught.value)
    assert caught.value.__cause__ is None or "horse" not in str(caught.value.__cause__)


def test_a_machine_without_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(Unreadable, match="credentials"):
        value("plain")
