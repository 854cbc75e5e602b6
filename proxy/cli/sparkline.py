"""A row of bars as tall as figures, for a terminal: how something went over time."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(figures: Sequence[float], width: int) -> str:
    """Return a bar a figure, or for a few that lie together where there are more than ``width``; none is a blank.

    Empty where standard output is no terminal, or none that knows the signs, and of one figure, which tells nothing.
    """
    if len(figures) < 2 or not sys.stdout.isatty() or not _is_known() or not any(figures):
        return ""
    sums = _gathered(figures, width)
    most = max(sums)
    return "".join(" " if figure <= 0 else _BARS[min(7, int(figure / most * 8))] for figure in sums)


def _gathered(figures: Sequence[float], width: int) -> list[float]:
    each = -(-len(figures) // width)
    return [sum(figures[start : start + each]) for start in range(0, len(figures), each)]


def _is_known() -> bool:
    try:
        _BARS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
