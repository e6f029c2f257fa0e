"""rclone as a child: what a reader may not run, where secrets go, and how it names files."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.errors import ApplyFailed, Refused, Unreadable
from tasks.files import process
from tasks.files import rclone as module
from tasks.files.rclone import Rclone, Remote, logged_name, standard_name
from tasks.files.transfer import compare_bytes, transfer, would_copy
from tests.worlds.files import FILES

WRITES = (
    "copyto", "delete", "deletefile", "purge", "move", "moveto", "sync", "bisync", "mkdir", "rmdir", "rmdirs",
    "rcat", "touch", "settier", "cleanup", "dedupe", "copyurl", "link", "backend", "config", "rcd", "serve",
)  # fmt: skip


def local(name: str, path: Path) -> Remote:
    return Remote(name, str(path), str(path), {"type": "local", "encoding": "Raw"})


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Remote, Remote]:
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
    (tmp_path / "old" / "a").write_text("content")
    return local("src", tmp_path / "old"), local("dst", tmp_path / "new")


@pytest.mark.parametrize("subcommand", WRITES)
def test_a_reader_refuses_what_writes(subcommand: str, sides: tuple[Remote, Remote]) -> None:
    with pytest.raises(Refused):
        Rclone(reading=True).run([subcommand, sides[0].at], sides[0])


@pytest.mark.parametrize(
    "option", ["--combined=x", "--match", "--differ", "--error", "--checkfile", "--log-file"]
)
def test_a_reader_writes_no_report(option: str, sides: tuple[Remote, Remote]) -> None:
    with pytest.raises(Refused):
        Rclone(reading=True).run(["check", option, "x", sides[0].at, sides[1].at], *sides)


def test_a_reader_is_held_back_underneath(
    sides: tuple[Remote, Remote], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even past the list of what is allowed, rclone itself was told to write nothing."""
    monkeypatch.setattr(module, "READS", module.READS | {"sync", "delete"})
    reader = Rclone(reading=True)
    assert reader.run(["copy", sides[0].at, sides[1].at], *sides).status == 0
    assert reader.run(["sync", sides[0].at, sides[1].at], *sides).status == 0
    assert reader.run(["delete", sides[0].at], sides[0]).status == 0
    assert not list((tmp_path / "new").iterdir())
    assert (tmp_path / "old" / "a").exists()


def test_secrets_go_by_environment_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    popen = subprocess.Popen

    def spy(argv: list[str], **options: Any) -> Any:
        seen.update(argv=argv, environment=options["env"])
        return popen(argv, **options)

    monkeypatch.setattr(subprocess, "Popen", spy)
    monkeypatch.setenv("RCLONE_DRY_RUN", "false")
    monkeypatch.setenv("RCLONE_CONFIG_SRC_TYPE", "memory")
    monkeypatch.setenv("AWS_PROFILE", "another-customer")
    monkeypatch.setenv("PREFECT_API_KEY", "for another program")
    remote = Remote("src", str(tmp_path), "here", {"type": "local", "description": "s3cret-value"})
    Rclone(reading=True).ask(["lsf", remote.at], remote)
    assert "s3cret-value" not in " ".join(seen["argv"])
    assert seen["environment"]["RCLONE_CONFIG_SRC_DESCRIPTION"] == "s3cret-value"
    assert seen["environment"]["RCLONE_CONFIG_SRC_TYPE"] == "local"
    assert not {"RCLONE_DRY_RUN", "AWS_PROFILE", "PREFECT_API_KEY"} & seen["environment"].keys()
    assert "s3cret-value" not in repr(remote)


def test_names_are_rclones_own(tmp_path: Path) -> None:
    names = ["．", "a‛␊", "del\x7f", "␡", "␀a", "␠", "／", "x\x01\x1f", "‛‛", "．．x", "\udce2\udc80", *FILES]
    names = [name.replace("/", "_") for name in names]
    for name in names:
        Path(tmp_path, name).touch()
    found = Rclone(reading=True).ask(["lsf", local("src", tmp_path).at], local("src", tmp_path)).lines
    assert sorted(found) == sorted(map(standard_name, names))
    assert sorted(map(logged_name, found))


def test_a_failure_names_the_place_and_what_was_said(sides: tuple[Remote, Remote]) -> None:
    nowhere = Remote("dst", "/proc/nowhere", "the target", {"type": "local"})
    with pytest.raises(ApplyFailed, match="the target: rclone copy"):
        transfer(Rclone(reading=False), sides[0], nowhere, ["a"])
    closed = {"type": "http", "url": "http://127.0.0.1:1"}
    with pytest.raises(Unreadable) as caught:
        Rclone(reading=True).ask(["lsf", "dst:"], Remote("dst", "", "the target", closed))
    assert caught.value.transient


def test_what_a_copy_would_do_and_what_bytes_say(sides: tuple[Remote, Remote], tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    names = [name.replace("/", "_") for name in FILES]
    for name in names:
        Path(old, name).write_text("0123456789")
        os.utime(Path(old, name), (0, 1_700_000_000))
    looking = Rclone(reading=True)
    assert sorted(would_copy(looking, *sides, names)) == sorted(names)
    transfer(Rclone(reading=False), *sides, names)
    assert would_copy(looking, *sides, names) == []
    assert compare_bytes(looking, *sides, names) == ([], [])
    flipped, gone = names[:2]
    Path(new, flipped).write_text("0123456780")
    os.utime(Path(new, flipped), (0, 1_700_000_000))
    Path(new, gone).unlink()
    assert compare_bytes(looking, *sides, names) == ([flipped, gone], [])
    # At a place that cannot be reached nothing is equal.
    away = Remote("dst", "", "away", {"type": "http", "url": "http://127.0.0.1:1"})
    assert any(compare_bytes(looking, sides[0], away, [flipped]))


def test_a_stuck_rclone_is_ended_and_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stuck = tmp_path / "rclone"
    line = '{"level": "notice", "msg": "", "stats": {"bytes": 7}}'
    stuck.write_text(f"#!/bin/sh\nwhile :; do echo '{line}' >&2; sleep 0.2; done\n")
    stuck.chmod(0o755)
    monkeypatch.setattr(module, "binary", lambda: str(stuck))
    monkeypatch.setattr(process, "SILENCE_S", 1.0)
    output = Rclone(reading=True).run(["lsjson", "x:"])
    assert output.status and output.maybe_later and "no progress" in output.complaint
