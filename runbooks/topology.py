"""The drawing of the move: the old computer room on the left, the VPC with its subnets on the right."""

from typing import Any

from pptx.enum.shapes import MSO_CONNECTOR
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Emu, Inches, Pt

from inventory.model import Inventory
from runbooks.slides import (
    BAND,
    BLUE,
    BOTTOM,
    GREY,
    INK,
    INNER,
    LEFT,
    NAVY,
    PALE,
    TOP,
    WHITE,
    put_box,
    put_text,
)

MOST_SHOWN = 5
"""Hosts or subnets drawn one by one; the rest are counted."""


def draw(slide: Any, inventory: Inventory) -> None:
    half = int(INNER * 0.3)
    gap = int(INNER * 0.1)
    height = int(BOTTOM - TOP)
    _old_side(slide, inventory, int(LEFT), int(TOP), half, height)
    right = int(LEFT) + half + gap
    _new_side(slide, inventory, right, int(TOP), int(INNER) - half - gap, height)
    middle = int(TOP) + height // 2
    arrow = slide.shapes.add_connector(
        MSO_CONNECTOR.STRAIGHT, Emu(int(LEFT) + half), Emu(middle), Emu(right), Emu(middle)
    )
    arrow.line.color.rgb, arrow.line.width = BLUE, Pt(3)
    label = slide.shapes.add_textbox(Emu(int(LEFT) + half), Emu(middle - Inches(0.5)), Emu(gap), Inches(0.4))
    put_text(label.text_frame, "迁移", 14, colour=BLUE, bold=True, align=PP_ALIGN.CENTER)


def _old_side(slide: Any, inventory: Inventory, left: int, top: int, width: int, height: int) -> None:
    networks = "、".join(f"{n.name} {n.cidr}" for n in inventory.sources.networks)
    _group(slide, left, top, width, height, f"现有机房　{networks}")
    entries = [
        (f"{host.name}　{host.ssh.address}", _on_host(inventory, host.name))
        for host in inventory.sources.hosts
    ]
    _stack(slide, entries, left, top, width, height)


def _new_side(slide: Any, inventory: Inventory, left: int, top: int, width: int, height: int) -> None:
    targets = inventory.targets
    _group(
        slide,
        left,
        top,
        width,
        height,
        f"{targets.cloud.region}　VPC {targets.network.name} {targets.network.cidr}",
    )
    entries = []
    for subnet in targets.network.subnets:
        servers = [
            f"{s.name}（{s.provider.instance_type}）" for s in targets.servers if s.subnet == subnet.name
        ]
        kind = "公有子网" if subnet.public else "私有子网"
        entries.append((f"{kind} {subnet.name}　{subnet.cidr}　{subnet.zone}", "、".join(servers) or "预留"))
    managed = [f"数据库 {d.name}（{d.engine}）" for d in targets.databases]
    managed += [f"对象存储 {b.name}" for b in targets.buckets]
    if managed:
        entries.append(("数据服务", "、".join(managed)))
    _stack(slide, entries, left, top, width, height)


def _on_host(inventory: Inventory, host: str) -> str:
    sources = inventory.sources
    names = [f"{a.name_zh or a.name}（{a.software}）" for a in sources.applications if a.host == host]
    names += [f"文件 {s.path}" for s in sources.file_shares if s.host == host]
    address = inventory.host(host).ssh.address
    names += [f"数据库 {d.name}（{d.engine}）" for d in sources.databases if d.address == address]
    return "、".join(names) or "—"


def _group(slide: Any, left: int, top: int, width: int, height: int, title: str) -> None:
    box = put_box(slide, left, top, width, height, BAND, GREY)
    box.text_frame.vertical_anchor = MSO_ANCHOR.TOP
    put_text(box.text_frame, title, 13, colour=NAVY, bold=True)


def _stack(slide: Any, entries: list[tuple[str, str]], left: int, top: int, width: int, height: int) -> None:
    shown = entries[:MOST_SHOWN]
    if len(entries) > MOST_SHOWN:
        shown.append(("其余", f"共 {len(entries) - MOST_SHOWN} 项，见清单"))
    head, margin = int(Inches(0.55)), int(Inches(0.15))
    each = min((height - head) // max(len(shown), 1), int(Inches(1.05)))
    for n, (name, holds) in enumerate(shown):
        box = put_box(
            slide,
            left + margin,
            top + head + n * each,
            width - 2 * margin,
            each - margin,
            WHITE if n % 2 else PALE,
            BLUE,
        )
        box.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE
        put_text(box.text_frame, name, 12, colour=NAVY, bold=True)
        put_text(box.text_frame, holds, 11, colour=INK, first=False)
