"""One answer as it arrives: the connection fills it, the caller empties it.

It belongs to one exchange and outlives the connection's part in it: once complete, the connection may already carry
the next exchange while the last pieces are still being taken here. Who wants to be told of every change at once
``listen``s; who would rather wait awaits ``head`` and ``read``. Listening costs neither a task nor a turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure

if TYPE_CHECKING:
    from proxy.upstream.connection import UpstreamConnection

HIGH_WATER = 64 * 1024
Headers = list[tuple[bytes, bytes]]


class Answer:
    """Head and pieces of one answer; ends by itself, or by ``abort``.

    ``is_complete``: it ended cleanly; pieces may still be here. ``failure``: it broke, or was given up.
    """

    status = 0
    unread = 0
    has_received = False
    has_head = False
    is_complete = False
    failure: UpstreamFailure | None = None
    _listener: Callable[[], None] | None = None
    _waiter: asyncio.Future[None] | None = None

    def __init__(self, connection: UpstreamConnection, method: str, timing: Timing) -> None:
        self._connection = connection
        self.method = method
        self.timing = timing
        self.headers: Headers = []
        self.pieces: list[tuple[int, bytes]] = []

    def __repr__(self) -> str:
        state = "finished" if self.is_finished else "broken" if self.failure else "open"
        return f"<Answer {self.status} {state} unread={self.unread}>"

    # -- for the caller -------------------------------------------------------------------------------------

    @property
    def is_finished(self) -> bool:
        """True when the answer ended cleanly and every piece was taken."""
        return self.is_complete and not self.pieces

    def take_ready(self) -> list[tuple[int, bytes]]:
        """Return the pieces (arrival in monotonic ns, bytes) that are there, without waiting."""
        pieces = self.pieces
        if pieces:
            self.pieces = []
            self._taken(self.unread)
        return pieces

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call this at every change from now on; None: no longer."""
        self._listener = listener

    async def head(self) -> None:
        """Wait for the head; ``UpstreamFailure`` when none comes."""
        while not self.has_head:
            if self.failure is not None:
                raise self.failure
            await self.wait()

    async def read(self) -> tuple[int, bytes] | None:
        """Return the next piece, or None at the clean end; ``UpstreamFailure`` when it broke off."""
        while not self.pieces:
            if self.is_complete:
                return None
            if self.failure is not None:
                raise self.failure
            await self.wait()
        piece = self.pieces.pop(0)
        self._taken(len(piece[1]))
        return piece

    def abort(self) -> None:
        """Give the answer up: the connection closes at once; a waiting ``read`` raises."""
        if not self.is_complete and self.failure is None:
            self.failure = UpstreamFailure(FailureReason.CLOSED_EARLY, "the exchange was given up", self.timing)
            self._connection.give_up(self)
            self.wake()

    def _taken(self, size: int) -> None:
        was_paused = self.unread > HIGH_WATER
        self.unread -= size
        if was_paused and self.unread <= HIGH_WATER:
            self._connection.read_on(self)

    # -- for the connection ---------------------------------------------------------------------------------

    async def wait(self) -> None:
        """Wait until something changes."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Something has changed."""
        if self._listener is not None:
            self._listener()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
