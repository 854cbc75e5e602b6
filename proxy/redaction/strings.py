"""The texts in JSON, and where each byte of them stands: what is found in a text is replaced in the document.

A text is what its escapes mean; an escape is replaced whole or not at all. Half a character alone is read as U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

_STRING = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
# Of something that is no whole JSON a string ends with its line, closed or not: each sign is looked at once.
_LOOSE_STRING = re.compile(rb'"([^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+)"?')
_PIECE = re.compile(
    rb"[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|\\", re.DOTALL
)
_SHORT = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}


@dataclass(slots=True)
class Token:
    """A string of a document: ``start`` and ``end`` of what is between its quotes, and the ``text`` that it means."""

    start: int
    end: int
    text: bytes
    is_plain: bool

    def place(self, document: bytes, start: int, end: int) -> tuple[int, int]:
        """Return where a part of the text stands in the document, with whole escapes."""
        if self.is_plain:
            return self.start + start, self.start + end
        first = last = self.start
        read = 0
        is_found = False
        for raw_start, raw_end, text in _pieces(document, self.start, self.end):
            after = read + len(text)
            is_escape = document[raw_start] == 0x5C
            if not is_found and after > start:
                first, is_found = raw_start if is_escape else raw_start + start - read, True
            if after >= end:
                last = raw_end if is_escape else raw_start + end - read
                break
            read = after
        return first, last


def strings_of(document: bytes, start: int, end: int, *, is_sound: bool = True) -> Iterator[Token]:
    """Yield the strings between two offsets; ``is_sound`` False: that is no whole JSON."""
    expression = _STRING if is_sound else _LOOSE_STRING
    for found in expression.finditer(document, start, end):
        first, last = found.span(1)
        is_plain = b"\\" not in found[1]
        yield Token(first, last, found[1] if is_plain else _meant(document, first, last), is_plain)


def _meant(document: bytes, start: int, end: int) -> bytes:
    try:
        return str(orjson.loads(document[start - 1 : end + 1])).encode()
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return b"".join([text for _, _, text in _pieces(document, start, end)])


def _pieces(document: bytes, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield runs without escapes, and escapes: (start, end, what it means)."""
    for found in _PIECE.finditer(document, start, end):
        said = found[0]
        yield found.start(), found.end(), said if said[:1] != b"\\" else _escape(said)


def _escape(said: bytes) -> bytes:
    if said[1:2] == b"u" and len(said) >= 6:
        units = b"".join([bytes.fromhex(said[at + 2 : at + 6].decode()) for at in range(0, len(said), 6)])
        return units.decode("utf-16-be", "replace").encode()
    return _SHORT.get(said[1:2], said[1:2])
