"""The file share of the practice estate: 2,407 files, the same to the byte in every build."""

import os
import random
from pathlib import Path

UID = GID = 1502
LETTERS = "一丁七万丈三上下不与专且世业丛东丝两严中丰临丹主丽举"
ODD_NAMES = (
    "报价单 (最终版).txt",
    'it\'s "quoted".txt',
    "-rf",
    "--help.txt",
    " leading space",
    "trailing space ",
    "a&b;c|d$HOME`id`.txt",
    "percent%20plus+hash#.txt",
    "star*question?[x].txt",
    "back\\slash.txt",
    "tab\there.txt",
    "emoji 🧧🐲.txt",
    "café (NFC).txt",
    "cafe\u0301 (NFD).txt",
    "UPPER.TXT",
    "upper.txt",
    ".hidden",
    "~tilde",
    "long-" + "名" * 60 + ".txt",
    "colon:semi;.txt",
    "no-extension",
)
OLD, FUTURE = 86_401_000_000_123, 4_102_444_800_987_654_321
YEARS = range(2016, 2024)


def write(root: Path) -> None:
    """Write the share under `root`, owned by the user share."""
    dice = random.Random(20240229)
    root.mkdir(parents=True)
    write_years(root, dice)
    write_odd(root, dice)
    write_deep(root, dice)
    (root / "影像").mkdir()
    (root / "影像" / "宣传片.bin").write_bytes(dice.randbytes(8 * 1024 * 1024))
    (root / "empty directory").mkdir()
    (root / "最新合同").symlink_to("2023/01/合同-2023-01-000.txt")
    settle(root, dice)


def write_years(root: Path, dice: random.Random) -> None:
    """Write the bulk: contracts, scans and tables by year and month."""
    for year in YEARS:
        for month in range(1, 13):
            folder = root / str(year) / f"{month:02}"
            folder.mkdir(parents=True)
            for number in range(22):
                kind, ending = dice.choice((("合同", "txt"), ("scan", "pdf"), ("账目", "csv")))
                if number == 0:
                    kind, ending = "合同", "txt"
                name = f"{kind}-{year}-{month:02}-{number:03}.{ending}"
                size = dice.choice((0, 90, 700, 4096, 9000, 20000)) if number else 1500
                text = "".join(dice.choices(LETTERS, k=size // 3)).encode()
                (folder / name).write_bytes(text if ending != "pdf" else dice.randbytes(size))


def write_odd(root: Path, dice: random.Random) -> None:
    """Write the names that break careless tools."""
    folder = root / "odd names 怪名"
    folder.mkdir()
    for name in ODD_NAMES:
        (folder / name).write_text(f"{name}\n{dice.random()}\n")
    (folder / "-dash directory").mkdir()
    (folder / "-dash directory" / "-").write_text("dash\n")


def write_deep(root: Path, dice: random.Random) -> None:
    """Write folders 24 deep, three files on each floor, and a crowded one."""
    folder = root / "deep"
    for level in range(24):
        folder = folder / f"层{level:02}"
        folder.mkdir(parents=True)
        for number in range(3):
            (folder / f"note {number}.txt").write_text(f"{level}.{number} {dice.random()}\n")
    crowd = root / "crowd"
    crowd.mkdir()
    for number in range(200):
        (crowd / f"{number:04}.dat").write_bytes(dice.randbytes(200))


def settle(root: Path, dice: random.Random) -> None:
    """Give every path its owner, permissions and time, children before their directory."""
    for folder, _, files in os.walk(root, topdown=False):
        place = Path(folder)
        for number, name in enumerate(sorted(files)):
            path = place / name
            os.chown(path, UID, GID, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod((0o640, 0o644, 0o600, 0o755, 0o444)[number % 5])
            os.utime(path, ns=(OLD, moment(number, dice)), follow_symlinks=False)
        os.chown(place, UID, GID)
        place.chmod(0o2770 if place.name == "crowd" else 0o755)
        os.utime(place, ns=(OLD, 1_600_000_000_000_000_000))


def moment(number: int, dice: random.Random) -> int:
    """Give a file's time in nanoseconds: mostly ordinary, some before 1980, some after 2100."""
    if number == 3:
        return OLD
    if number == 4:
        return FUTURE
    return dice.randrange(1_450_000_000, 1_700_000_000) * 1_000_000_000 + dice.randrange(10**9)
