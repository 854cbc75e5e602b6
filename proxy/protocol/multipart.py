"""Forms (``multipart/form-data``) out of bytes: fields by name, and of each file its name, type, size and hash.

What is in a file is not looked at. ``Reducer`` is fed the body in slices and keeps little of it: the fields, and in the
place of a file's content a note of its size and SHA-256. What it returns is again a form with the same boundary, and
reducing that changes nothing. List fields come as the clients write them, ``name[]`` several times.

``peek`` finds the model near either end of a body for the gateway, which has no time for more. Nothing here raises.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

MAX_FIELD = 1024 * 1024
"""Of a longer field the beginning is kept."""
MAX_PARTS = 1000
_MAX_HEAD = 16 * 1024
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name="?([^";\r\n]{0,200})"?', re.IGNORECASE)
_FILENAME = re.compile(rb'[;\s]filename\*?=("[^"\r\n]{0,500}|[^";\r\n]{0,500})', re.IGNORECASE)
_TYPE = re.compile(rb"^content-type:[ \t]*([^\r\n]{0,200})", re.IGNORECASE | re.MULTILINE)
_NOTE = re.compile(rb"\(a file of (\d{1,15}) bytes, SHA-256 ([0-9a-f]{64})\)\Z")
_NOTE_LENGTH = 200
_SLICE = 256 * 1024
_PEEKED = re.compile(
    rb'(?:\r\n[^\r\n]{1,300}){0,8}?\r\ncontent-disposition:[^\r\n]{0,300}[;\s]name="?(model|stream)"?'
    rb"(?:\r\n[^\r\n]{1,300}){0,8}\r\n\r\n([^\r\n]{1,256})\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a form; ``name`` is the field's, ``filename`` what the client calls it."""

    name: str
    filename: str
    media_type: str | None
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A field and the place of its value in the bytes that were looked at."""

    name: str
    value: str
    at: int
    length: int


@dataclass(slots=True)
class Form:
    """What a form holds, in its order. ``is_whole``: its closing boundary came."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[FilePart] = field(default_factory=list)
    is_whole: bool = False

    def values(self) -> dict[str, object]:
        """Return the fields by name; of a name that comes more than once, or ends in ``[]``, a list."""
        found: dict[str, list[str]] = {}
        for name, value in self.fields:
            found.setdefault(name, []).append(value)
        return {
            name.removesuffix("[]"): said if len(said) > 1 or name.endswith("[]") else said[0]
            for name, said in found.items()
        }


@dataclass(slots=True)
class _Part:
    """The part that is being read; what is kept of it is the beginning of a field, and of a file what may be a note."""

    head: bytes
    name: str
    filename: str | None
    kept: bytearray = field(default_factory=bytearray)
    size: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        self.size += len(data)
        limit = MAX_FIELD if self.filename is None else _NOTE_LENGTH
        self.kept += data[: max(0, limit - len(self.kept))]
        if self.filename is not None:
            self.digest.update(data)


def boundary_of(content_type: str | None) -> bytes | None:
    """Return the boundary of a form, or None when a ``Content-Type`` names none."""
    if content_type is None or not content_type.lstrip().lower().startswith("multipart/form-data"):
        return None
    found = _BOUNDARY.search(content_type)
    return (found[1] or found[2]).encode("utf-8", "replace") if found else None


