"""Every broken inventory gives exactly its faults, each at its line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import INVALID, InventoryInvalid
from inventory import crosscheck
from inventory.draft import Draft, Finding
from inventory.loader import check, load
from tests.inventory.cases import all_cases, build


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.stem)
def test_gives_exactly_its_faults(case: Path, tmp_path: Path) -> None:
    expected = build(case, tmp_path)
    found = check(tmp_path)
    left = list(found)
    for want in expected:
        match = [
            f
            for f in left
            if (f.file, f.line, f.path) == (want.file, want.line, want.path) and want.says in f.message
        ]
        assert match, f"not found: {want}\nfound:\n" + "\n".join(map(str, found))
        left.remove(match[0])
    assert not left, "not expected:\n" + "\n".join(map(str, left))


def test_loading_raises_all_of_them(tmp_path: Path) -> None:
    case = next(case for case in all_cases() if case.stem == "all-files-at-once")
    expected = build(case, tmp_path)
    with pytest.raises(InventoryInvalid) as caught:
        load(tmp_path)
    assert len(caught.value.faults) == len(expected) == 6
    assert caught.value.exit_status == INVALID
    assert f"qianyun check {tmp_path}" in str(caught.value)
    assert all(str(fault) in str(caught.value) for fault in caught.value.faults)


@pytest.mark.parametrize(
    "secret", ["Tr0ub4dor", "hunter22", "letmein", "b3BlbnNzaC1r", "AKIAIOSFODNN7", "kv/ssh"]
)
def test_never_repeats_a_secret(secret: str, tmp_path: Path) -> None:
    shown = []
    for number, case in enumerate(c for c in all_cases() if secret in c.read_text(encoding="utf-8")):
        build(case, tmp_path / str(number))
        shown += [str(fault) for fault in check(tmp_path / str(number))]
    assert shown
    assert secret not in "\n".join(shown)


def test_there_are_enough_of_them() -> None:
    assert len(all_cases()) >= 30


def test_every_rule_refuses_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = {rule.__name__ for rule in crosscheck.RULES}

    def listening(draft: Draft) -> Iterator[Finding]:
        for rule in rules:
            for finding in rule(draft):
                silent.discard(rule.__name__)
                yield finding

    rules = crosscheck.RULES
    monkeypatch.setattr(crosscheck, "RULES", (listening,))
    for case in all_cases():
        build(case, tmp_path / case.stem)
        check(tmp_path / case.stem)
    assert not silent
