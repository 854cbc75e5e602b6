"""The loader's end of the spool: read records from a position, free what was committed.

A *source* is one gateway's folder. It is alive while its lock is held. Reading never waits and never changes files;
``settle`` makes the last segment of what a dead one left waiting (``ends``), before its end is read; ``acknowledge``
unlinks segments that lie wholly before a committed position. A bad record is reported as damage and
skipped; at the end of a dead source the torn rest is copied to ``quarantine`` first. Segments of a version that this
program does not know are listed and left alone, and so is whatever is not ours.

A record may come twice: after a failed sync it is written again (``rewriting``). Sequences only rise from file to file,
so whoever follows a source passes over what is not newer than the last. Sealed payloads are opened here; without their
key ``read`` raises ``SealedError`` and takes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from proxy.spool import ballast, bodies, ends, locks
from proxy.spool.disk import Disk, RealDisk, write_whole
from proxy.spool.framing import (
    LONGEST_HEADER,
    SEGMENT_HEADER,
    SEGMENT_VERSION,
    Damage,
    Heading,
    Record,
    RecordType,
    encode,
    heading_of,
    recovered_heading,
    scan,
    segment_header,
    version_of,
)
from proxy.spool.names import BODIES, LOCK, QUARANTINE, UNFINISHED, is_source, segment_name, segment_numbers
from proxy.spool.sealing import KeyRing, Seal, SealBrokenError

READ_BYTES = 1 << 20


class Position(NamedTuple):
    """A place between two records: segment number and byte offset in it."""

    segment: int = 0
    offset: int = 0


@dataclass(slots=True)
class Located:
    """A record and where it begins."""

    position: Position
    record: Record


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bytes that could not be read, as they were found."""

    position: Position
    reason: str
    data: bytes


@dataclass(slots=True)
class ReadBatch:
    """What one look gave; ``next`` is where to read on, ``is_at_end`` that nothing more is there now."""

    next: Position
    records: list[Located] = field(default_factory=list)
    damage: list[Damaged] = field(default_factory=list)
    is_at_end: bool = False


