"""Saying the same trouble once a minute, however often it is met."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_SECONDS = 60.0
_MOST = 32


class Repeating:
    """Remembers what was said when; ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}

    def is_due(self, what: str) -> bool:
        """Return True for what is new, or was last said a minute ago; it counts as said then.

        What stands before the first colon counts: behind it come the details, such as a file's name, which differ.
        """
        now, what = self._clock(), what.partition(": ")[0]
        if now < self._said.get(what, -EVERY_SECONDS) + EVERY_SECONDS:
            return False
        self._said.pop(what, None)
        self._said[what] = now
        if len(self._said) > _MOST:
            del self._said[next(iter(self._said))]
        return True

    def forget(self) -> None:
        """Begin anew: the trouble is over."""
        self._said.clear()