class Reducer:
    """Feed slices of a body; ``finish`` tells what the form holds and returns it without its files."""

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary
        self._mark = b"\r\n--" + boundary
        self._rest = b"\r\n"
        self._part: _Part | None = None
        self._is_before = True
        self._in_head = False
        self._is_over = False
        self._kept: list[bytes] = []
        self.form = Form()

    def feed(self, data: bytes) -> None:
        """Take the next slice."""
        self._rest += data
        while self._rest and not self._is_over and self._step():
            pass
        if self._is_over:
            self._rest = b""

    def finish(self) -> bytes:
        """Return the form without the contents of its files; a part that was cut off is in it as far as it came."""
        if self._part is not None:
            self._part.add(self._rest)
            self._end_part()
        if self.form.is_whole:
            self._kept.append(b"--" + self._boundary + b"--\r\n")
        return b"".join(self._kept)

    def _step(self) -> bool:
        """Read on by one mark or one head; False when more is needed."""
        return self._read_head() if self._in_head else self._read_content()

    def _read_content(self) -> bool:
        at = self._rest.find(self._mark)
        if at < 0:
            # The mark may come in two slices.
            ready = max(0, len(self._rest) - len(self._mark) + 1)
            self._take(self._rest[:ready])
            self._rest = self._rest[ready:]
            return False
        line_end = self._rest.find(b"\r\n", at + len(self._mark))
        behind = self._rest[at + len(self._mark) :]
        if not behind.startswith(b"--") and line_end < 0:
            self._take(self._rest[:at])
            self._rest = self._rest[at:]
            self._is_over = len(self._rest) > _MAX_HEAD
            return False
        self._take(self._rest[:at])
        self._end_part()
        if behind.startswith(b"--"):
            self.form.is_whole = self._is_over = True
            return False
        self._rest = self._rest[line_end + 2 :]
        self._in_head = True
        return True

    def _read_head(self) -> bool:
        # A part without headers begins with the empty line itself.
        lines, empty_line, rest = (b"\r\n" + self._rest).partition(b"\r\n\r\n")
        if not empty_line or len(lines) > _MAX_HEAD:
            self._is_over = len(self._rest) > _MAX_HEAD
            return False
        head, self._rest = (lines + b"\r\n")[2:], rest
        name, filename = _NAME.search(head), _FILENAME.search(head)
        self._part = _Part(head, _text(name) or "", None if filename is None else (_text(filename) or "").strip('"'))
        self._in_head = False
        return True

    def _take(self, data: bytes) -> None:
        if self._part is not None and data:
            self._part.add(data)

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        content = bytes(part.kept)
        if part.filename is None:
            self.form.fields.append((part.name, content.decode("utf-8", "replace")))
        else:
            noted = _NOTE.match(content) if part.size <= _NOTE_LENGTH else None
            size, sha256 = (int(noted[1]), noted[2].decode()) if noted else (part.size, part.digest.hexdigest())
            media_type = _text(_TYPE.search(part.head))
            self.form.files.append(FilePart(part.name, part.filename, media_type, size, sha256))
            content = b"(a file of %d bytes, SHA-256 %b)" % (size, sha256.encode())
        self._kept.append(b"--" + self._boundary + b"\r\n" + part.head + b"\r\n" + content + b"\r\n")
        self._is_over |= len(self._kept) >= MAX_PARTS


def reduce(body: bytes, boundary: bytes) -> tuple[Form, bytes]:
    """Return what a whole body holds, and the body without the contents of its files."""
    reducer = Reducer(boundary)
    # In slices: what is behind a part is copied, and there may be many parts.
    for start in range(0, len(body), _SLICE):
        reducer.feed(body[start : start + _SLICE])
    reduced = reducer.finish()
    return reducer.form, reduced


def peek(ends: bytes, boundary: bytes) -> list[Seen]:
    """Return ``model`` and ``stream`` as often as they stand whole in the given ends of a body.

    Only between its own boundaries: a file may hold another form, which is none of ours.
    """
    body, mark = b"\r\n" + ends, b"\r\n--" + boundary
    found, at = [], body.find(mark)
    while at >= 0:
        begin = at + len(mark)
        at = body.find(mark, begin)
        if at >= 0 and (match := _PEEKED.match(body, begin, at)):
            value = match[2].decode("utf-8", "replace")
            found.append(Seen(match[1].decode().lower(), value, match.start(2) - 2, len(match[2])))
    return found


def model_place(form: bytes, boundary: bytes) -> tuple[int, int] | None:
    """Return where a whole form says its model (offset, length), None where it does not, or more than once."""
    places = [(seen.at, seen.length) for seen in peek(form, boundary) if seen.name == "model"]
    return places[0] if len(places) == 1 else None


def _text(match: re.Match[bytes] | None) -> str | None:
    return match[1].decode("utf-8", "replace").strip() if match else None
