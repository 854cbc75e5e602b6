"""A set of patterns, looked for in texts: each match once, none over another, at borders of characters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from proxy.redaction.credentials import SEPARATOR
from proxy.redaction.patterns import Pattern


@dataclass(frozen=True, slots=True)
class Match:
    """Where something was found in a text (bytes), and by which pattern."""

    start: int
    end: int
    name: str


class Redactor:
    """Looks for these patterns; those of the user's own come first, since they know best."""

    def __init__(self, patterns: Iterable[Pattern], max_bytes: int) -> None:
        found = list(patterns)
        self.max_bytes = max_bytes
        self.names = tuple(item.name for item in found)
        self._own = [item for item in found if item.is_own]
        self._built_in = [item for item in found if not item.is_own]

    def __repr__(self) -> str:
        return f"<Redactor {' '.join(self.names)}>"

    def find(self, texts: Sequence[bytes], *, is_first: bool = True) -> dict[int, list[Match]]:
        """Return what is in some texts by their number, in ascending order.

        Own patterns are looked for in the first round only: what they may match of a placeholder is nobody's secret.
        """
        found: dict[int, list[Match]] = {}
        if self._own and is_first:
            texts = [self._find_own(number, text, found) for number, text in enumerate(texts)]
        starts = list(accumulate((len(text) + len(SEPARATOR) for text in texts), initial=0))
        joined = SEPARATOR.join(texts)
        for pattern in self._built_in:
            spans = _disjoint(pattern.find(joined), joined)
            for start, end in spans:
                number = bisect_right(starts, start) - 1
                base = starts[number]
                found.setdefault(number, []).append(Match(start - base, end - base, pattern.name))
            joined = _without(joined, spans)
        for matches in found.values():
            matches.sort(key=lambda item: item.start)
        return found

    def _find_own(self, number: int, text: bytes, found: dict[int, list[Match]]) -> bytes:
        for pattern in self._own:
            spans = _disjoint(pattern.find(text), text)
            if spans:
                found.setdefault(number, []).extend(Match(start, end, pattern.name) for start, end in spans)
                text = _without(text, spans)
        return text


def _disjoint(spans: Iterable[tuple[int, int]], text: bytes) -> list[tuple[int, int]]:
    """Return spans in ascending order, joined where they overlap, with whole characters."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        while start and 0x80 <= text[start] < 0xC0:
            start -= 1
        while end < len(text) and 0x80 <= text[end] < 0xC0:
            end += 1
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _without(text: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    """Return the text with the same offsets, in which nothing more can be found there."""
    if not spans:
        return text
    left = bytearray(text)
    for start, end in spans:
        left[start:end] = bytes(end - start)
    return bytes(left)
