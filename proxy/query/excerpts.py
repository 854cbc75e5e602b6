"""What is shown of a text in which words were found: a part around the first of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LEAST = 20


def any_of(words: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern that finds any of some words, the longest first, whatever their case."""
    return re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True) if word), re.I)


def excerpt(line: str, pattern: re.Pattern[str], width: int) -> str:
    """Return the part of a line around its first match, its beginning where nothing matches."""
    width = max(width, _LEAST)
    if len(line) <= width:
        return line
    match = pattern.search(line)
    begin = max(0, min(match.start() - width // 3, len(line) - width)) if match else 0
    part = line[begin : begin + width]
    head = f"…{part[1:]}" if begin else part
    return f"{head[:-1]}…" if begin + width < len(line) else head
