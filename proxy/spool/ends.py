"""The ENDs that the disk would not take: in memory, and in a file whose room was taken from the disk beforehand.

The client of such a call has seen its last byte, so a kill -9 must not cost its END. The file holds room for the END of
every call under way (``ROOM`` each); where the disk is nearly full a call is only begun on record when there is room
for its END as well. Written here is written over what the file holds already, which a full disk does not refuse.

Once the disk takes records again, what waits goes into the segments, and the file's first record is struck out. The
loader need not wait for that: calls whose ENDs wait are what keeps it from freeing the spool that fills the disk. Of a
gateway that died with ENDs waiting the file becomes the last segment (``settle``), by whoever has the lock of its
folder: the loader before it reads the end of it, or the next gateway. Records here are numbered from 2^62 on, behind
all that lies in segments; what is in both is met twice, and the second END of a call changes nothing.

Not promised: a file system that writes nothing in place (btrfs, ZFS, APFS) may refuse it all the same when full, and
then there is only memory; nor calls under way beyond what the file has room for when a disk with plenty of room fills
up within a second.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from proxy.spool import locks
from proxy.spool.disk import Disk
from proxy.spool.framing import LONGEST_HEADER, Heading, Record, decode_at, heading_of
from proxy.spool.names import segment_name, segment_numbers

NAME = "ends"
ROOM = 1536
"""What the END of a call takes at most, without its bodies and, where need be, all that can be left out of it."""
_USUAL = ROOM - 256
"""Beside it there is room for a record's header and seal, and for what is learned behind an END."""
_FIRST_SEQUENCE = 1 << 62
_SHARE = 8
_PLENTY = 2
_READ_BYTES = 1 << 20
Encode = Callable[[int, bytes, int, bytes], bytes]
Waiting = tuple[int, bytes, bytes]


