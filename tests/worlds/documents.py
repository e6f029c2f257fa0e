"""A folder of deliverables on disk, empty or with an older version in it."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from core.access import Reader, Writer
from core.step import Step
from tasks.mail import DeliverablesFolder, RenderDocument
from tests.contract.case import Case


class DocumentWorld:
    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="qianyun-documents-"))
        self.folder = DeliverablesFolder(self.path)
        self.basis = "records-1"

    def step(self) -> RenderDocument:
        return RenderDocument(
            key="acceptance/document/proposal",
            kind="proposal",
            extension="pptx",
            folder=self.folder,
            render=lambda version: f"方案 第{version}版 {self.basis}".encode(),
            basis=lambda: self.basis,
        )

    def write_older(self) -> None:
        writer = Writer(Reader(), lambda text: None)
        writer.open(self.folder).store("proposal", 1, "pptx", b"first", "records-0")

    def snapshot(self) -> object:
        return {p.name: p.read_bytes() for p in self.path.iterdir()}

    def make_unreadable(self) -> None:
        shutil.rmtree(self.path)
        self.path.write_text("no folder")

    def disturb(self) -> None:
        newest = max(self.path.glob("*.pptx"))
        newest.write_bytes(b"altered afterwards")

    def close(self) -> None:
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def _first() -> tuple[Step[Any], DocumentWorld]:
    world = DocumentWorld()
    return world.step(), world


def _next() -> tuple[Step[Any], DocumentWorld]:
    world = DocumentWorld()
    world.write_older()
    return world.step(), world


CASES = [Case("document-first-version", _first), Case("document-next-version", _next)]