class Source:
    """One gateway's folder of segments."""

    def __init__(self, root: Path, name: str, disk: Disk, keys: KeyRing) -> None:
        self.name = name
        self._disk = disk
        self._root = root
        self.folder = root / name
        self._keys = keys
        self._headings: dict[int, Heading] = {}

    def __repr__(self) -> str:
        return f"<Source {self.name} segments={self.segments()}>"

    def segments(self) -> list[int]:
        """Return the numbers of the segments there, ascending."""
        return segment_numbers(self._disk.names(self.folder))

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
        seal, opened = self._keys.seal_of(found[0]), list[Record]()
        for record in found[1]:
            # What was changed by somebody is told where it comes in a segment.
            with contextlib.suppress(SealBrokenError):
                opened.append(_opened(record, seal))
        return [record for record in opened if record.type == RecordType.END]

    def read(self, position: Position, limit: int, *, is_final: bool, opens: bool = True) -> ReadBatch:
        """Read up to about ``limit`` bytes of records; ``is_final`` says that the source is dead.

        ``opens`` False leaves sealed payloads as they are, for whoever wants only to count.
        """
        batch = self._read(position, limit, is_final)
        if opens and any(self._headings[item.position.segment].is_sealed for item in batch.records):
            self._open(batch)
        return batch

    def _read(self, position: Position, limit: int, is_final: bool) -> ReadBatch:
        batch = ReadBatch(next=position)
        numbers = [number for number in self.segments() if number >= position.segment]
        for index, number in enumerate(numbers):
            start = position.offset if number == position.segment else SEGMENT_HEADER.size
            # Looked at before this segment is read to its end: once a later one holds records, it is sealed. A later
            # one, not the next: a full disk leaves segments behind that never took a record.
            later = numbers[index + 1 :]
            is_sealed = bool(later) and (is_final or any(map(self._has_records, later)))
            limit -= self._read_segment(batch, number, max(start, SEGMENT_HEADER.size), limit, is_sealed or is_final)
            if limit <= 0 or not is_sealed:
                batch.is_at_end = limit > 0
                return batch
            batch.next = Position(numbers[index + 1], SEGMENT_HEADER.size)
        batch.is_at_end = True
        return batch

    def _open(self, batch: ReadBatch) -> None:
        """Replace what is sealed by what it holds; what its own key does not open was changed by somebody."""
        found, batch.records = batch.records, []
        for item in found:
            seal = self._keys.seal_of(self._headings[item.position.segment])
            try:
                batch.records.append(Located(item.position, _opened(item.record, seal)))
            except SealBrokenError as error:
                batch.damage.append(Damaged(item.position, error.message, item.record.payload))

    def _read_segment(self, batch: ReadBatch, number: int, start: int, limit: int, is_final: bool) -> int:
        """Read one segment to its end or to the limit; return the bytes read."""
        path = self._path(number)
        heading = self._heading(batch, number)
        if heading is None:
            return 0
        start = max(start, heading.size)
        taken, want = 0, READ_BYTES
        while taken < limit:
            data = self._disk.read(path, start, want)
            is_whole = len(data) < want
            used = self._take(batch, number, start, data, heading.mark, is_final=is_final and is_whole)
            start, taken = start + used, taken + used
            batch.next = Position(number, start)
            if is_whole:
                self._set_aside_rest(batch, number, data[used:], is_final)
                return taken
            want = READ_BYTES if used else want * 4
        return taken

    def _take(self, batch: ReadBatch, number: int, start: int, data: bytes, mark: bytes, *, is_final: bool) -> int:
        used = 0
        for found in scan(data, mark=mark, is_final=is_final):
            place = Position(number, start + found.start)
            if isinstance(found, Damage):
                batch.damage.append(Damaged(place, found.reason, data[found.start : found.end]))
            else:
                batch.records.append(Located(place, found))
            used = found.end
        return used

    def _set_aside_rest(self, batch: ReadBatch, number: int, rest: bytes, is_final: bool) -> None:
        """Report the torn end of a segment that nobody writes any more, and step over it."""
        if rest and is_final:
            batch.damage.append(Damaged(batch.next, "the segment ends in the middle of a record", rest))
            batch.next = Position(number, batch.next.offset + len(rest))

    def _heading(self, batch: ReadBatch, number: int) -> Heading | None:
        """Return a segment's heading, None when it cannot be read (yet)."""
        if number in self._headings:
            return self._headings[number]
        head = self._disk.read(self._path(number), 0, LONGEST_HEADER)
        heading, damage = self._judge(number, head)
        if heading is not None:
            self._headings[number] = heading
        if damage is not None:
            batch.damage.append(Damaged(Position(number, 0), damage, b""))
        return heading

    def _judge(self, number: int, head: bytes) -> tuple[Heading | None, str | None]:
        """Return the heading that a segment's beginning gives, and what is wrong with it."""
        heading = heading_of(head)
        begins_alike = heading is not None and head[SEGMENT_HEADER.size :].startswith(heading.mark)
        if heading is not None and (heading.is_sealed or begins_alike or len(head) == SEGMENT_HEADER.size):
            return heading, None
        recovered = recovered_heading(self._disk.read(self._path(number), 0, READ_BYTES))
        if recovered is not None:
            return recovered, "the header of the segment is damaged; its records are not"
        if heading is not None or len(head) < SEGMENT_HEADER.size:
            return heading, None
        if (version_of(head) or 0) > SEGMENT_VERSION:
            return None, "the segment is of an unknown version; left alone"
        return None, "the file does not begin as a segment; left alone"

    def _has_records(self, number: int) -> bool:
        size = self._disk.size(self._path(number))
        if size <= SEGMENT_HEADER.size:
            return False
        heading = self._headings.get(number) or heading_of(self._disk.read(self._path(number), 0, LONGEST_HEADER))
        # A sealed one's heading is longer, and a writer's spare has nothing but that.
        return size > (SEGMENT_HEADER.size if heading is None else heading.size)

    def _path(self, number: int) -> Path:
        return self.folder / segment_name(number)

    def acknowledge(self, position: Position) -> int:
        """Unlink segments wholly before a committed position; return how many. Needs no space."""
        freed = 0
        for number in self.segments():
            if number < position.segment and self._is_known(number):
                self._disk.unlink(self._path(number))
                self._headings.pop(number, None)
                freed += 1
        return freed

    def _is_known(self, number: int) -> bool:
        if number in self._headings:
            return True
        return self._judge(number, self._disk.read(self._path(number), 0, LONGEST_HEADER))[0] is not None

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


def _opened(record: Record, seal: Seal | None) -> Record:
    if seal is None:
        return record
    return replace(record, payload=seal.open(record.type, record.identity, record.sequence, record.payload))


class SpoolReader:
    """All sources below one spool folder, or several."""

    def __init__(
        self, root: Path, disk: Disk | None = None, *, others: Sequence[Path] = (), keys: KeyRing | None = None
    ) -> None:
        self._roots = (root, *others)
        self._disk = disk or RealDisk()
        self._keys = keys or KeyRing()

    def names(self) -> list[str]:
        """Return the sources' names, sorted; a folder without a segment is none (yet): its writer locks it first.

        What is not called like one is not ours: a file manager's notes, the ``lost+found`` of a volume.
        """
        found = [(root, name) for root in self._roots for name in self._disk.names(root) if is_source(name)]
        return sorted(name for root, name in found if self._has_segments(root, name))

    def _has_segments(self, root: Path, name: str) -> bool:
        try:
            return bool(segment_numbers(self._disk.names(root / name)))
        except NotADirectoryError:
            return False
        except OSError:
            # Whoever reads it learns why, without holding the other sources up.
            return True

    def source(self, name: str) -> Source:
        """Return one source."""
        root = next((root for root in self._roots[1:] if name in self._disk.names(root)), self._roots[0])
        return Source(root, name, self._disk, self._keys)
