"""Results that are kept because the same question comes again and again, for short questions only.

What strangers send decides what is asked here: a path of sixty kilobytes, a few thousand times with another ending,
would fill hundreds of megabytes [measured: 346 MB with 4,500 requests that were refused].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Text = TypeVar("Text", str, bytes)
Found = TypeVar("Found")

LONGEST = 512


def remembered(size: int) -> Callable[[Callable[[Text], Found]], Callable[[Text], Found]]:
    """Keep the last ``size`` results of a function of one text of ordinary length."""

    def keeping(function: Callable[[Text], Found]) -> Callable[[Text], Found]:
        known = lru_cache(maxsize=size)(function)

        @wraps(function)
        def look(text: Text) -> Found:
            return known(text) if len(text) <= LONGEST else function(text)

        return look

    return keeping
