"""The texts in JSON, and where each byte of them stands: what is found in a text is replaced in the document.

A text is what its escapes mean; an escape is replaced whole or not at all. Half a character alone is read as U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import orjson

_STRING = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
# Of something that is no whole JSON a string ends with its line, closed or not: each sign is looked at once.
_LOOSE_STRING = re.compile(rb'"([^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+)"?')
_PIECE = re.compile(
    rb"[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|\\", re.DOTALL
)
_BACKSLASH = 0x5C
_SHORT = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}


class Hidden(NamedTuple):
    """A part of a text that must not be seen; ``shows``: something takes its place. A flow has found it, or not."""

    start: int
    end: int
    name: str
    shows: bool = True
    is_of_flow: bool = False


class Token:
    """A string of a document: ``start`` and ``end`` of what is between its quotes, and the ``text`` that it means.

    ``said`` is what stands there. ``hidden`` are the parts of the text that must not be seen.
    """

    __slots__ = ("end", "hidden", "said", "start", "text")

    def __init__(self, start: int, end: int, said: bytes, text: bytes) -> None:
        self.start = start
        self.end = end
        self.said = said
        self.text = text
        self.hidden: tuple[Hidden, ...] = ()

    def __repr__(self) -> str:
        return f"<Token {self.start}-{self.end} hidden={len(self.hidden)}>"

    @property
    def is_plain(self) -> bool:
        """True where the text is what stands there."""
        return self.said is self.text

    def hide(self, part: Hidden) -> None:
        """Let a part not be seen."""
        self.hidden += (part,)

    def left(self) -> bytes:
        """Return the text with the same offsets, in which nothing more can be found in what is hidden."""
        if not self.hidden:
            return self.text
        left = bytearray(self.text)
        for part in self.hidden:
            left[part.start : part.end] = bytes(part.end - part.start)
        return bytes(left)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part of the text stands in the document, with whole escapes."""
        if self.is_plain:
            return self.start + start, self.start + end
        first = last = read = 0
        is_found = False
        for raw_start, raw_end, text in _pieces(self.said):
            after = read + len(text)
            is_escape = self.said[raw_start] == _BACKSLASH
            if not is_found and after > start:
                first, is_found = raw_start if is_escape else raw_start + start - read, True
            if after >= end:
                last = raw_end if is_escape else raw_start + end - read
                break
            read = after
        return self.start + first, self.start + last


def strings_of(document: bytes, start: int = 0, *, is_sound: bool = True, base: int = 0) -> Iterator[Token]:
    """Yield the strings from an offset on; ``is_sound`` False: that is no whole JSON. ``base`` is where it begins."""
    expression = _STRING if is_sound else _LOOSE_STRING
    for found in expression.finditer(document, start):
        first, last = found.span(1)
        said = found[1]
        yield Token(base + first, base + last, said, _meant(said) if b"\\" in said else said)


def _meant(said: bytes) -> bytes:
    try:
        return str(orjson.loads(b'"%b"' % said)).encode()
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return b"".join([text for _, _, text in _pieces(said)])


def _pieces(said: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield runs without escapes, and escapes: (start, end, what it means)."""
    for found in _PIECE.finditer(said):
        yield found.start(), found.end(), found[0] if found[0][:1] != b"\\" else _escape(found[0])


def _escape(said: bytes) -> bytes:
    if said[1:2] == b"u" and len(said) >= 6:
        units = b"".join([bytes.fromhex(said[at + 2 : at + 6].decode()) for at in range(0, len(said), 6)])
        return units.decode("utf-16-be", "replace").encode()
    return _SHORT.get(said[1:2], said[1:2])
