"""What a failed sync put at risk is written again, into a new file.

After a failed sync the kernel may call pages clean that never reached the disk; a second sync of the file would lie.
So such a file is never synced again. The writer leaves it, and once it has, the rest of it beyond the last good sync is
written to a file of its own, which is synced before it takes its name: the even number behind the segment's odd one.
In mode ``power`` it comes from memory, else (and where it was too much for that) it is read back from the page cache,
which copy-on-write file systems may have emptied. In order of names the records still lie in order of their sequence;
those that are in both are met twice, and whoever reads them passes over the second. Tried again with growing pauses for
as long as it takes, or until the loader has stored and freed the segment.

Side files are read back too. What the page cache no longer has cannot be written again: the file then stays in the
list, and the page degraded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from proxy.spool.disk import Disk, write_whole
from proxy.spool.framing import Record, scan
from proxy.spool.names import segment_name
from proxy.spool.segments import Segment

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_SLICE = 1 << 20
_MOST_HELD = 64 << 20
"""Of all files at risk together no more than this is kept in memory."""


class Rewriting:
    """The files at risk; for the syncing thread alone."""

    def __init__(self, disk: Disk, folder: Path, header: bytes, mark: bytes) -> None:
        self._disk = disk
        self._header, self._mark = header, mark
        self._folder = folder
        self._segments: list[Segment] = []
        self._lost: list[Path] = []
        self._bodies: list[Path] = []
        self._again_at = 0.0
        self._pause = _FIRST_PAUSE
        self.rewritten_bytes = 0
        self.is_failing = False

    def __repr__(self) -> str:
        return f"<Rewriting segments={self._segments} bodies={len(self._bodies)}>"

    @property
    def has_work(self) -> bool:
        """True while something that was appended may not be on the disk."""
        return bool(self._segments or self._bodies or self._lost)

    def add_segment(self, segment: Segment) -> None:
        """The sync of this segment failed."""
        held = sum(item.size - item.synced for item in (*self._segments, segment) if not item.has_gap)
        if held > _MOST_HELD:
            segment.forget_unsynced()
        self._segments.append(segment)

    def add_body(self, path: Path) -> None:
        """The sync of this side file failed."""
        self._bodies.append(path)

    def round(self, current: Segment | None, now: float) -> None:
        """Write again what is no longer in use: ``current`` is."""
        if not self.has_work or now < self._again_at:
            return
        try:
            self._segments = [item for item in self._segments if item is current or not self._is_safe(item)]
            self._bodies = [path for path in self._bodies if not self._is_body_safe(path)]
            self._lost = [path for path in self._lost if self._is_there(path)]
        except OSError:
            self.is_failing = True
            self._again_at, self._pause = now + self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        else:
            self.is_failing, self._pause = False, _FIRST_PAUSE

    def _is_safe(self, segment: Segment) -> bool:
        """Bring one segment's rest to the disk; True when that is done, or nothing more can be done."""
        try:
            saved = self._save(segment)
        except FileNotFoundError:
            # Stored, committed and freed by the loader.
            return True
        if saved < segment.size - segment.synced:
            self._lost.append(segment.path)
        return True

    def _save(self, segment: Segment) -> int:
        """Write the records at risk to the file behind; return how many bytes of them could be read."""
        # Freed by the loader: it need not be written.
        self._disk.size(segment.path)
        records = self._read_back(segment) if segment.has_gap else iter((b"".join(segment.unsynced),))
        first = next(records, b"")
        if not first:
            return 0
        path = self._folder / segment_name(segment.number + 1)
        return self._replace(path, chain((self._header, first), records)) - len(self._header)

    def _read_back(self, segment: Segment) -> Iterator[bytes]:
        """Yield the whole records beyond the last good sync, in slices."""
        position, rest = segment.synced, b""
        while position < segment.size:
            data = self._disk.read(segment.path, position, min(_SLICE, segment.size - position))
            position = position + len(data) if data else segment.size
            rest += data
            found = list(scan(rest, mark=self._mark, is_final=position >= segment.size))
            if whole := b"".join(rest[item.start : item.end] for item in found if isinstance(item, Record)):
                yield whole
            rest = rest[found[-1].end :] if found else rest

    def _is_there(self, path: Path) -> bool:
        return path.name in self._disk.names(self._folder)

    def _is_body_safe(self, path: Path) -> bool:
        try:
            self._replace(path, self._slices(path))
        except FileNotFoundError:
            return True
        return True

    def _slices(self, path: Path) -> Iterator[bytes]:
        position = 0
        while data := self._disk.read(path, position, _SLICE):
            position += len(data)
            yield data

    def _replace(self, path: Path, parts: Iterable[bytes]) -> int:
        """Write a file whole and synced before it bears its name; return its size."""
        size = write_whole(self._disk, path, parts)
        self.rewritten_bytes += size
        return size
