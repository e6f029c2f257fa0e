"""Whatever stands in the files: faults with lines, never another error."""

import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InventoryInvalid
from inventory.files import FILES
from inventory.loader import check, load
from inventory.practice import DEMO
from inventory.yaml_lines import NotYaml, read

TEXTS = {file: (DEMO / file).read_text(encoding="utf-8") for file in FILES}
VALUES = {file: yaml.load(text, Loader=yaml.BaseLoader) for file, text in TEXTS.items()}
JUNK = (
    "~", "no", "''", "[]", "{}", "[[]]", "{a: {b: c}}", "*nowhere", "&a x", "!!int 3", "0x1F", ".inf", "-1",
    "9" * 5000, "2026-13-45", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "10.0.0.0/99", "::/0",
    "0.0.0.0/0", "/", "..", "://", "a@b", "\"\\ud800\"", "- -", "? x", "|", ">-", "%", "'", "{",
    "\u2028", "<<", "\t",
)  # fmt: skip


def examine(folder: Path) -> None:
    """Loads or names faults; every line exists in its file."""
    faults = check(folder)
    for fault in faults:
        assert fault.message
        assert fault.line >= 1
        assert fault.line <= len((folder / fault.file).read_text("utf-8", "replace").split("\n")) + 1
    if not faults:
        load(folder)
        return
    with pytest.raises(InventoryInvalid) as caught:
        load(folder)
    assert list(caught.value.faults) == faults


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mangled")


def write(folder: Path, file: str, content: str | bytes) -> None:
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (folder / file).write_bytes(raw)


@settings(max_examples=120, deadline=None)
@given(file=st.sampled_from(sorted(FILES)), seed=st.integers(0, 2**32))
def test_lines_mangled(folder: Path, file: str, seed: int) -> None:
    dice = random.Random(seed)
    lines = TEXTS[file].splitlines()
    for _ in range(dice.randint(1, 3)):
        spot = dice.randrange(len(lines))
        key, _, _ = lines[spot].partition(":")
        lines[spot : spot + 1] = dice.choice(
            (
                [],
                [lines[spot]] * 2,
                [" " + lines[spot]],
                [lines[spot][2:]],
                [f"{key}: {dice.choice(JUNK)}"],
                [lines[spot], dice.choice(JUNK)],
                [lines[spot][: dice.randint(0, len(lines[spot]))]],
            )
        ) or ["# gone"]
    write(folder, file, "\n".join(lines))
    examine(folder)


@settings(max_examples=120, deadline=None)
@given(file=st.sampled_from(sorted(FILES)), seed=st.integers(0, 2**32))
def test_values_exchanged(folder: Path, file: str, seed: int) -> None:
    """The YAML stays sound; any part of it is replaced by something else."""
    dice = random.Random(seed)
    value = yaml.load(TEXTS[file], Loader=yaml.BaseLoader)
    for _ in range(dice.randint(1, 3)):
        _exchange(value, dice)
    write(folder, file, yaml.safe_dump(value, allow_unicode=True))
    examine(folder)


def _exchange(value: Any, dice: random.Random) -> None:
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = dice.choice(keys)
        if isinstance(value[key], (dict, list)) and dice.random() < 0.8:
            value = value[key]
            continue
        odd: tuple[Any, ...] = (
            None,
            [],
            {},
            "",
            "x",
            -1,
            [[]],
            {"name": "x"},
            [{"name": "x"}, {"name": "x"}],
        )
        value[key] = dice.choice((*odd, VALUES[dice.choice(list(FILES))]))
        return


@settings(max_examples=60, deadline=None)
@given(file=st.sampled_from(sorted(FILES)), content=st.binary(max_size=200) | st.text(max_size=200))
def test_anything_at_all(folder: Path, file: str, content: str | bytes) -> None:
    write(folder, file, content)
    examine(folder)


@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", "a: {", "- - "])
def test_depth_is_bounded(opening: str) -> None:
    """libyaml's own composer crashes the process here."""
    with pytest.raises(NotYaml):
        read(opening * 100_000)


def test_depth_is_bounded_through_aliases_too() -> None:
    chain = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 50))
    with pytest.raises(NotYaml, match="nested deeper than 20"):
        read(f"a0: &a0 [x]\n{chain}")


def test_an_alias_inside_itself() -> None:
    with pytest.raises(NotYaml, match="contains itself"):
        read("a: &a [*a]")


def test_scalars_stay_as_typed() -> None:
    text = (
        "norway: no\nversion: 1.10\naccount: 012345678901\ntime: 22:30\nnone: ~\nquoted: '~'\nday: 2026-01-02"
    )
    assert read(text).root.value == {
        "norway": "no",
        "version": "1.10",
        "account": "012345678901",
        "time": "22:30",
        "none": None,
        "quoted": "~",
        "day": "2026-01-02",
    }


def test_a_shared_block_is_one_fault_a_use() -> None:
    root = read("ssh: &ssh {port: x}\nhosts:\n  - ssh: *ssh\n").root
    assert root.at(("hosts", 0, "ssh"))[1] == 3
    assert root.at(("hosts", 0, "ssh", "port"))[1] == 1


def test_what_is_no_file(folder: Path) -> None:
    assert [f.path for f in check(folder / "nowhere")] == ["(folder)"]
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    (folder / "tests.yaml").unlink()
    (folder / "tests.yaml").mkdir()
    assert [f.message for f in check(folder)] == ["is not a regular file"]
    (folder / "tests.yaml").rmdir()
    os.mkfifo(folder / "tests.yaml")
    assert [f.message for f in check(folder)] == ["is not a regular file"]
    (folder / "tests.yaml").unlink()
    (folder / "tests.yml").write_text(TEXTS["tests.yaml"], encoding="utf-8")
    assert [f.message for f in check(folder)] == ["the file is missing; did you mean 'tests.yml'?"]
    (folder / "tests.yml").unlink()


def large(folder: Path, hosts: int, fault: str = "") -> None:
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    ssh = 'user: root, key: "file:secrets/ssh_key", known_hosts: secrets/known_hosts'
    extra = "".join(
        f"  - name: host-{n}\n    ssh: {{address: 10.90.{n // 250}.{n % 250}, port: {fault or 22}, {ssh}}}\n"
        for n in range(hosts)
    )
    (folder / "sources.yaml").write_text(
        TEXTS["sources.yaml"].replace("applications:\n", f"{extra}applications:\n"), encoding="utf-8"
    )


@pytest.mark.parametrize("fault", ["", "x"], ids=["sound", "2,000 faults"])
def test_two_thousand_hosts(fault: str, tmp_path: Path) -> None:
    large(tmp_path / "few", 200, fault)
    large(tmp_path / "many", 2000, fault)
    check(tmp_path / "few")
    started = time.process_time()
    faults = check(tmp_path / "few")
    few_s = time.process_time() - started
    started = time.process_time()
    faults = check(tmp_path / "many")
    many_s = time.process_time() - started
    print(f"{fault or 'sound'}: 200 hosts {few_s:.2f} s, 2,000 hosts {many_s:.2f} s of processor time")
    assert len(faults) == (2000 if fault else 0)
    assert many_s < 10
    # Ten times the hosts, not a hundred times the work; wide, for machines shared with others.
    assert many_s < 25 * max(few_s, 0.05)
