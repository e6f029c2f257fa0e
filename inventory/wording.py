"""A model's validation errors as faults that people can act on: path in the file, and plain words."""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, TypeAlias, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from inventory.base import PATTERN_WORDS, Noun
from inventory.draft import did_you_mean
from inventory.leaks import is_secretive
from inventory.yaml_lines import Node, Path

Schema: TypeAlias = Mapping[str, Any]


def explain(error: ValidationError, model: type[Noun], root: Node) -> Iterator[tuple[Path, str]]:
    """Path in the file and message of every validation error."""
    schema = model.model_json_schema(by_alias=True)
    for details in error.errors(include_url=False):
        path = real_path(details, root)
        if details["type"] == "extra_forbidden":
            node, _, _ = root.at(path[:-1])
            free = _keys(schema, details["loc"][:-1]) - node.children.keys()
            yield path, f"unknown key{did_you_mean(str(path[-1]), free)}"
        else:
            if details["type"] == "union_tag_invalid":
                path = (*path, _discriminator(details))
            yield path, _message(details, path)


def real_path(details: ErrorDetails, root: Node) -> Path:
    """The error's place in the file: without the parts that only name a variant of a union."""
    path: list[str | int] = []
    node: Node | None = root
    loc = details["loc"]
    for position, part in enumerate(loc):
        child = node.children.get(part) if node else None
        if child is not None or (position == len(loc) - 1 and details["type"] == "missing"):
            path.append(part)
            node = child
    return tuple(path)


def _message(details: ErrorDetails, path: Path) -> str:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if value is None and kind != "union_tag_not_found":
        return "has no value: write one, or remove the key"
    shown = _shown(value, path)
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"{shown} is not {PATTERN_WORDS.get(pattern, f'of the form {pattern}')}"
    if kind == "literal_error":
        return f"{shown} is none of {context['expected']}{_near(value, context['expected'])}"
    if kind == "union_tag_not_found":
        return f"is missing the key {_discriminator(details)}"
    if kind == "union_tag_invalid":
        tag, tags = value[_discriminator(details)], context["expected_tags"]
        return f"{_shown(tag, path)} is none of {tags}{_near(tag, tags)}"
    if kind == "value_error":
        return str(context["error"]) if is_secretive(path) else f"{shown}: {context['error']}"
    if kind == "ip_any_network":
        return _not_a_network(value, shown)
    if kind == "too_short":
        return f"has {context['actual_length']} entries, needs at least {context['min_length']}"
    for prefix, words in _WORDS.items():
        if kind.startswith(prefix):
            return f"{shown} {words(context)}"
    return f"{details['msg']} ({shown})"


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "int_": lambda _: "is not a whole number",
    "bool_": lambda _: "is neither true nor false",
    "timezone_aware": lambda _: "has no time zone: write as in 2026-12-05T22:00:00+08:00",
    "datetime_": lambda _: "is not a time: write as in 2026-12-05T22:00:00+08:00",
    "date_": lambda _: "is not a date: write as in 2026-12-05",
    "string_": lambda _: "is not a text",
    "tuple_type": lambda _: "is not a list",
    "dict_type": lambda _: "is not a set of keys and values",
    "model_": lambda _: "is not a set of keys and values",
    "greater_than_equal": lambda context: f"is below {context['ge']}",
    "less_than_equal": lambda context: f"is above {context['le']}",
}


def _discriminator(details: ErrorDetails) -> str:
    return str(details["ctx"]["discriminator"]).strip("'")


def _not_a_network(value: Any, shown: str) -> str:
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return f"{shown} is not a network: write as in 10.80.0.0/16"
    return f"{shown} has bits set behind its prefix: the network is {network}"


def _near(value: Any, expected: str) -> str:
    words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    return did_you_mean(value, words) if isinstance(value, str) else ""


def _shown(value: Any, path: Path) -> str:
    if is_secretive(path):
        return "the value"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:59] + "…")
    if isinstance(value, (list, tuple)):
        return "a list" if value else "the empty list"
    return "a set of keys and values" if isinstance(value, dict) else "the value"


def _keys(schema: Schema, loc: tuple[str | int, ...]) -> set[str]:
    """The keys that the model allows at this place."""
    here = schema
    for part in loc:
        here = _step(schema, _resolve(schema, here), part)
    return set(_resolve(schema, here).get("properties", ()))


def _step(schema: Schema, here: Schema, part: str | int) -> Schema:
    variants: Mapping[str, str] = here.get("discriminator", {}).get("mapping", {})
    if part in variants:
        return {"$ref": variants[str(part)]}
    inside = here.get("items", {}) if isinstance(part, int) else here.get("properties", {}).get(part, {})
    return cast(Schema, inside)


def _resolve(schema: Schema, here: Schema) -> Schema:
    while "$ref" in here:
        here = schema["$defs"][here["$ref"].rpartition("/")[2]]
    return here
