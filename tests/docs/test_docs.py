"""The documents under test: commands exist, links lead somewhere, no file names this machine."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from flows.cli import main

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
PAGES = [
    *READMES,
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[prefix + name] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix}{name} ")
    return found


@pytest.mark.parametrize("page", READMES)
def test_every_command_is_in_the_readme(page: str) -> None:
    for name in main.commands:
        assert re.search(rf"qianyun {name}\b|make {name}\b", text(page)), f"{page} does not name {name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_named_exists(page: str) -> None:
    for line in text(page).splitlines():
        for words in re.findall(r"(?:^    (?:\$ )?|`)qianyun ((?:[a-z]+ ?){1,2})", line):
            first, *rest = words.split()
            command = main.commands.get(first)
            assert command is not None, f"{page}: qianyun {first}"
            if isinstance(command, click.Group) and rest:
                assert rest[0] in command.commands, f"{page}: qianyun {words}"


@pytest.mark.parametrize("page", PAGES)
def test_every_option_named_exists(page: str) -> None:
    known = {option for c in commands(main).values() for p in c.params for option in p.opts}
    for line in text(page).splitlines():
        if "qianyun " in line and "uv pip" not in line:
            for option in re.findall(r"(?<!\S)(--[a-z-]+)", line):
                assert option in known, f"{page}: {option} in {line.strip()}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", text(page)):
        if "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("name", sorted(commands(main)))
def test_every_command_explains_itself(name: str) -> None:
    command = commands(main)[name]
    assert command.help and command.help[0].isupper()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.name == "port", f"{name} {parameter.opts}"


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "serve", "soak"])
def test_make_knows_its_targets(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_file_names_this_machine() -> None:
    here = str(ROOT)
    listed = subprocess.run(
        ["git", "grep", "-lF", here], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not listed.stdout.split(), listed.stdout


def test_the_workflow_switches_on_every_live_test_that_waits_for_a_server() -> None:
    workflow = text(".github/workflows/checks.yml")
    waiting: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        content = path.read_text(encoding="utf-8")
        for name in re.findall(r"QIANYUN_TEST_[A-Z0-9_]+_URL", content) + re.findall(r"\bMYSQL8\b", content):
            waiting.setdefault(str(path.relative_to(ROOT)), set()).add(name)
    waiting.pop("tests/docs/test_docs.py", None)
    switches = {name for names in waiting.values() for name in names} - {"MYSQL8"}
    assert switches and all(f"{name}:" in workflow for name in switches), switches
    chosen = re.search(r"pytest ((?:tests/\S+ )+)-k (\w+)", workflow)
    assert chosen and set(chosen[1].split()) == waiting.keys(), waiting
    assert all(f"_{chosen[2]}" in text(path) for path in waiting)
