"""The writer's segments: the one in use, a spare made ahead, and old ones waiting to be sealed.

Making a file waits for the disk (its folder is synced), so the syncing thread makes the spare; the request path only
swaps descriptors, which are plain attributes: each is written by one thread and read by the other. A disk that takes
not even the first segment keeps no gateway from starting: every append fails until there is a spare.
"""

from __future__ import annotations

import errno
import threading
from pathlib import Path

from proxy.errors import SpoolError
from proxy.spool.disk import Disk
from proxy.spool.framing import SEGMENT_HEADER, new_mark, segment_header

_NO_FILE = -1


class Segment:
    """An open segment file; ``size`` counts what was appended whole."""

    __slots__ = ("descriptor", "is_dirty", "number", "opened_at", "path", "size")

    def __init__(self, path: Path, number: int, descriptor: int, opened_at: float) -> None:
        self.path = path
        self.number = number
        self.descriptor = descriptor
        self.size = SEGMENT_HEADER.size
        self.is_dirty = False
        self.opened_at = opened_at

    def __repr__(self) -> str:
        return f"<Segment {self.number} size={self.size}>"


class Segments:
    """Hands out the segment in use; ``rotate`` swaps in the spare when there is one. All records bear ``mark``."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        self._next_number = 1
        self.mark = new_mark()
        self._making = threading.Lock()
        self.sealing: list[Segment] = []
        self.spare: Segment | None = None
        self._lock: int | None = None
        self.current = self._first()

    def _first(self) -> Segment:
        try:
            return self._make(0.0)
        except OSError:
            return Segment(self._folder, 0, _NO_FILE, 0.0)

    def _hold_folder(self) -> None:
        """Make the folder and take its lock, before there is a segment: the loader takes an unlocked one for dead."""
        # One by one: a folder that is only made on the way to another one gets the rights of the umask.
        self._disk.make_folder(self._folder)
        self._disk.make_folder(self._folder / "bodies")
        self._lock = self._disk.lock(self._folder / "lock")
        if self._lock is None:
            raise SpoolError(f"another process writes to {self._folder}; each gateway needs a spool of its own")

    def _make(self, now: float) -> Segment:
        if self._lock is None:
            self._hold_folder()
        number = self._next_number
        path = self._folder / f"{number:08d}.seg"
        descriptor = self._disk.create(path)
        self._next_number += 1
        try:
            self._begin(descriptor)
        except OSError:
            # Tried again at every round: what a full disk let us begin must not pile up, file or descriptor.
            self._disk.close(descriptor)
            self._disk.unlink(path)
            raise
        return Segment(path, number, descriptor, now)

    def _begin(self, descriptor: int) -> None:
        header = segment_header(self.mark)
        if self._disk.append(descriptor, header) != len(header):
            raise OSError(errno.ENOSPC, "no space left for a segment header")
        self._disk.sync_folder(self._folder)

    def make_spare(self, now: float) -> None:
        """Make the next segment ahead of its use (syncing thread); ``OSError`` when the disk refuses."""
        with self._making:
            if self.spare is None:
                self.spare = self._make(now)

    def rotate(self) -> bool:
        """Swap to the spare; False when there is none yet. Never waits."""
        spare = self.spare
        if spare is None:
            return False
        self.sealing.append(self.current)
        self.current = spare
        self.spare = None
        return True

    def close(self) -> None:
        """Close all files, removing a spare that was never used, and let go of the folder."""
        for segment in [*self.sealing, self.current]:
            if segment.descriptor != _NO_FILE:
                self._disk.close(segment.descriptor)
        self.sealing = []
        if self.spare is not None:
            self._disk.close(self.spare.descriptor)
            self._disk.unlink(self.spare.path)
            self.spare = None
        if self._lock is not None:
            self._disk.close(self._lock)
