"""A project folder of YAML files into an Inventory, or all of its faults at once."""

import copy
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from core.errors import Fault, InventoryInvalid
from inventory.crosscheck import cross_check
from inventory.draft import Draft, did_you_mean
from inventory.files import (
    FILES,
    MIGRATION_LIST,
    PRECONDITIONS,
    PROJECT,
    SOURCES,
    TARGETS,
    TESTS,
    MigrationList,
    Preconditions,
    Tests,
)
from inventory.leaks import inline_secrets, secrets_in_comments
from inventory.model import Inventory
from inventory.project import Project
from inventory.sources import Sources
from inventory.targets import Targets
from inventory.wording import explain, real_path
from inventory.yaml_lines import Node, NotYaml, read
from inventory.yaml_lines import Path as YamlPath

_MAXIMUM_BYTES = 16 << 20


def load(folder: Path) -> Inventory:
    """Load a project folder.

    Raises: errors.InventoryInvalid with every fault that can be found, each with file, line and path.
    """
    reading = _examine(folder)
    if reading.faults:
        raise InventoryInvalid(sorted(reading.faults), next_command=f"qianyun check {folder}")
    return Inventory(
        folder=folder,
        project=cast(Project, reading.models[PROJECT]),
        sources=cast(Sources, reading.models[SOURCES]),
        targets=cast(Targets, reading.models[TARGETS]),
        migration_list=cast(MigrationList, reading.models[MIGRATION_LIST]).items,
        preconditions=cast(Preconditions, reading.models[PRECONDITIONS]).preconditions,
        tests=cast(Tests, reading.models[TESTS]).tests,
    )


def check(folder: Path) -> list[Fault]:
    """Every fault of a project folder; empty where it can be loaded."""
    return sorted(_examine(folder).faults)


@dataclass
class _Reading:
    """What has been made of the folder so far."""

    faults: set[Fault] = field(default_factory=set)
    nodes: dict[str, Node] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    kept: dict[tuple[str, YamlPath], list[int]] = field(default_factory=dict)

    def fault(self, file: str, path: YamlPath, message: str) -> None:
        line = self.nodes[file].at(path)[1] if file in self.nodes else 1
        self.faults.add(Fault(file, line, path_text(path), message))


def path_text(path: YamlPath) -> str:
    """`network.subnets[2].cidr`"""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "(file)"


def _examine(folder: Path) -> _Reading:
    reading = _Reading()
    if not folder.is_dir():
        reading.faults.add(Fault(str(folder), 1, "(folder)", "there is no such folder"))
        return reading
    for file in FILES:
        try:
            text = _text(folder / file)
            document = read(text)
        except NotYaml as error:
            reading.faults.add(Fault(file, error.line, "(file)", error.message))
            continue
        reading.nodes[file] = document.root
        for path, line, message in document.faults:
            reading.faults.add(Fault(file, line, path_text(path), message))
        _validate(reading, file, text)
    draft = Draft(
        nodes=reading.nodes,
        project=reading.models.get(PROJECT),
        sources=reading.models.get(SOURCES, Sources()),
        targets=reading.models.get(TARGETS),
        migration_list=reading.models.get(MIGRATION_LIST),
        preconditions=reading.models.get(PRECONDITIONS),
        tests=reading.models.get(TESTS),
        kept=reading.kept,
    )
    for finding in cross_check(draft):
        reading.fault(finding.file, finding.path, finding.message)
    return reading


def _text(path: Path) -> str:
    """Raises: NotYaml where the file cannot be read as text."""
    try:
        found = path.stat()
        # Opening a named pipe would wait for a writer.
        if not stat.S_ISREG(found.st_mode):
            raise NotYaml(1, "is not a regular file")
        if found.st_size > _MAXIMUM_BYTES:
            raise NotYaml(1, f"is larger than {_MAXIMUM_BYTES >> 20} MiB")
        content = path.read_bytes()
    except FileNotFoundError:
        others = {other.name for other in _listing(path.parent)} - FILES.keys()
        raise NotYaml(1, f"the file is missing{did_you_mean(path.name, others)}") from None
    except OSError as error:
        raise NotYaml(1, f"cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotYaml(line, f"is not UTF-8 (byte 0x{content[error.start]:02x}): save it as UTF-8") from None


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # only the hint is lost


def _validate(reading: _Reading, file: str, text: str) -> None:
    root = reading.nodes[file]
    secrets = dict(inline_secrets(root))
    for path, message in secrets.items():
        reading.fault(file, path, message)
    if not secrets:
        for line, message in secrets_in_comments(text):
            reading.faults.add(Fault(file, line, "(comment)", message))
    model = FILES[file]
    try:
        reading.models[file] = model.model_validate(root.value)
    except ValidationError as error:
        # What the search for secrets has said is said better there.
        said = {secret[:depth] for secret in secrets for depth in range(len(secret) + 1)}
        for path, message in explain(error, model, root):
            if path not in said:
                reading.fault(file, path, message)
        _salvage(reading, file, error)


def _salvage(reading: _Reading, file: str, error: ValidationError) -> None:
    """Keep what is valid of a faulty file, so that the cross-checks can look at it in the same go."""
    root = reading.nodes[file]
    value = copy.deepcopy(root.value)
    gone: dict[YamlPath, set[int]] = {}
    for details in error.errors(include_url=False):
        path = real_path(details, root)
        if details["type"] == "extra_forbidden":
            _at(value, path[:-1]).pop(path[-1], None)
            continue
        first = next((n for n, part in enumerate(path) if isinstance(part, int)), None)
        if first is None:
            return
        gone.setdefault(path[:first], set()).add(cast(int, path[first]))
    kept = {}
    for path, indexes in gone.items():
        things = _at(value, path)
        kept[file, path] = [n for n in range(len(things)) if n not in indexes]
        things[:] = [things[n] for n in kept[file, path]]
    try:
        reading.models[file] = FILES[file].model_validate(value)
    except ValidationError:
        return
    reading.kept.update(kept)


def _at(value: Any, path: YamlPath) -> Any:
    for part in path:
        value = value[part]
    return value
