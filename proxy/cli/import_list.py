"""A JSON list cut into its members, as they come, however many there are: never more than one is in memory.

Only brackets, commas and quotation marks are looked at; whether a member is a call, or JSON at all, is judged later, as
of a line. A list may be laid out in any way: a member is handed on as one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxy.cli.import_line import Line

_SIGNS = re.compile(rb'["\[\]{},]')
_REST_OF_TEXT = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_BREAKS = re.compile(rb"\s*[\r\n]\s*")


class Cutter:
    """Cuts a list. ``at`` and ``number``: so many bytes and members were cut before, and what comes goes on there."""

    def __init__(self, longest: int, at: int = 0, number: int = 0) -> None:
        self._longest = longest
        self._at = at
        self._number = number
        self._depth = 1 if at else 0
        self._is_in_text = self._is_escaped = False
        self._pending = bytearray()
        self._is_passing = False
        self._behind = b""

    def cut(self, data: bytes) -> Iterator[Line]:
        """Yield the members that end in the next piece of the file."""
        start = place = 0
        while self._depth >= 0 and (found := self._next(data, place)) is not None:
            sign, place = found
            if self._depth == 0:
                # What stands before the list was looked at: blanks, and perhaps a mark of the order of bytes.
                start = place
            elif self._depth == 1 and sign in b",]":
                self._add(data[start : place - 1])
                start = place
                # Whoever goes on there finds this sign once more, and knows by it whether the list ends.
                yield from self._member(self._at + place - 1)
            self._depth += (sign in b"[{") - (sign == b"]" or (sign == b"}" and self._depth > 1))
            if self._depth == 0:
                self._depth = -1
        if self._depth > 0:
            self._add(data[start:])
        elif self._depth < 0:
            self._behind = self._behind or data[start:].strip()[:1]
        self._at += len(data)

    def rest(self) -> Iterator[Line]:
        """Yield what stands behind the last whole member, where the file has ended."""
        yield from self._member(self._at)

    @property
    def broken(self) -> str | None:
        """What is wrong with the list as a whole, once the file has ended."""
        if self._depth >= 0:
            return "ends in the middle of its list"
        return "goes on behind its list" if self._behind else None

    def _next(self, data: bytes, place: int) -> tuple[bytes, int] | None:
        """Return the next sign outside of texts, and where it ends; None where this piece has no more."""
        while True:
            if self._is_escaped:
                place, self._is_escaped = place + 1, False
            if self._is_in_text:
                rest = _REST_OF_TEXT.match(data, place)
                place = len(data) if rest is None else rest.end()
                self._is_escaped = data[place : place + 1] == b"\\"
                if self._is_escaped or place >= len(data):
                    return None
                place, self._is_in_text = place + 1, False
            sign = _SIGNS.search(data, place)
            if sign is None:
                return None
            place = sign.end()
            if sign[0] != b'"':
                return sign[0], place
            self._is_in_text = True

    def _add(self, data: bytes) -> None:
        """Keep a part of a member; of one that is too long nothing is kept."""
        if not self._is_passing:
            self._pending += data
        if len(self._pending) > self._longest:
            self._pending, self._is_passing = bytearray(), True

    def _member(self, after: int) -> Iterator[Line]:
        data = None if self._is_passing else _BREAKS.sub(b" ", bytes(self._pending).strip())
        self._pending, self._is_passing = bytearray(), False
        if data != b"":
            self._number += 1
            yield Line(self._number, data, after, self._number)
