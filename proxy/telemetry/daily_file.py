"""The log file beside standard error: all processes append to one file, and the first of a new day sets it aside.

The standard library's handler knows one process only: where two of them rotate, the second one deletes what the first
one has just set aside. Here a lock on the old file settles who is first; the others see that the name leads to another
file, and open that. Trouble with the disk is the caller's to judge.
"""

from __future__ import annotations

import fcntl
import glob
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path


class DailyFile:
    """Appends lines to a file of the day (UTC), and keeps so many earlier ones as ``NAME.YYYY-MM-DD``."""

    def __init__(self, path: Path, keep_days: int, clock: Callable[[], float] = time.time) -> None:
        self._path, self._keep_days, self._clock = path, keep_days, clock
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._day = ""

    def write(self, line: bytes) -> None:
        """Append one line; ``OSError`` when it cannot be."""
        with self._lock:
            os.write(self._of_today(), line)

    def close(self) -> None:
        """Let go of the file until the next line."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _of_today(self) -> int:
        today = _day_of(self._clock())
        if self._descriptor is None:
            self._descriptor = self._open()
            status = os.fstat(self._descriptor)
            self._day = _day_of(status.st_mtime) if status.st_size else today
        if self._day < today:
            self._set_aside(self._descriptor)
            self.close()
            self._descriptor, self._day = self._open(), today
        return self._descriptor

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _set_aside(self, descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        aside = Path(f"{self._path}.{self._day}")
        # A clock that was set back may bring a day a second time: what is there stays, and the file goes on.
        if _leads_to(self._path, descriptor) and not aside.exists():
            self._path.rename(aside)
            earlier = self._path.parent.glob(f"{glob.escape(self._path.name)}.????-??-??")
            for path in sorted(earlier)[: -self._keep_days]:
                path.unlink(missing_ok=True)


def _day_of(instant: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(instant))


def _leads_to(path: Path, descriptor: int) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))
