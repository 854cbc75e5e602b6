"""Reading the segments of one gateway's folder, from a position on; nothing waits here, and no file is changed.

A bad record is reported as damage and skipped, the torn rest of a segment that nobody writes any more stepped over.
Segments of a version that this program does not know are told of and left alone, and so is whatever is not ours. Sealed
payloads are opened; without their key ``read`` raises ``SealedError`` and takes nothing.

A record may come twice: after a failed sync it is written again (``rewriting``). Sequences only rise from file to file,
so whoever follows a source passes over what is not newer than the last.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from proxy.spool.batches import Damaged, Located, Position, ReadBatch
from proxy.spool.disk import Disk
from proxy.spool.framing import (
    LONGEST_HEADER,
    SEGMENT_HEADER,
    SEGMENT_VERSION,
    Damage,
    Heading,
    Record,
    heading_of,
    recovered_heading,
    scan,
    version_of,
)
from proxy.spool.names import segment_name, segment_numbers
from proxy.spool.sealing import KeyRing, Seal, SealBrokenError

_READ_BYTES = 1 << 20


class SegmentReader:
    """The segments of one folder."""

    def __init__(self, folder: Path, disk: Disk, keys: KeyRing) -> None:
        self.folder = folder
        self._disk = disk
        self._keys = keys
        self._headings: dict[int, Heading] = {}

    def segments(self) -> list[int]:
        """Return the numbers of the segments there, ascending."""
        return segment_numbers(self._disk.names(self.folder))

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
                batch.records.append(Located(item.position, opened(item.record, seal)))
            except SealBrokenError as error:
                batch.damage.append(Damaged(item.position, error.message, item.record.payload))

    def _read_segment(self, batch: ReadBatch, number: int, start: int, limit: int, is_final: bool) -> int:
        """Read one segment to its end or to the limit; return the bytes read."""
        path = self._path(number)
        heading = self._heading(batch, number)
        if heading is None:
            return 0
        start = max(start, heading.size)
        taken, want = 0, _READ_BYTES
        while taken < limit:
            data = self._disk.read(path, start, want)
            is_whole = len(data) < want
            used = self._take(batch, number, start, data, heading.mark, is_final=is_final and is_whole)
            start, taken = start + used, taken + used
            batch.next = Position(number, start)
            if is_whole:
                self._set_aside_rest(batch, number, data[used:], is_final)
                return taken
            want = _READ_BYTES if used else want * 4
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
        recovered = recovered_heading(self._disk.read(self._path(number), 0, _READ_BYTES))
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

    def _is_known(self, number: int) -> bool:
        if number in self._headings:
            return True
        return self._judge(number, self._disk.read(self._path(number), 0, LONGEST_HEADER))[0] is not None


def opened(record: Record, seal: Seal | None) -> Record:
    """Return a record with its payload in plain; ``SealBrokenError`` where somebody has changed it."""
    if seal is None:
        return record
    return replace(record, payload=seal.open(record.type, record.identity, record.sequence, record.payload))
