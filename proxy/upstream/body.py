"""Request bodies that are fed from a file: large ones, written aside by the gateway as they arrived.

Edits (offset, bytes removed, text inserted) are cut in while reading, so that no copy is made. Reading a slice from
the page cache takes some tens of microseconds; it happens on the event loop, slice by slice, with back-pressure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from proxy.spool.bodies import unsealed
from proxy.spool.sealing import Seal

SLICE = 128 * 1024


class BodySource(Protocol):
    """A body of known length, read in slices; may be read again for another attempt."""

    @property
    def length(self) -> int:
        """Bytes that ``slices`` gives in all."""
        ...

    def slices(self) -> Iterator[bytes]:
        """Read from the start."""
        ...


class FileBody:
    """A file with edits cut in. ``size`` is the body's length in bytes; with a ``seal`` the file is sealed."""

    def __init__(
        self, path: str, size: int, edits: tuple[tuple[int, int, str], ...] = (), seal: Seal | None = None
    ) -> None:
        self._path = path
        self._size = size
        self._edits = edits
        self._seal = seal

    @property
    def length(self) -> int:
        """Bytes that will be sent."""
        return self._size + sum(len(text.encode()) - removed for _, removed, text in self._edits)

    def slices(self) -> Iterator[bytes]:
        """Read the file, with the edits in place."""
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            position = 0
            for offset, removed, text in self._edits:
                yield from self._read(descriptor, position, offset)
                yield text.encode()
                position = offset + removed
            yield from self._read(descriptor, position, self._size)
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, start: int, end: int) -> Iterator[bytes]:
        if self._seal is None:
            found = _slices(descriptor, start, end)
        else:
            found = unsealed(lambda at, size: os.pread(descriptor, size, at), self._seal, start, end)
        for data in found:
            start += len(data)
            yield data
        if start < end:
            raise OSError(f"the side file ends at {start} bytes, {end} were expected")


def _slices(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    while start < end and (data := os.pread(descriptor, min(SLICE, end - start), start)):
        start += len(data)
        yield data
