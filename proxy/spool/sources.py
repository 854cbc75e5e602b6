"""A source: one gateway's folder, from its lock to its removal, with the side files beside its segments.

It is alive while its lock is held. ``settle`` makes the last segment of what a dead one left waiting (``ends``), before
its end is read; ``acknowledge`` unlinks segments that lie wholly before a committed position. What cannot be read is
copied to ``quarantine`` before it goes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from proxy.spool import ballast, bodies, ends, locks
from proxy.spool.batches import Damaged, Position
from proxy.spool.disk import Disk, write_whole
from proxy.spool.framing import (
    LONGEST_HEADER,
    SEGMENT_HEADER,
    Record,
    RecordType,
    encode,
    heading_of,
    segment_header,
)
from proxy.spool.names import BODIES, LOCK, QUARANTINE, UNFINISHED
from proxy.spool.sealing import KeyRing, SealBrokenError
from proxy.spool.segment_reader import SegmentReader, opened


class Source(SegmentReader):
    """One gateway's folder of segments."""

    def __init__(self, root: Path, name: str, disk: Disk, keys: KeyRing) -> None:
        super().__init__(root / name, disk, keys)
        self.name = name
        self._root = root

    def __repr__(self) -> str:
        return f"<Source {self.name} segments={self.segments()}>"

    def is_alive(self) -> bool:
        """True while a writer holds the folder."""
        return locks.is_held(self._disk, self.folder)

    def settle(self) -> bool:
        """Make a segment of what a dead writer left waiting; False when another process is at it."""
        return ends.settle(self._disk, self.folder)

    def waiting(self) -> list[Record]:
        """Return the ENDs that a writer keeps until the disk takes them; they come in a segment, too, in the end."""
        found = ends.waiting(self._disk, self.folder)
        if found is None:
            return []
        seal, plain = self._keys.seal_of(found[0]), list[Record]()
        for record in found[1]:
            # What was changed by somebody is told where it comes in a segment.
            with contextlib.suppress(SealBrokenError):
                plain.append(opened(record, seal))
        return [record for record in plain if record.type == RecordType.END]

    def acknowledge(self, position: Position) -> int:
        """Unlink segments wholly before a committed position; return how many. Needs no space."""
        freed = 0
        for number in self.segments():
            if number < position.segment and self._is_known(number):
                self._disk.unlink(self._path(number))
                self._headings.pop(number, None)
                freed += 1
        return freed

    def size_after(self, position: Position) -> int:
        """Return how many bytes lie after a position, 0 when that cannot be seen."""
        try:
            sizes = [self._disk.size(self._path(number)) for number in self.segments() if number >= position.segment]
        except OSError:
            return 0
        return max(0, sum(sizes) - position.offset)

    def body(self, name: str, limit: int, key: str | None = None) -> bytes | None:
        """Return up to ``limit`` bytes of a side file; None when it is gone. ``key`` (hex): its own one opens it."""
        try:
            return b"".join(self._body(name, limit, limit, key))
        except FileNotFoundError:
            return None

    def body_slices(self, name: str, size: int, key: str | None = None) -> Iterator[bytes]:
        """Yield a side file whole, in slices; nothing when it is gone."""
        with contextlib.suppress(FileNotFoundError):
            yield from self._body(name, 1 << 62, size, key)

    def _body(self, name: str, limit: int, size: int, key: str | None) -> Iterator[bytes]:
        path = self.folder / BODIES / name
        if name.endswith(bodies.SEALED):
            heading = heading_of(self._disk.read(path, 0, LONGEST_HEADER))
            keys = self._keys if key is None else KeyRing([bytes.fromhex(key)])
            seal = None if heading is None else keys.seal_of(heading)
            if seal is None:
                raise SealBrokenError("the beginning of a sealed side file is damaged")
            yield from bodies.unsealed(lambda at, length: self._disk.read(path, at, length), seal, 0, limit)
            return
        position = 0
        while position < limit and (data := self._disk.read(path, position, min(size, limit - position))):
            position += len(data)
            yield data

    def bodies(self) -> list[str]:
        """Return the names of the side files, those of calls that are still arriving among them."""
        return self._disk.names(self.folder / BODIES)

    def free_body(self, name: str) -> None:
        """Remove a side file whose call is committed."""
        self._disk.unlink(self.folder / BODIES / name)

    def as_it_lay(self, position: Position, record: Record) -> bytes:
        """Return a record that was read here as bytes to be kept; a sealed one sealed, behind what names its key."""
        heading = self._headings[position.segment]
        seal, mark = self._keys.seal_of(heading), heading.mark
        if seal is None:
            return encode(record.type, record.identity, record.sequence, record.payload)
        # The same bytes under the same nonce give what lay there.
        payload = seal.seal(record.type, record.identity, record.sequence, record.payload)
        kept = encode(record.type, record.identity, record.sequence, payload, mark)
        return segment_header(mark, heading.key_id, heading.salt) + kept

    def quarantine(self, damaged: Damaged) -> str:
        """Keep unreadable bytes for a person, whole and on the disk; return the file's name."""
        folder = self._root / QUARANTINE
        self._disk.make_folder(folder)
        name = f"{self.name}-{damaged.position.segment:08d}-{damaged.position.offset}.bin"
        if name not in self._disk.names(folder):
            write_whole(self._disk, folder / name, (damaged.data,))
        return name

    def remove(self) -> bool:
        """Remove a dead source that was read to its end; False when something unknown is left in it."""
        for number in self.segments():
            if self._is_known(number) or self._disk.size(self._path(number)) < SEGMENT_HEADER.size:
                self._disk.unlink(self._path(number))
        if self.segments():
            return False
        aside = self.folder / BODIES
        for name in self._disk.names(aside):
            self._disk.unlink(aside / name)
        for name in self._disk.names(self.folder):
            if name in (LOCK, ballast.NAME, ends.NAME) or name.endswith(UNFINISHED):
                self._disk.unlink(self.folder / name)
        try:
            self._disk.remove_folder(aside)
            self._disk.remove_folder(self.folder)
        except OSError:
            # Not empty: somebody keeps a file of his own here, which is his.
            return False
        return True
