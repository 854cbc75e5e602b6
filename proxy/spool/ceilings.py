"""How large the spool may become, and how large it is: all gateways' files together, looked at without a lock.

Every gateway's syncing thread looks at the whole spool for itself, so that all see the same and none waits for another.
From the high water mark on (80 %) the policy ``recording.on_full`` counts; at the ceiling itself new calls are not
recorded at all, calls under way are finished. In mode ``memory`` the spool lies in RAM and has a ceiling of its own,
and what must stay free is a share of that: a container's ``/dev/shm`` is often smaller than the ceiling.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from proxy.errors import SpoolError
from proxy.settings.values import RecordingSettings
from proxy.spool import ballast, ends
from proxy.spool.disk import Disk
from proxy.spool.names import BODIES, is_source
from proxy.spool.trouble import Trouble

_HIGH_WATER = 0.8
_MEMORY_SHARE, _WAITING_SHARE = 16, 64


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes and files of the whole spool, and the bytes that are free on its disk."""

    bytes: int
    files: int
    free: int


def measure(disk: Disk, root: Path) -> Usage:
    """Look at the whole spool; ``OSError`` when it cannot be looked at."""
    free = disk.free_bytes(root)
    sizes = list(_sizes(disk, root))
    return Usage(sum(sizes), len(sizes), free)


def _sizes(disk: Disk, root: Path) -> Iterator[int]:
    for source in filter(is_source, disk.names(root)):
        for folder in (root / source, root / source / BODIES):
            for name in disk.names(folder):
                # Freed meanwhile by the loader, which is what one hopes for.
                with contextlib.suppress(FileNotFoundError):
                    # These are room, not what fills it.
                    if name not in (BODIES, ballast.NAME, ends.NAME):
                        yield disk.size(folder / name)


@dataclass(slots=True)
class Room:
    """What large bodies may still take until the next look at the spool, in bytes: they could fill it in between."""

    left: int

    def take(self, size: int) -> None:
        """Take so much; ``SpoolError`` where there is less."""
        if size > self.left:
            raise SpoolError("a large request body is not written aside: the spool is nearly full")
        self.left -= size


@dataclass(frozen=True, slots=True)
class Ceilings:
    """In bytes and files; ``min_free`` must stay free, ``ballast`` and ``ends`` are held for the ends of calls."""

    max_bytes: int
    max_files: int
    min_free: int
    ballast: int
    ends: int

    @classmethod
    def of(cls, recording: RecordingSettings) -> Ceilings:
        """Return what the settings say."""
        if recording.mode == "memory":
            most = min(recording.spool_max_bytes, recording.memory_max_bytes)
            waiting = min(recording.waiting_max_bytes, most // _WAITING_SHARE)
            return cls(most, recording.spool_max_files, most // _MEMORY_SHARE, 0, waiting)
        most, least = recording.spool_max_bytes, recording.min_free_bytes
        return cls(most, recording.spool_max_files, least, recording.ballast_bytes, recording.waiting_max_bytes)

    def judge(self, usage: Usage) -> Trouble:
        """Return which marks are passed."""
        found = Trouble.NONE
        if usage.free < self.min_free:
            found |= Trouble.DISK_LOW
        if usage.bytes > self.max_bytes * _HIGH_WATER:
            found |= Trouble.SPOOL_LARGE
        if usage.files > self.max_files * _HIGH_WATER:
            found |= Trouble.MANY_FILES
        return found

    def room(self, usage: Usage) -> int:
        """Return how many bytes more there may be before a mark is passed."""
        return min(int(self.max_bytes * _HIGH_WATER) - usage.bytes, usage.free - self.min_free)

    def is_over(self, usage: Usage) -> bool:
        """True at the ceiling itself: not even facts are added."""
        return usage.bytes >= self.max_bytes or usage.files >= self.max_files
