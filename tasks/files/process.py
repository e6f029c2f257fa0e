"""A running rclone: fed, listened to, and ended where it is stuck."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Stats: TypeAlias = Callable[[Mapping[str, Any]], None]

SILENCE_S = 300.0
"""Without progress for so long rclone is ended: after a cut cable it was seen to wait for ever, with no
connection left."""
TEMPORARY = 5
"""Exit status: temporary error, one that more retries might fix. Source: https://rclone.org/docs/#exit-code"""


def carry(
    argv: Sequence[str], environment: Mapping[str, str], stdin: bytes, on_stats: Stats | None
) -> tuple[int, bytes, list[dict[str, Any]]]:
    """Run it to its end, or until it got nowhere for SILENCE_S.

    Shape: exit status, what it printed, the entries of its log.
    """
    life = _Life(on_stats)
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment)
    )
    # Every pipe has a thread of its own: any of them may otherwise fill while we wait on another.
    threads = [
        threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True),
        threading.Thread(target=life.read, args=(process.stdout,), daemon=True),
        threading.Thread(target=life.listen, args=(process.stderr,), daemon=True),
    ]
    try:
        for thread in threads:
            thread.start()
        status = _wait(process, life)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    for thread in threads:
        thread.join()
    return status, b"".join(life.printed), life.log


def _wait(process: subprocess.Popen[bytes], life: "_Life") -> int:
    while True:
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            if life.silent_s < SILENCE_S:
                continue
        process.kill()
        process.wait()
        life.log.append({"level": "error", "msg": f"no progress for {SILENCE_S:.0f} s: it was ended"})
        return TEMPORARY


class _Life:
    """What a running rclone says, and since when it has got nowhere."""

    def __init__(self, on_stats: Stats | None) -> None:
        self.log: list[dict[str, Any]] = []
        self.printed: list[bytes] = []
        self._on_stats = on_stats
        self._progress: tuple[Any, ...] = ()
        self._moved_at = time.monotonic()

    @property
    def silent_s(self) -> float:
        return time.monotonic() - self._moved_at

    def read(self, pipe: Any) -> None:
        with pipe:
            while chunk := pipe.read1(1 << 16):
                self.printed.append(chunk)
                self._moved_at = time.monotonic()

    def listen(self, pipe: Any) -> None:
        with pipe:
            for line in pipe:
                self._hear(line)

    def _hear(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {"level": "error", "msg": line.decode(errors="replace").strip()}
        stats = entry.get("stats")
        if stats is None:
            self.log.append(entry)
            self._moved_at = time.monotonic()
            return
        progress = tuple(stats.get(name) for name in ("bytes", "checks", "transfers", "listed", "errors"))
        if progress != self._progress:
            self._progress, self._moved_at = progress, time.monotonic()
        if self._on_stats:
            self._on_stats(stats)


def _feed(pipe: Any, content: bytes) -> None:
    try:
        with pipe:
            pipe.write(content)
    except BrokenPipeError:
        # It ended before it read everything: its exit status tells.
        return
