"""Where a chat request may be cut so that what is repeated is stored once: byte offsets at element borders.

A request repeats its whole history. The offsets returned lie around ``tools``, ``instructions`` and the elements of the
top-level ``messages`` or ``input`` array; slices between them join to the original bytes, always, since only offsets
are returned. A body that is not understood, or that has more structure than is worth a look, has none. One linear pass
over structure, strings are jumped over; nothing is parsed and nothing raises.

Not every element is a slice: what a model said goes with the results and the question behind it, for these come as one
with the next request, and each slice costs a row and a number in every later list. Whether a border is one depends on
nothing behind the element that follows it, so a longer history repeats the slices of the shorter one.
"""

from __future__ import annotations

import re

MIN_LENGTH = 4096
MAX_TOKENS = 300_000
"""About a tenth of a second of scanning."""
FULL = 8192
"""A slice of so many bytes ends with its element; an element as large is a slice of its own: others may repeat it."""

_INSTRUCTIONS = b'"instructions"'
_ARRAYS = frozenset({b'"messages"', b'"input"'})
_WHOLE = frozenset({b'"tools"', _INSTRUCTIONS})
# A string that never ends is one token too: to look for its end again at each quote in it would be quadratic.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.?[^"\\]*)*"?|[{}\[\],:]', re.DOTALL)
_KINDS = frozenset({b'"role"', b'"type"'})
_SAID = re.compile(rb'"(?:assistant|model|reasoning|\w+_call)"')
_ASKED = re.compile(rb'"(?:user|system|developer)"')


def cuts_of(body: bytes) -> tuple[int, ...]:
    """Return ascending offsets without 0 and the end."""
    if len(body) < MIN_LENGTH:
        return ()
    depth, request = 0, _Request()
    for number, match in enumerate(_TOKEN.finditer(body)):
        mark = match[0][:1]
        if mark in b"{[":
            depth += 1
            if depth == 2:
                request.open(mark, match.start())
        elif mark in b"}]":
            if depth == 2:
                request.close(match.start())
            depth -= 1
        elif depth <= 3:
            request.read(depth, match)
        if number > MAX_TOKENS or depth < 0:
            return ()
    return tuple(offset for offset in sorted(set(request.cuts)) if 0 < offset < len(body))


class _Request:
    """What has been seen of a request: after which key of its own we are, and of one of its elements."""

    __slots__ = ("_array", "_key", "_last", "_name", "cuts")

    def __init__(self) -> None:
        self.cuts: list[int] = []
        self._array: _Array | None = None
        self._key = self._name = self._last = b""

    def open(self, mark: bytes, at: int) -> None:
        """Be told that a value of the request begins."""
        if self._key in _ARRAYS and mark == b"[":
            self._array = _Array(at + 1, self.cuts)
        elif self._key in _WHOLE:
            self.cuts.append(at)

    def close(self, at: int) -> None:
        """Be told that a value of the request is over."""
        if self._array is not None:
            self._array.close(at)
            self._array = None
        elif self._key in _WHOLE:
            self.cuts.append(at + 1)

    def read(self, depth: int, match: re.Match[bytes]) -> None:
        """Take note of what stands in the request itself, in one of its values, or in an element of such."""
        token = match[0]
        if token == b":":
            self._name = self._last
            if depth == 1:
                self._key = self._last
        elif token == b",":
            if depth == 2 and self._array is not None:
                self._array.end(match.start())
        elif self._last == b":":
            self._value(depth, match)
        self._last = token

    def _value(self, depth: int, match: re.Match[bytes]) -> None:
        if depth == 3 and self._array is not None and self._name in _KINDS:
            self._array.tell(match[0])
        elif depth == 1 and self._key == _INSTRUCTIONS:
            self.cuts += match.span()


class _Array:
    """The elements of an array as they come by: which of the borders before them are cuts."""

    __slots__ = ("_at", "_before", "_found", "_kind", "_start")

    def __init__(self, at: int, found: list[int]) -> None:
        self._found, self._start, self._at = found, at, at
        self._kind = self._before = b""
        found.append(at)

    def tell(self, value: bytes) -> None:
        """Take note of an element's role or type."""
        if _SAID.fullmatch(value):
            self._kind = b"said"
        elif _ASKED.fullmatch(value):
            self._kind = b"asked"

    def end(self, at: int) -> None:
        """Be told that an element is over: the comma behind it goes with what follows, as this may be the last one."""
        if self._at > self._start and self._begins(at - self._at):
            self._found.append(self._at)
            self._start = self._at
        self._before, self._kind, self._at = self._kind, b"", at

    def close(self, at: int) -> None:
        """Be told that the array is over."""
        self.end(at)
        self._found.append(at)

    def _begins(self, length: int) -> bool:
        """Tell whether an element of so many bytes begins a slice."""
        if max(length, self._at - self._start) >= FULL:
            return True
        if self._kind == b"said":
            return self._before != b"said"
        return self._kind == self._before == b"asked"
