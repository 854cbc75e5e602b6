"""What an import reads: a file's lines, one after the other, whatever it is packed with and however large it is.

Members of a JSON list, rows of Parquet and statements of SQL are lines to whoever reads. Never more than one is in
memory, and none longer than one of a call can be. Offsets are of what was unpacked; a file that ends in the middle of
what it was packed with is said to after its last line that came out whole.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import orjson

from proxy.cli.import_line import Line
from proxy.cli.import_list import Cutter
from proxy.errors import UsageError
from proxy.forms.parquet import rows_in, rows_of
from proxy.forms.sql import is_statement

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_READ = 1024 * 1024
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PARQUET = b"PAR1"
_LOOKED_AT = 64
_BOM = b"\xef\xbb\xbf"
_WHOLE = "export the calls with --content --format jsonl instead"
_OTHERS = (
    (b"SQLite format 3\x00", "is a SQLite database", "if it is a record of Dashcam's: dashcam db copy"),
    (b"id,", "is a CSV file, which has not all of a call", _WHOLE),
    (b'{"messages":', "is a file for fine-tuning, which has not all of a call", _WHOLE),
)
_UNPACKING = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)


class Source:
    """An open file of lines. ``broken`` says after the last line why there are no more of them than there are."""

    unit = "line"
    """What a line is called in what is told of it."""

    def __init__(self, file: IO[bytes], path: Path | None, longest: int) -> None:
        self._raw: Any = file
        self.path = path
        self._longest = longest
        self._unpacked: Any = _unpacked(self._raw)
        self.broken: str | None = None
        begins = self._beginning().removeprefix(_BOM).lstrip()
        self._is_list = begins.startswith(b"[")
        self.unit = "call" if self._is_list else self.unit
        self._check_kind(begins)

    def __repr__(self) -> str:
        return f"<Source {self.path or 'standard input'}>"

    def units(self, count: int) -> str:
        """Return so many lines in words."""
        return f"{count:,} {self.unit}{'' if count == 1 else 's'}"

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

    def records(self, skipped: int = 0, number: int = 0) -> Iterator[Line]:
        """Yield what may be calls, behind so many bytes, which were ``number`` lines."""
        if self._is_list:
            return self._members(skipped, number)
        return records_of(self._lines(skipped, number), self._longest)

    def _members(self, skipped: int, number: int) -> Iterator[Line]:
        cutter = Cutter(self._longest, skipped, number)
        for data in self._pieces(skipped):
            yield from cutter.cut(data)
        yield from cutter.rest()
        self.broken = self.broken or cutter.broken

    def _beginning(self) -> bytes:
        """Return how the file begins, unpacked; nothing where that is damaged, which is told when it is read."""
        try:
            return bytes(self._unpacked.peek(_LOOKED_AT)[:_LOOKED_AT])
        except _UNPACKING:
            return b""

    def _check_kind(self, begins: bytes) -> None:
        """Raise ``UsageError`` for what is not read line by line, with what else can be done."""
        for magic, what, hint in _OTHERS:
            if begins.startswith(magic):
                raise UsageError(f"{self.path or 'standard input'} cannot be imported: it {what}", hint=hint)

    def _lines(self, skipped: int, number: int) -> Iterator[Line]:
        pending, at, is_passing = bytearray(), 0, False
        for data in self._pieces(skipped):
            at = at or skipped
            start = 0
            while (end := data.find(b"\n", start)) >= 0:
                pending += data[start:end]
                at += end + 1 - start
                start, number = end + 1, number + 1
                is_long = is_passing or len(pending) > self._longest
                yield Line(number, None if is_long else _plain(pending, number), at, number)
                pending, is_passing = bytearray(), False
            pending += data[start:]
            at += len(data) - start
            if len(pending) > self._longest:
                pending, is_passing = bytearray(), True
        if pending or is_passing:
            yield Line(number + 1, None if is_passing else _plain(pending, number + 1), at, number + 1)

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


class ParquetSource(Source):
    """A file of Parquet: each row as the line that it would be, and rows instead of bytes."""

    unit = "row"

    def __init__(self, file: IO[bytes], path: Path, longest: int) -> None:
        super().__init__(file, path, longest)
        self._rows_of = path
        self._all, self._done = rows_of(path), 0

    @property
    def progress(self) -> tuple[int, int]:
        """Rows that were read, and that there are."""
        return self._done, self._all

    def records(self, skipped: int = 0, number: int = 0) -> Iterator[Line]:
        """Yield calls behind so many."""
        for at, row in enumerate(rows_in(self._rows_of), start=1):
            self._done = at
            if at > skipped:
                yield Line(at, _json(row), at, at)


def _json(row: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(row)
    except TypeError:
        # Not as we write it: then it is no call.
        return b"null"


@contextlib.contextmanager
def opened(path: Path, longest: int) -> Iterator[Source]:
    """Open a file, ``-`` for standard input; ``UsageError`` says why it cannot be read."""
    if str(path) == "-":
        yield Source(sys.stdin.buffer, None, longest)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        hint = "a folder is read that an export of Parquet has made" if path.is_dir() else None
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    with file:
        is_parquet = file.peek(len(_PARQUET)).startswith(_PARQUET)
        yield ParquetSource(file, path, longest) if is_parquet else Source(file, path, longest)


def _plain(line: bytearray, number: int) -> bytes:
    """Return a line without what some editors put before the first one."""
    return bytes(line.removeprefix(_BOM)) if number == 1 else bytes(line)


def records_of(lines: Iterator[Line], longest: int) -> Iterator[Line]:
    """Yield lines, those of a statement of SQL as one."""
    statement: _Statement | None = None
    for line in lines:
        if statement is None and (line.data is None or not is_statement(line.data)):
            yield line
            continue
        statement = statement or _Statement(line.number, longest)
        statement.add(line)
        if statement.is_whole:
            yield statement.joined()
            statement = None
    if statement is not None:
        yield statement.joined()


class _Statement:
    """Lines up to the one that ends outside of a text; of one that is too long nothing is kept."""

    def __init__(self, number: int, longest: int) -> None:
        self._number = number
        self._longest = longest
        self._parts: list[bytes] | None = []
        self._size = 0
        self._is_comment = self._is_in_text = self.is_whole = False
        self._last: Line

    def add(self, line: Line) -> None:
        data = line.data or b""
        self._is_comment = self._is_comment or (self._size == 0 and data.startswith(b"--"))
        self._last, self._size = line, self._size + len(data) + 1
        if self._size > self._longest or line.data is None:
            self._parts = None
        if self._parts is not None:
            self._parts.append(data)
        self._is_in_text ^= data.count(b"'") % 2 == 1
        self.is_whole = self._is_comment or (not self._is_in_text and data.rstrip().endswith(b";"))

    def joined(self) -> Line:
        """Return all of them as one."""
        data = None if self._parts is None else b"\n".join(self._parts)
        return Line(self._number, data, self._last.after, self._last.number)


def _unpacked(file: Any) -> Any:
    begins = file.peek(4)[:4]
    if begins.startswith(_GZIP):
        return gzip.open(file)
    return zstd.open(file) if begins == _ZSTD else file
