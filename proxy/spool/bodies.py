"""Request bodies too large for a record: written aside in slices as they arrive, hashed on the way.

The file is whole before the START that refers to it is appended; the syncing thread brings it to the disk. After a
slice that could not be written the first ``length`` bytes are still right and may be read back, what follows them is
torn: the file can only be discarded.

Where the spool is sealed, so are these files, in frames: a header as a sealed segment has, with a salt of its own, then
frames of 64 kB of the body, each sealed with its number. Their names end in ``.sealed``, which no client can choose.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from proxy.errors import SpoolError
from proxy.sealing import TAG_BYTES
from proxy.spool.ceilings import Room
from proxy.spool.disk import Disk
from proxy.spool.framing import LONGEST_HEADER, MARK, segment_header
from proxy.spool.sealing import Seal

SEALED = ".sealed"
FRAME_BYTES = 64 * 1024
_BODY = 0xFF
_NOBODY = bytes(16)


class SideFile:
    """One body being written; end it with ``finish`` or ``discard``. ``unsynced`` takes what is to be synced.

    ``room`` is what all of them may take.
    """

    def __init__(
        self,
        disk: Disk,
        path: Path,
        unsynced: deque[tuple[int, Path]],
        master_key: bytes | None = None,
        room: Room | None = None,
    ) -> None:
        self._disk = disk
        self._room = room
        self._unsynced = unsynced
        self._sha256 = hashlib.sha256()
        self._length = self._frames = 0
        self._pending = b""
        self.seal = None if master_key is None else Seal(master_key)
        self.path = path if self.seal is None else path.with_name(path.name + SEALED)
        try:
            self._descriptor = disk.create(self.path)
            if self.seal is not None:
                self._append(segment_header(MARK, self.seal.key_id, self.seal.salt))
        except OSError as error:
            raise SpoolError(f"a large request body cannot be written aside: {error.strerror}") from error

    @property
    def length(self) -> int:
        """Bytes taken whole so far."""
        return self._length

    def write(self, data: bytes) -> None:
        """Append a slice; ``SpoolError`` when the disk refuses it, or there is no room."""
        if self._room is not None:
            self._room.take(len(data))
        try:
            if self.seal is None:
                self._append(data)
            else:
                self._append_frames(data)
        except OSError as error:
            raise SpoolError(f"a large request body cannot be written aside: {error.strerror}") from error
        self._sha256.update(data)
        self._length += len(data)

    def _append_frames(self, data: bytes) -> None:
        whole = self._pending + data
        self._pending = whole
        position = 0
        while len(whole) - position >= FRAME_BYTES:
            self._append_frame(whole[position : position + FRAME_BYTES])
            position += FRAME_BYTES
            self._pending = whole[position:]

    def _append_frame(self, data: bytes) -> None:
        assert self.seal is not None
        self._append(self.seal.seal(_BODY, _NOBODY, self._frames, data))
        self._frames += 1

    def _append(self, data: bytes) -> None:
        taken = self._disk.append(self._descriptor, data)
        while taken < len(data):
            taken += self._disk.append(self._descriptor, data[taken:])

    def read_back(self) -> bytes:
        """Return what was taken whole, also when the last slice was not."""
        if self.seal is None:
            return self._disk.read(self.path, 0, self._length)
        kept = self._frames * FRAME_BYTES
        found = unsealed(lambda at, size: self._disk.read(self.path, at, size), self.seal, 0, min(kept, self._length))
        return (b"".join(found) + self._pending)[: self._length]

    def finish(self) -> tuple[str, str, int]:
        """Leave the file to the syncing thread; return its name, SHA-256 (hex) and length in bytes.

        ``SpoolError`` when the disk refuses the last frame of a sealed one.
        """
        if self._pending:
            try:
                self._append_frame(self._pending)
            except OSError as error:
                raise SpoolError(f"a large request body cannot be written aside: {error.strerror}") from error
        self._unsynced.append((self._descriptor, self.path))
        return self.path.name, self._sha256.hexdigest(), self._length

    def discard(self) -> None:
        """Close and remove the file."""
        self._disk.close(self._descriptor)
        self._disk.unlink(self.path)


def unsealed(read: Callable[[int, int], bytes], seal: Seal, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a sealed body between two offsets; ``read`` takes offset and size in the file.

    Ends early where the file does; ``SealBrokenError`` when somebody changed it.
    """
    index = start // FRAME_BYTES
    while start < end:
        sealed = read(LONGEST_HEADER + index * (FRAME_BYTES + TAG_BYTES), FRAME_BYTES + TAG_BYTES)
        if not sealed:
            return
        first = index * FRAME_BYTES
        data = seal.open(_BODY, _NOBODY, index, sealed)[start - first : end - first]
        if not data:
            return
        yield data
        start, index = start + len(data), index + 1
