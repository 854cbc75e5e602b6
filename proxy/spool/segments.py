"""The writer's segments: the one in use, a spare made ahead, and old ones waiting to be sealed.

Making a file waits for the disk (its folder is synced), so the syncing thread makes the spare; the request path only
swaps descriptors, which are plain attributes: each is written by one thread and read by the other. A disk that takes
not even the first segment keeps no gateway from starting: every append fails until there is a spare.

Segments have odd numbers; the even one behind each is for what of it has to be written again (``rewriting``).
"""

from __future__ import annotations

import errno
import threading
from pathlib import Path

from proxy.errors import SpoolError
from proxy.spool import locks
from proxy.spool.disk import Disk
from proxy.spool.framing import new_mark, segment_header
from proxy.spool.names import BODIES, FIRST_SEGMENT, segment_name
from proxy.spool.sealing import Seal

_NO_FILE = -1


class Segment:
    """An open segment file; ``size`` counts what was appended whole, ``synced`` what of it is on stable storage.

    ``is_failed``: a sync of it failed, so none is ever tried again. ``is_torn``: half a record lies behind ``size``.
    ``unsynced`` are the appends behind ``synced`` (the last ones before it may be among them): after a failed sync some
    file systems give back what was there before. ``has_gap``: they are not kept, or became too many for that.
    """

    __slots__ = (
        "descriptor", "has_gap", "is_dirty", "is_failed", "is_torn", "number", "opened_at", "path", "size", "synced",
        "unsynced",
    )  # fmt: skip

    def __init__(self, path: Path, number: int, descriptor: int, opened_at: float, size: int) -> None:
        self.path = path
        self.number = number
        self.descriptor = descriptor
        self.size = self.synced = size
        self.has_gap = self.is_dirty = self.is_failed = self.is_torn = False
        self.opened_at = opened_at
        self.unsynced: list[bytes] = []

    def __repr__(self) -> str:
        return f"<Segment {self.number} size={self.size}>"

    def forget_unsynced(self) -> None:
        """Keep nothing of it in memory: what a failed sync puts at risk is then read back from the file."""
        self.has_gap = True
        self.unsynced.clear()


class Segments:
    """Hands out the segment in use; ``rotate`` swaps in the spare when there is one. All records bear ``mark``.

    ``keeps_unsynced``: appends stay in memory until they are synced, which costs an append a twentieth of its time.
    """

    def __init__(self, disk: Disk, folder: Path, seal: Seal | None = None, *, keeps_unsynced: bool = False) -> None:
        self._disk = disk
        self._keeps_unsynced = keeps_unsynced
        self._folder = folder
        self._next_number = FIRST_SEGMENT
        self.mark = new_mark()
        self.header = segment_header(self.mark) if seal is None else segment_header(self.mark, seal.key_id, seal.salt)
        self._making = threading.Lock()
        self.sealing: list[Segment] = []
        self.spare: Segment | None = None
        self._locks: list[int] = []
        self.current = self._first()

    def _first(self) -> Segment:
        try:
            return self._make(0.0)
        except OSError:
            return Segment(self._folder, 0, _NO_FILE, 0.0, len(self.header))

    def _hold_folder(self) -> None:
        """Make the folder and take its lock, before there is a segment: the loader takes an unlocked one for dead."""
        # One by one: a folder that is only made on the way to another one gets the rights of the umask.
        self._disk.make_folder(self._folder)
        self._disk.make_folder(self._folder / BODIES)
        held = locks.hold(self._disk, self._folder)
        if held is None:
            raise SpoolError(f"another process writes to {self._folder}; each gateway needs a spool of its own")
        self._locks = held
        for above in (self._folder.parent, self._folder.parent.parent):
            # A file whose folder's name did not survive the power is as lost as one that was not synced.
            self._disk.sync_folder(above)

    def _make(self, now: float) -> Segment:
        if not self._locks:
            self._hold_folder()
        number = self._next_number
        path = self._folder / segment_name(number)
        descriptor = self._disk.create(path)
        self._next_number += 2
        try:
            self._begin(descriptor)
        except OSError:
            # Tried again at every round: what a full disk let us begin must not pile up, file or descriptor.
            self._disk.close(descriptor)
            self._disk.unlink(path)
            raise
        segment = Segment(path, number, descriptor, now, len(self.header))
        segment.has_gap = not self._keeps_unsynced
        return segment

    def _begin(self, descriptor: int) -> None:
        if self._disk.append(descriptor, self.header) != len(self.header):
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
        locks.let_go(self._disk, self._locks)
        self._locks = []
