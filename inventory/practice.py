"""The practice project: the demo inventory, set to an address range, a window and secrets of its own."""

import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

DEMO = Path(__file__).parent / "demo"
SCHEMAS = Path(__file__).parent / "schema"
_DEMO_PREFIX = "10.77"
_DEMO_PHP = "8.2"
_PRACTICE_SECRETS = {
    "aws_access_key_id": "practice-key-id",
    "aws_secret_access_key": "practice-key",
    "index_password": "practice-index-password",
}
"""The practice cloud takes any key; real ones in the secrets folder go first."""


def materialise(
    dest: Path,
    *,
    prefix: str = _DEMO_PREFIX,
    window_start: datetime,
    window_end: datetime,
    secrets: Path,
    today: date | None = None,
    php: str = _DEMO_PHP,
) -> Path:
    """Write a project folder made from the demo into `dest` and return it; existing files are replaced.

    `php` is the version on the practice hosts, part of a path. The contract and the evidence of the
    preconditions are dated so that they hold today.
    Raises: ValueError for times without a time zone, or a prefix that is not two numbers ("10.79").
    """
    if window_start.tzinfo is None or window_end.tzinfo is None:
        raise ValueError("the window's times need a time zone")
    if not re.fullmatch(r"\d{1,3}\.\d{1,3}", prefix):
        raise ValueError(f"{prefix!r} is not the first two numbers of an address")
    today = today or datetime.now(UTC).date()
    evidence_day = min(today, window_start.date()) - timedelta(days=3)
    dest.mkdir(parents=True, exist_ok=True)
    for source in sorted(DEMO.glob("*.yaml")):
        text = source.read_text(encoding="utf-8")
        text = re.sub(rf"(?<![\d.]){re.escape(_DEMO_PREFIX)}\.(?=\d)", f"{prefix}.", text)
        text = text.replace(f"/etc/php/{_DEMO_PHP}/", f"/etc/php/{php}/")
        # Absolute, so that an editor finds the schema from wherever the project lies.
        text = text.replace("$schema=../schema/", f"$schema={SCHEMAS.as_uri()}/")
        if source.name == "project.yaml":
            text = _set(text, "start", window_start.isoformat(timespec="seconds"))
            text = _set(text, "end", window_end.isoformat(timespec="seconds"))
            text = _set(text, "announced_on", evidence_day.isoformat())
            text = _set(text, "signed_on", (evidence_day - timedelta(days=60)).isoformat())
            text = _set(text, "ends_on", (max(today, window_end.date()) + timedelta(days=270)).isoformat())
        if source.name == "preconditions.yaml":
            text = _set(text, "confirmed_on", evidence_day.isoformat())
        (dest / source.name).write_text(text, encoding="utf-8")
    _copy_secrets(secrets, dest / "secrets")
    return dest


def _set(text: str, key: str, value: str) -> str:
    text, count = re.subn(rf"(?m)^( +{key}): \S+$", rf"\1: {value}", text)
    if not count:
        raise ValueError(f"the demo has no line for {key}")
    return text


def _copy_secrets(source: Path, dest: Path) -> None:
    dest.mkdir(mode=0o700, exist_ok=True)
    found = {file.name: file.read_bytes() for file in sorted(source.iterdir()) if file.is_file()}
    for name, content in ({k: v.encode() for k, v in _PRACTICE_SECRETS.items()} | found).items():
        # Private from its first byte on: a later chmod would leave it readable for a moment.
        draft = dest / f".{name}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        draft.rename(dest / name)