class Ends:
    """What waits, oldest first: (type, interaction id, payload). ``make`` and ``sync`` are for the syncing thread.

    ``size`` counts payloads in bytes; ``encode`` makes a record of type, id, sequence and payload. ``most`` bounds what
    waits in memory, ``most_held`` the file.
    """

    def __init__(self, disk: Disk, folder: Path, header: bytes, encode: Encode, most: int, most_held: int) -> None:
        self._disk = disk
        self._path = folder / NAME
        self._header = header
        self._encode = encode
        self._most, self._most_held = most, most_held
        self._descriptor = -1
        self._room = 0
        self._used = len(header)
        self._sequence = _FIRST_SEQUENCE
        self._is_dirty = False
        self.waiting: deque[Waiting] = deque()
        self.size = 0

    def __repr__(self) -> str:
        return f"<Ends waiting={len(self.waiting)} used={self._used} of {self._room}>"

    # -- room -----------------------------------------------------------------------------------------------

    def make(self, free: int) -> None:
        """Make the file, or make it larger, where so many bytes are free: all of it, or a share of a small disk."""
        most = min(self._most_held, (free + self._room) // _SHARE)
        # A small one grows by doubling, so that a disk that is filled slowly is not asked again and again.
        if most < min(self._most_held, max(2 * self._room, len(self._header) + ROOM)) or most <= self._room:
            return
        # Without it there is less room for ENDs, and fewer calls are begun.
        with contextlib.suppress(OSError):
            if self._room:
                self._disk.hold(self._descriptor, most)
            else:
                self._descriptor = self._begin(most)
            self._room = most

    def _begin(self, size: int) -> int:
        descriptor = self._disk.open_fixed(self._path)
        try:
            self._disk.hold(descriptor, size)
            self._disk.overwrite(descriptor, self._header, 0)
        except OSError:
            self._disk.close(descriptor)
            self._disk.unlink(self._path)
            raise
        return descriptor

    def is_tight(self, free: int) -> bool:
        """True where so many free bytes may be gone before anybody looks again."""
        return free < _PLENTY * self._most_held

    def has_room_for(self, calls: int) -> bool:
        """True when so many calls under way can end while the disk takes nothing."""
        return self._used + calls * ROOM <= self._room

    def fits(self, payload: bytes, calls: int) -> bool:
        """True when an END with this payload leaves room for those of so many calls that are still under way."""
        return len(payload) <= _USUAL or self._used + len(payload) + (calls + 1) * ROOM <= self._room

    # -- what waits -----------------------------------------------------------------------------------------

    def add(self, kind: int, identity: bytes, payload: bytes) -> bool:
        """Let one wait; False when too much waits already."""
        if self.size + len(payload) > self._most:
            return False
        self.waiting.append((kind, identity, payload))
        self.size += len(payload)
        record = self._encode(kind, identity, self._sequence, payload)
        if self._used + len(record) <= self._room:
            # A disk that fails altogether: memory is all there is.
            with contextlib.suppress(OSError):
                if self._disk.overwrite(self._descriptor, record, self._used) == len(record):
                    self._used += len(record)
                    self._is_dirty = True
        self._sequence += 1
        return True

    def taken(self) -> None:
        """The oldest is in a segment; with the last one the file is free again."""
        self.size -= len(self.waiting.popleft()[2])
        if not self.waiting and self._used > len(self._header):
            self._used = len(self._header)
            # What stays there is in the segments as well.
            with contextlib.suppress(OSError):
                self._disk.overwrite(self._descriptor, bytes(4), self._used)

    def sync(self) -> None:
        """Bring what waits to stable storage (syncing thread)."""
        if self._is_dirty:
            # Before the sync: what is added from here on makes it dirty again.
            self._is_dirty = False
            self._disk.sync(self._descriptor)

    def close(self) -> None:
        """Let go of the file; it stays where something in it waits."""
        if not self._room:
            return
        self._room = 0
        with contextlib.suppress(OSError):
            self._disk.close(self._descriptor)
            if not self.waiting:
                self._disk.unlink(self._path)


def settle(disk: Disk, folder: Path) -> bool:
    """Make a segment of what waits in the file of a dead gateway; False while another process has its folder."""
    if NAME not in disk.names(folder):
        return True
    held = locks.hold(disk, folder)
    if held is None:
        return False
    try:
        _become_segment(disk, folder)
    finally:
        locks.let_go(disk, held)
    return True


def _become_segment(disk: Disk, folder: Path) -> None:
    names, path = disk.names(folder), folder / NAME
    used, numbers = _used(disk, path), segment_numbers(names)
    if not used or not numbers:
        disk.unlink(path)
        return
    # In this order: killed in between, whoever comes next finds the same records in it.
    descriptor = disk.open_fixed(path)
    try:
        disk.truncate(descriptor, used)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)
    disk.rename(path, folder / segment_name(numbers[-1] + 1))
    disk.sync_folder(folder)


def _used(disk: Disk, path: Path) -> int:
    """Return where the records end that wait in a file; 0 when none does."""
    heading = heading_of(disk.read(path, 0, LONGEST_HEADER))
    sizes = [] if heading is None else [record.end - record.start for record in _records(disk, path, heading)]
    return heading.size + sum(sizes) if heading is not None and sizes else 0


def waiting(disk: Disk, folder: Path) -> tuple[Heading, list[Record]] | None:
    """Return what waits in a gateway's file now, also while it runs; None when there is no file (yet)."""
    try:
        heading = heading_of(disk.read(folder / NAME, 0, LONGEST_HEADER))
        return None if heading is None else (heading, list(_records(disk, folder / NAME, heading)))
    except FileNotFoundError:
        return None


def _records(disk: Disk, path: Path, heading: Heading) -> Iterator[Record]:
    """Yield the records of a file; older ones may lie behind them."""
    position, last = heading.size, 0
    while True:
        data, at = disk.read(path, position, _READ_BYTES), 0
        while isinstance(found := decode_at(data, at, heading.mark), Record) and found.sequence > last:
            at, last = found.end, found.sequence
            yield found
        position += at
        if not at:
            return
