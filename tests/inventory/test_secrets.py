"""Secrets by reference: each way works, and each wrong way refuses without showing the value."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import Unreadable
from inventory import secrets
from inventory.secrets import SecretSource, register

VALUE = "s3cret-valué"


def put(folder: Path, name: str, content: bytes, mode: int = 0o600) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_file_without_its_last_line_end(ending: str, tmp_path: Path) -> None:
    put(tmp_path, "secrets/password", (VALUE + ending).encode())
    assert SecretSource("file:secrets/password", tmp_path).resolve().reveal() == VALUE


def test_only_one_line_end_is_taken_off(tmp_path: Path) -> None:
    put(tmp_path, "key", b"line\nline\n\n")
    assert SecretSource("file:key", tmp_path).resolve().reveal() == "line\nline\n"


def test_absolute_path(tmp_path: Path) -> None:
    path = put(tmp_path, "elsewhere/password", VALUE.encode())
    assert SecretSource(f"file:{path}", tmp_path / "project").resolve().reveal() == VALUE


def test_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QIANYUN_TEST_SECRET", VALUE)
    assert SecretSource("env:QIANYUN_TEST_SECRET", tmp_path).resolve().reveal() == VALUE


def test_other_rooms_teach_a_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_resolvers", dict(secrets._resolvers))
    register("prefect", lambda name, folder: f"{name} of {folder.name}")
    assert SecretSource("prefect:block", tmp_path / "p").resolve().reveal() == "block of p"
    with pytest.raises(ValueError, match="is not one of the schemes"):
        register("vault", lambda name, folder: "")


@dataclass(frozen=True)
class Refusal:
    name: str
    ref: str
    says: str
    command: str = ""
    content: bytes = VALUE.encode()
    mode: int = 0o600


REFUSALS = (
    Refusal("readable by the group", "file:s", "has mode 0640, wanted 0600", "chmod 600 ", mode=0o640),
    Refusal("readable by others", "file:s", "has mode 0604", "chmod 600 ", mode=0o604),
    Refusal("writable by others", "file:s", "has mode 0602", "chmod 600 ", mode=0o602),
    Refusal("missing", "file:nowhere", "No such file", "ls -l "),
    Refusal("folder", "file:.", "is not a regular file", "ls -ld "),
    Refusal("too short", "file:s", "has fewer than 4 characters", content=b"abc\n"),
    Refusal("empty", "file:s", "has fewer than 4 characters", content=b"\n"),
    Refusal("not a text", "file:s", "is not UTF-8", "file ", content=b"\xff\xfe secret"),
    Refusal("not in the environment", "env:QIANYUN_NOT_SET", "is not set", "export QIANYUN_NOT_SET"),
    Refusal("not loaded", "aws:prod/db", "nothing in this process can read aws:"),
    Refusal("unknown scheme", f"vault:{VALUE}", "a secret reference of unknown kind", "qianyun check "),
    Refusal("inline", VALUE, "a secret reference of unknown kind", "qianyun check "),
)


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_refuses(case: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {name: resolver for name, resolver in secrets._resolvers.items() if name in ("env", "file")}
    monkeypatch.setattr(secrets, "_resolvers", own)
    put(tmp_path, "s", case.content, case.mode)
    with pytest.raises(Unreadable) as caught:
        SecretSource(case.ref, tmp_path).resolve()
    assert case.says in caught.value.detail
    assert case.command in caught.value.next_command
    assert VALUE not in str(caught.value)
    assert caught.value.__context__ is None or VALUE not in str(caught.value.__cause__)
    assert not caught.value.transient


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_refuses_a_file_of_somebody_else(tmp_path: Path) -> None:
    os.chown(put(tmp_path, "s", VALUE.encode()), 65534, 65534)
    with pytest.raises(Unreadable, match="belongs to user 65534, we are 0") as caught:
        SecretSource("file:s", tmp_path).resolve()
    assert caught.value.next_command == f"chown 0 {tmp_path / 's'}"


def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(Unreadable, match="is not a regular file"):
        SecretSource("file:pipe", tmp_path).resolve()


def test_the_next_command_is_quoted(tmp_path: Path) -> None:
    put(tmp_path, "my secrets/it's", VALUE.encode(), 0o644)
    with pytest.raises(Unreadable) as caught:
        SecretSource("file:my secrets/it's", tmp_path).resolve()
    assert caught.value.next_command.startswith("chmod 600 '")


def test_the_source_is_a_value_and_shows_only_the_reference(tmp_path: Path) -> None:
    one, other = SecretSource("env:A", tmp_path), SecretSource("env:A", tmp_path)
    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == "env:A"
