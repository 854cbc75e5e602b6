"""What is shown of a text in which words were found: a part around the first of them, and where in it they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.query.words import Phrase, places

_LEAST = 20
_CUT = "…"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a text; ``marks`` are where words that were looked for stand in it: from and to, in characters."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()


def excerpt(line: str, phrases: Sequence[Phrase], width: int) -> Excerpt:
    """Return the part of a line around the first of some phrases, its beginning where it has none of them."""
    width, found = max(width, _LEAST), places(line, phrases)
    if len(line) <= width:
        return Excerpt(line, tuple(found))
    first = found[0][0] if found else 0
    begin = max(0, min(first - width // 3, len(line) - width))
    end = begin + width
    head = _CUT if begin else line[0]
    tail = _CUT if end < len(line) else line[-1]
    seen = [(max(start, begin), min(stop, end)) for start, stop in found if start < end and stop > begin]
    return Excerpt(
        head + line[begin + 1 : end - 1] + tail, tuple((start - begin, stop - begin) for start, stop in seen)
    )
