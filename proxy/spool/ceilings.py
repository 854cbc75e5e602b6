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

from proxy.settings.values import RecordingSettings
from proxy.spool import ballast
from proxy.spool.disk import Disk
from proxy.spool.names import BODIES, is_source
from proxy.spool.trouble import Trouble

_HIGH_WATER = 0.8
_MEMORY_SHARE = 16


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
                    # The ballast is room, not what fills it.
                    if name not in (BODIES, ballast.NAME):
                        yield disk.size(folder / name)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """In bytes and files; ``min_free`` is what must stay free, ``ballast`` what is held for the end."""

    max_bytes: int
    max_files: int
    min_free: int
    ballast: int

    @classmethod
    def of(cls, recording: RecordingSettings) -> Ceilings:
        """Return what the settings say."""
        if recording.mode == "memory":
            most = min(recording.spool_max_bytes, recording.memory_max_bytes)
            return cls(most, recording.spool_max_files, most // _MEMORY_SHARE, 0)
        ballast = recording.ballast_bytes
        return cls(recording.spool_max_bytes, recording.spool_max_files, recording.min_free_bytes, ballast)

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

    def is_over(self, usage: Usage) -> bool:
        """True at the ceiling itself: not even facts are added."""
        return usage.bytes >= self.max_bytes or usage.files >= self.max_files
