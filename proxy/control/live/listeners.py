"""One listener: what it wants, and what it has not taken yet.

Filled by the feed's thread, emptied by the event loop. What waits is bounded: a listener that lets it grow beyond that
is told so as its last event, and what waited is forgotten; nobody else notices.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from proxy.control.live import events
from proxy.control.live.events import Event
from proxy.query.judging import unjudged
from proxy.query.terms import Term, Word
from proxy.store.filters.statements import Filters

MOST_WAITING = 2000
"""So many events may wait for one listener."""
HEARTBEAT_SECONDS = 15.0
EVERYTHING = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a listener wants. ``terms`` are the query, ``filters`` the same for the store.

    ``audit`` notes that texts of so many calls are shown, and is None where none are; ``after`` is the call whose end
    was told last, before this one came back.
    """

    terms: tuple[Term | Word, ...] = ()
    filters: Filters = EVERYTHING
    columns: tuple[str, ...] = ("id",)
    with_texts: bool = False
    audit: Callable[[int], None] | None = None
    after: str | None = None

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The terms that keep it from being told of beginnings."""
        return unjudged(self.terms)


class Listener:
    """``known_starts`` and ``known_ends`` are what it was told when it came, and is not told again."""

    def __init__(self, wish: Wish, leave: Callable[[Listener], None], most: int = MOST_WAITING) -> None:
        self.wish = wish
        self.has_starts = not wish.unjudged
        self.known_starts: set[str] = set()
        self.known_ends: set[str] = set()
        self.is_in_trouble = False
        self._leave = leave
        self._most = most
        self._waiting: deque[Event] = deque()
        self._last: Event | None = None
        self._lock = threading.Lock()
        self._wake = _nobody

    def __repr__(self) -> str:
        return f"<Listener waiting={len(self._waiting)} ended={self.is_ended}>"

    @property
    def is_ended(self) -> bool:
        """True once nothing more will be told."""
        return self._last is not None

    def tell(self, told: Sequence[Event]) -> None:
        """Let events wait to be taken; where they are too many, forget them all and end."""
        with self._lock:
            if self.is_ended or not told:
                return
            self._waiting += told
            if len(self._waiting) > self._most:
                self._waiting.clear()
                self._last = events.SLOW
            self._wake()

    def end(self, last: Event) -> None:
        """Tell this one event more, behind what waits."""
        with self._lock:
            self._last = self._last or last
            self._wake()

    async def texts(self, seconds: float | None, may_stay: Callable[[], bool]) -> AsyncGenerator[bytes]:
        """Yield what is sent, to its end: that of its ``seconds``, of its right to be here, or whoever ends it."""
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._wake = lambda: _wake(loop, woken)
        until = None if seconds is None else time.monotonic() + seconds
        try:
            yield events.RETRY
            beat_at = time.monotonic() + HEARTBEAT_SECONDS
            while True:
                woken.clear()
                data, is_last = self._take()
                if data:
                    yield data
                if is_last:
                    return
                now = time.monotonic()
                if until is not None and now >= until:
                    self.end(events.TIME)
                elif now >= beat_at:
                    beat_at = now + HEARTBEAT_SECONDS
                    if may_stay():
                        yield events.HEARTBEAT
                    else:
                        self.end(events.REFUSED)
                await _wait(woken, min(beat_at, until or beat_at) - time.monotonic())
        finally:
            self._wake = _nobody
            self._leave(self)

    def _take(self) -> tuple[bytes, bool]:
        with self._lock:
            taken, self._waiting = self._waiting, deque()
            last = self._last
        told = [*taken] if last is None else [*taken, last]
        return b"".join([event.to_bytes() for event in told]), last is not None


def _nobody() -> None:
    """Wake nobody: the listener is not there yet, or not any more."""


def _wake(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> None:
    loop.call_soon_threadsafe(woken.set)


async def _wait(woken: asyncio.Event, seconds: float) -> None:
    if woken.is_set():
        return
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await woken.wait()
    except TimeoutError:
        return
