"""What an import reads: a file's lines, one after the other, whatever it is packed with and however large it is.

Never more than one line is in memory, and none longer than one of a call can be. Offsets are of what was unpacked; a
file that ends in the middle of what it was packed with is said to after its last line that came out whole.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from proxy.errors import UsageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_READ = 1024 * 1024
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UNPACKING = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; ``after`` is where the next one begins, ``data`` None for one that is too long."""

    number: int
    data: bytes | None
    after: int


class Source:
    """An open file of lines. ``broken`` says after the last line why there are no more of them than there are."""

    def __init__(self, file: IO[bytes], path: Path | None, longest: int) -> None:
        self._raw: Any = file
        self.path = path
        self._longest = longest
        self._unpacked: Any = _unpacked(self._raw)
        self.broken: str | None = None

    def __repr__(self) -> str:
        return f"<Source {self.path or 'standard input'}>"

    @property
    def mark(self) -> tuple[str, int, int] | None:
        """What tells this file from others, and from itself when it was changed; None of a pipe."""
        if self.path is None:
            return None
        found = os.fstat(self._raw.fileno())
        return os.path.realpath(self.path), found.st_size, found.st_mtime_ns

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes of the file that were read, and that there are; 0 where that is not known."""
        if self.path is None:
            return 0, 0
        return self._raw.tell(), os.fstat(self._raw.fileno()).st_size

    def lines(self, skipped: int = 0, number: int = 0) -> Iterator[Line]:
        """Yield lines behind so many bytes, which were ``number`` lines."""
        pending, at, is_passing = bytearray(), 0, False
        for data in self._pieces(skipped):
            at = at or skipped
            start = 0
            while (end := data.find(b"\n", start)) >= 0:
                pending += data[start:end]
                at += end + 1 - start
                start, number = end + 1, number + 1
                is_long = is_passing or len(pending) > self._longest
                yield Line(number, None if is_long else bytes(pending), at)
                pending, is_passing = bytearray(), False
            pending += data[start:]
            at += len(data) - start
            if len(pending) > self._longest:
                pending, is_passing = bytearray(), True
        if pending or is_passing:
            yield Line(number + 1, None if is_passing else bytes(pending), at)

    def _pieces(self, skipped: int) -> Iterator[bytes]:
        """Yield what was unpacked, without its first bytes."""
        if skipped and self._unpacked is self._raw:
            self._raw.seek(skipped)
            skipped = 0
        while True:
            try:
                data = self._unpacked.read1(_READ)
            except _UNPACKING as error:
                self.broken = "ends in the middle" if isinstance(error, EOFError) else "is damaged from here on"
                return
            if not data:
                return
            if skipped < len(data):
                yield data[skipped:]
            skipped = max(0, skipped - len(data))


@contextlib.contextmanager
def opened(path: Path, longest: int) -> Iterator[Source]:
    """Open a file, ``-`` for standard input; ``UsageError`` says why it cannot be read."""
    if str(path) == "-":
        yield Source(sys.stdin.buffer, None, longest)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield Source(file, path, longest)


def _unpacked(file: Any) -> Any:
    begins = file.peek(4)[:4]
    if begins.startswith(_GZIP):
        return gzip.open(file)
    return zstd.open(file) if begins == _ZSTD else file
