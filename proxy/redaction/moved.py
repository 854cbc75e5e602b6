"""Where bytes went that others were replaced before: so that edits of a body hold for the body without its secrets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

Cut = tuple[int, int, bytes]
"""Start, end and what stands there instead, as of the bytes before; ascending, not overlapping."""


def apply(document: bytes, cuts: Sequence[Cut]) -> bytes:
    """Return a document with its cuts made."""
    parts: list[bytes] = []
    at = 0
    for start, end, instead in cuts:
        parts += (document[at:start], instead)
        at = end
    return b"".join((*parts, document[at:]))


class Moved:
    """Maps offsets before some cuts to those behind them."""

    def __init__(self, cuts: Sequence[Cut]) -> None:
        self._starts = [start for start, _, _ in cuts]
        self._ends = [end for _, end, _ in cuts]
        self._shifts = [0]
        for start, end, instead in cuts:
            self._shifts.append(self._shifts[-1] + len(instead) - (end - start))

    def place(self, offset: int, *, is_end: bool = False) -> int:
        """Return where an offset is now; one within a cut is at its beginning, or at its end."""
        number = bisect_right(self._starts, offset - 1)
        if number and offset < self._ends[number - 1]:
            if is_end:
                return self._ends[number - 1] + self._shifts[number]
            return self._starts[number - 1] + self._shifts[number - 1]
        return offset + self._shifts[number]
