"""The image: a bare host and what each role adds, built once from packages and kept.

Everything a build writes lies in one directory that gets its final name when it is complete, so a build
killed half-way leaves nothing that could be taken for an image. One build at a time holds the lock.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lab import share
from lab.commands import run, tail
from lab.errors import LabFailed
from lab.machine import codename, mirrors
from lab.processes import variables

RECIPE = Path(__file__).parent / "recipe"
BASE_PACKAGES = (
    "openssh-server,tini,iproute2,procps,curl,tzdata,netbase,ca-certificates,"
    "apt-utils,openssl,lsb-base,passwd"
)
NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONFINED = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES]
"""Runs a command whose processes and mounts all end with this one, even when it is killed."""
KEEP_IMAGES = 2


def cache() -> Path:
    """Give the directory of all images."""
    return Path(os.environ.get("QIANYUN_LAB_CACHE") or Path.home() / ".cache/qianyun/lab")


def digest() -> str:
    """Name the image by everything it is made from: the recipe, the release, the share's seed."""
    seen = hashlib.sha256(f"{codename()} {BASE_PACKAGES}".encode())
    for path in sorted([*RECIPE.rglob("*"), Path(share.__file__)]):
        if path.is_file():
            seen.update(f"{path.relative_to(RECIPE.parent)} ".encode() + path.read_bytes())
    return seen.hexdigest()[:16]


def build() -> Path:
    """Return the image, building it first where there is none; the work of some minutes, once."""
    image = cache() / digest()
    if image.exists():
        return image
    with only_build():
        if not image.exists():
            for stale in cache().glob("building-*"):
                shutil.rmtree(stale)
            work = cache() / f"building-{os.getpid()}"
            build_in(work)
            work.rename(image)
            forget_old_images(image)
    return image


@contextmanager
def only_build() -> Iterator[None]:
    """Hold the lock of all builds; a killed build drops it."""
    cache().mkdir(parents=True, exist_ok=True)
    handle = os.open(cache(), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def build_in(work: Path) -> None:
    """Build every layer: base first, then the roles side by side, from the packages fetched once."""
    work.mkdir()
    build_base(work)
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [
            pool.submit(build_databases, work),
            pool.submit(build_layer, work, "web", ("base",)),
            pool.submit(build_layer, work, "app", ("base",)),
            pool.submit(build_files, work),
        ]
        for job in jobs:
            job.result()
    for leftover in work.glob("tmp-*"):
        shutil.rmtree(leftover)


def build_base(work: Path) -> None:
    """Make the bare host and the local repository every host installs from."""
    base, packages = work / "base", work / "packages"
    packages.mkdir()
    first = mirrors()[0]
    options = [f"--include={BASE_PACKAGES}", f"--components={','.join(first.components)}"]
    strap = ["debootstrap", "--variant=minbase", *options, first.suite, str(base), first.url]
    run([*CONFINED, *strap], timeout_s=600)
    (base / "etc/apt/sources.list").write_text("".join(f"{m.line()}\n" for m in mirrors()))
    acquire = [line for line in run(["apt-config", "dump"]).splitlines() if line.startswith("Acquire::")]
    (base / "etc/apt/apt.conf.d/00machine").write_text("\n".join(acquire) + "\n")
    fetched = base / "opt/fetched"
    fetched.mkdir()
    shutil.copyfile("/etc/resolv.conf", base / "etc/resolv.conf")
    shutil.copyfile("/etc/hosts", base / "etc/hosts")
    with recipe_in(base):
        run(
            [*CONFINED, "chroot", str(base), "sh", "/opt/recipe/base/install.sh"],
            env=clean_env(),
            timeout_s=900,
        )
        for path in list(fetched.iterdir()):
            shutil.move(path, packages / path.name)
        fetched.rmdir()
        shutil.copytree(packages, base / "opt/packages")
        run(
            [*CONFINED, "chroot", str(base), "sh", "/opt/recipe/base/finish.sh"],
            env=clean_env(),
            timeout_s=300,
        )
        shutil.rmtree(base / "opt/packages")
        (base / "opt/packages").mkdir()


@contextmanager
def recipe_in(base: Path) -> Iterator[None]:
    """Lend the recipe to a tree; copied, because a mount would outlive a killed build."""
    shutil.copytree(RECIPE, base / "opt/recipe")
    yield
    shutil.rmtree(base / "opt/recipe")


def build_databases(work: Path) -> None:
    """Build the server's layer, then the one with the data on top of it."""
    build_layer(work, "db", ("base",))
    build_layer(work, "shop", ("db", "base"))


def build_files(work: Path) -> None:
    """Build the file host's layer and write the share into it."""
    build_layer(work, "file", ("base",))
    share.write(work / "file/srv/share")


def build_layer(work: Path, role: str, below: tuple[str, ...]) -> None:
    """Run one role's recipe inside namespaces and keep what it changed.

    Raises: LabFailed with the end of the recipe's log.
    """
    place, log = work / f"tmp-{role}", work / f"{role}.log"
    place.mkdir()
    env = clean_env() | {
        "LAB_HOST": f"build-{role}",
        "LAB_DIR": str(place),
        "LAB_LOWER": ":".join(str(work / layer) for layer in below),
        "LAB_BIND": f"{work / 'packages'}:/opt/packages {RECIPE}:/opt/recipe",
    }
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--net",
        *NAMESPACES,
        "sh",
        str(RECIPE / "chamber.sh"),
    ]
    with log.open("wb") as out:
        done = subprocess.run(
            [*command, "sh", f"/opt/recipe/{role}/install.sh"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    if done.returncode:
        raise LabFailed(f"building the layer {role} ended with {done.returncode}:\n{tail(log)}")
    upper = place / "upper"
    for leftover in (upper / "opt/recipe", upper / "run", upper / "tmp", upper / "mnt"):
        shutil.rmtree(leftover, ignore_errors=True)
    upper.rename(work / role)


def clean_env() -> dict[str, str]:
    """Give a build or a host an environment that owes nothing to the caller's."""
    return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}


def forget_old_images(newest: Path) -> None:
    """Remove all but the last images; a running instance of an older recipe keeps its mounts' files."""
    images = [
        p for p in cache().iterdir() if p.is_dir() and p != newest and not p.name.startswith("building-")
    ]
    in_use = {Path(lower) for lower in mounted_images()}
    for old in sorted(images, key=lambda p: p.stat().st_mtime, reverse=True)[KEEP_IMAGES - 1 :]:
        if old not in in_use:
            shutil.rmtree(old)


def forget_all() -> None:
    """Remove every image. Raises: LabFailed while a host stands on one of them."""
    with only_build():
        if used := {image for image in mounted_images() if Path(image).parent == cache()}:
            raise LabFailed(
                f"{', '.join(sorted(used))} is in use by another instance",
                why="Its hosts read their files from there.",
                next_command="python -m lab down --name NAME",
            )
        shutil.rmtree(cache())


def mounted_images() -> Iterator[str]:
    """Name the images running hosts were started from, as their first process's environment has it."""
    for _, value in variables():
        if value.startswith(b"LAB_LOWER="):
            yield str(Path(os.fsdecode(value[10:]).split(":")[0]).parent)
