"""Facts as people read them: any facts document flattened to lines, and the search for a named value."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from core.secret import redact
from runbooks import words

LONGEST_LIST = 8
UNREAD = "未采集"
LARGEST_MAPPING = 24
LONGEST_TEXT = 160
_SECRET_NAME = re.compile(r"(^|_)(password|passwd|secret|private_key|access_key|token)$", re.IGNORECASE)


def lines(facts: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a facts document with its path; long lists are counted, not printed."""
    if isinstance(facts, dict):
        if facts.keys() == {"absent"}:
            yield path, "不存在"
        elif facts.keys() == {"unreadable"}:
            yield path, f"无法读取：{facts['unreadable']}"
        elif len(facts) > LARGEST_MAPPING:
            yield path, f"共 {len(facts)} 项"
        else:
            for name, value in facts.items():
                yield from lines(value, f"{path}.{name}".lstrip("."))
    elif isinstance(facts, (list, tuple)):
        if all(not isinstance(value, (dict, list, tuple)) for value in facts):
            yield path, _list_text([plain(path, value) for value in facts])
        elif len(facts) > LONGEST_LIST:
            yield path, f"共 {len(facts)} 项"
        else:
            for n, value in enumerate(facts, 1):
                yield from lines(value, f"{path}[{n}]")
    else:
        yield path, plain(path, facts)


def find(facts: Any, names: Sequence[str]) -> str:
    """The value under the first of these names that occurs at any depth; 未采集 where none does."""
    for name in names:
        for path, text in lines(facts):
            if path.rpartition(".")[2].partition("[")[0] == name:
                return text
    return UNREAD


def secret_paths(facts: Any) -> list[str]:
    """Paths where a secret stands: by their name, or because this process knows the value."""
    return [
        path
        for path, text in lines(facts)
        if text not in ("", words.NONE)
        and (_SECRET_NAME.search(path.rpartition(".")[2]) or redact(text) != text)
    ]


def plain(path: str, value: Any) -> str:
    """One value as text; the unit in its name decides how a number is written."""
    if value is None or value == "":
        return words.NONE
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, (int, float)) and path.endswith("_bytes"):
        return words.size(float(value))
    if isinstance(value, int) and path.endswith("_kib"):
        return words.size(value * 1024.0)
    text = str(value)
    if len(text) > LONGEST_TEXT:
        return f"{len(text)} 字符，sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return text


def _list_text(texts: list[str]) -> str:
    if not texts:
        return "无"
    shown = "、".join(texts[:LONGEST_LIST])
    return shown if len(texts) <= LONGEST_LIST else f"{shown} 等共 {len(texts)} 项"
