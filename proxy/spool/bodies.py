"""Request bodies too large for a record: written aside in slices as they arrive, hashed on the way.

The file is whole before the START that refers to it is appended. After a slice that could not be written the first
``length`` bytes are still right and may be read back, what follows them is torn: the file can only be discarded.
"""

from __future__ import annotations

import hashlib
from collections import deque
from pathlib import Path

from proxy.errors import SpoolError
from proxy.spool.disk import Disk


class SideFile:
    """One body being written; end it with ``finish`` or ``discard``. ``unsynced`` takes what is to be synced."""

    def __init__(self, disk: Disk, path: Path, unsynced: deque[tuple[int, Path]]) -> None:
        self._disk = disk
        self._unsynced = unsynced
        self._sha256 = hashlib.sha256()
        self._length = 0
        self.path = path
        try:
            self._descriptor = disk.create(path)
        except OSError as error:
            raise SpoolError(f"a large request body cannot be written aside: {error.strerror}") from error

    @property
    def length(self) -> int:
        """Bytes written whole so far."""
        return self._length

    def write(self, data: bytes) -> None:
        """Append a slice; ``SpoolError`` when the disk refuses it."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._disk.append(self._descriptor, bytes(view)) :]
        except OSError as error:
            raise SpoolError(f"a large request body cannot be written aside: {error.strerror}") from error
        self._sha256.update(data)
        self._length += len(data)

    def finish(self) -> tuple[str, str, int]:
        """Leave the file to the syncing thread; return its name, SHA-256 (hex) and length in bytes."""
        self._unsynced.append((self._descriptor, self.path))
        return self.path.name, self._sha256.hexdigest(), self._length

    def discard(self) -> None:
        """Close and remove the file."""
        self._disk.close(self._descriptor)
        self._disk.unlink(self.path)
