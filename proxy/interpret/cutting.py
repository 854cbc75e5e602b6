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

from proxy.protocol.skipping import end_of_nested, end_of_text

MIN_LENGTH = 4096
MAX_TOKENS = 300_000
"""About a tenth of a second of scanning."""
FULL = 8192
"""A slice of so many bytes ends with its element; an element as large is a slice of its own: others may repeat it."""

_INSTRUCTIONS = b'"instructions"'
_ARRAYS = frozenset({b'"messages"', b'"input"'})
_WHOLE = frozenset({b'"tools"', _INSTRUCTIONS})
_TOKEN = re.compile(rb'"[^"\\]{0,64}+"|["{}\[\],:]')
"""A quote alone begins a text that is long or has something escaped: no name that is looked for."""
_OPENING, _CLOSING = (b"{", b"["), (b"}", b"]")
_KINDS = frozenset({b'"role"', b'"type"'})
_SAID = re.compile(rb'"(?:assistant|model|reasoning|\w+_call)"')
_ASKED = re.compile(rb'"(?:user|system|developer)"')


def cuts_of(body: bytes) -> tuple[int, ...]:
    """Return ascending offsets without 0 and the end."""
    if len(body) < MIN_LENGTH:
        return ()
    request, position = _Request(body), 0
    for _ in range(MAX_TOKENS):
        match = _TOKEN.search(body, position)
        if match is None:
            return tuple(offset for offset in sorted(set(request.cuts)) if 0 < offset < len(body))
        position = request.read(match)
        if position < 0:
            break
    return ()


class _Request:
    """What has been seen of a request: after which key of its own we are, and of one of an element's."""

    __slots__ = ("_array", "_body", "_depth", "_key", "_last", "_name", "cuts")

    def __init__(self, body: bytes) -> None:
        self.cuts: list[int] = []
        self._body, self._depth = body, 0
        self._array: _Array | None = None
        self._key = self._name = self._last = b""

    def read(self, match: re.Match[bytes]) -> int:
        """Take note of a token; return where to go on, -1 where this is no request."""
        token = match[0]
        if token in _OPENING:
            return self._open(token, match)
        if token in _CLOSING:
            self._close(match.start())
        elif token == b":":
            self._name = self._last
            self._key = self._last if self._depth == 1 else self._key
        elif token == b",":
            if self._depth == 2 and self._array is not None:
                self._array.end(match.start())
        else:
            return self._text(token, match.span())
        self._last = token
        return match.end() if self._depth >= 0 else -1

    def _open(self, token: bytes, match: re.Match[bytes]) -> int:
        """Enter the request, what it has of elements, and each of them; run over all else."""
        at, end = match.span()
        if self._depth == 1 and self._key in _ARRAYS and token == b"[":
            self._array = _Array(end, self.cuts)
        elif self._depth and not (self._depth == 2 and token == b"{"):
            behind = end_of_nested(self._body, end)
            if self._depth == 1 and self._key in _WHOLE:
                self.cuts += (at, behind)
            return behind
        self._depth += 1
        return end

    def _close(self, at: int) -> None:
        if self._depth == 2 and self._array is not None:
            self._array.close(at)
            self._array = None
        self._depth -= 1

    def _text(self, token: bytes, span: tuple[int, int]) -> int:
        at, end = span
        if token == b'"':
            end = end_of_text(self._body, end) + 1
        if self._last == b":":
            if self._depth == 3 and self._array is not None and self._name in _KINDS:
                self._array.tell(token)
            elif self._depth == 1 and self._key == _INSTRUCTIONS:
                self.cuts += (at, end)
        self._last = token
        return end


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
