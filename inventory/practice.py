"""The practice project: the demo inventory, set to an address range, a window and secrets of its own."""

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

DEMO = Path(__file__).parent / "demo"
SCHEMAS = Path(__file__).parent / "schema"
_DEMO_PREFIX = "10.77"


def materialise(
    dest: Path,
    *,
    prefix: str = _DEMO_PREFIX,
    window_start: datetime,
    window_end: datetime,
    secrets: Path,
) -> Path:
    """Write a project folder made from the demo into `dest` and return it; existing files are replaced.

    The contract is extended where the window would otherwise lie behind its end.
    Raises: ValueError for times without a time zone, or a prefix that is not two numbers ("10.79").
    """
    if window_start.tzinfo is None or window_end.tzinfo is None:
        raise ValueError("the window's times need a time zone")
    if not re.fullmatch(r"\d{1,3}\.\d{1,3}", prefix):
        raise ValueError(f"{prefix!r} is not the first two numbers of an address")
    dest.mkdir(parents=True, exist_ok=True)
    for source in sorted(DEMO.glob("*.yaml")):
        text = source.read_text(encoding="utf-8")
        text = re.sub(rf"(?<![\d.]){re.escape(_DEMO_PREFIX)}\.(?=\d)", f"{prefix}.", text)
        # Absolute, so that an editor finds the schema from wherever the project lies.
        text = text.replace("$schema=../schema/", f"$schema={SCHEMAS.as_uri()}/")
        if source.name == "project.yaml":
            text = _with_window(text, window_start, window_end)
        (dest / source.name).write_text(text, encoding="utf-8")
    _copy_secrets(secrets, dest / "secrets")
    return dest


def _with_window(text: str, start: datetime, end: datetime) -> str:
    text = _set(text, "start", start.isoformat(timespec="seconds"))
    text = _set(text, "end", end.isoformat(timespec="seconds"))
    contract_end = max(
        datetime.fromisoformat(_value(text, "ends_on")).replace(tzinfo=UTC), end + timedelta(days=90)
    )
    return _set(text, "ends_on", contract_end.date().isoformat())


def _value(text: str, key: str) -> str:
    found = re.search(rf"(?m)^  {key}: (\S+)$", text)
    if found is None:
        raise ValueError(f"the demo's project.yaml has no line for {key}")
    return found[1]


def _set(text: str, key: str, value: str) -> str:
    _value(text, key)
    return re.sub(rf"(?m)^  {key}: \S+$", f"  {key}: {value}", text, count=1)


def _copy_secrets(source: Path, dest: Path) -> None:
    dest.mkdir(mode=0o700, exist_ok=True)
    if source.resolve() == dest.resolve():
        return
    for file in sorted(source.iterdir()):
        if file.is_file():
            copy = dest / file.name
            # Private from its first byte on: a later chmod would leave it readable for a moment.
            copy.unlink(missing_ok=True)
            with file.open("rb") as old, os.fdopen(os.open(copy, _CREATE, 0o600), "wb") as new:
                shutil.copyfileobj(old, new)


_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
