"""One answer of the second way as it arrives: a task reads it from the engine, the caller empties it.

The task waits while more than 64 kB lie unread, so a slow client slows its upstream here too. Given up before its task
has begun, it is closed by ``on_done`` all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import httpcore2

from proxy.upstream.answer import HIGH_WATER, Headers
from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure
from proxy.upstream.tunnel_failure import ENGINE_ERRORS, failure_of


class TunnelAnswer:
    """One answer as it arrives, like ``answer.Answer``: filled by a task, emptied by the caller.

    ``is_closed``: that task has begun, and will close the engine's answer whatever happens.
    """

    status = 0
    unread = 0
    has_head = False
    is_complete = False
    failure: UpstreamFailure | None = None
    _listener: Callable[[], None] | None = None
    _task: asyncio.Task[None] | None = None

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.headers: Headers = []
        self.is_closed = False
        self._pieces: list[tuple[int, bytes]] = []
        self._has_changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    def __repr__(self) -> str:
        return f"<TunnelAnswer {self.status} complete={self.is_complete} unread={self.unread}>"

    # -- for the caller -------------------------------------------------------------------------------------

    def take_ready(self) -> list[tuple[int, bytes]]:
        """Return the pieces (arrival in monotonic ns, bytes) that are there, without waiting."""
        pieces, self._pieces = self._pieces, []
        self._taken(self.unread)
        return pieces

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call this at every change from now on; None: no longer."""
        self._listener = listener

    async def read(self) -> tuple[int, bytes] | None:
        """Return the next piece, or None at the clean end; ``UpstreamFailure`` when it broke off."""
        while not self._pieces:
            if self.is_complete:
                return None
            if self.failure is not None:
                raise self.failure
            self._has_changed.clear()
            await self._has_changed.wait()
        piece = self._pieces.pop(0)
        self._taken(len(piece[1]))
        return piece

    def abort(self) -> None:
        """Give the answer up: its connection closes, or its HTTP/2 stream is reset."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
        if not self.is_complete and self.failure is None:
            self.failure = UpstreamFailure(FailureReason.CLOSED_EARLY, "the exchange was given up", self.timing)

    def _taken(self, size: int) -> None:
        self.unread -= size
        if self.unread <= HIGH_WATER:
            self._has_room.set()

    # -- for the task that fills it -------------------------------------------------------------------------

    def follow(self, response: httpcore2.Response) -> asyncio.Task[None]:
        """Take the head, then read the rest in a task."""
        self.status, self.headers, self.has_head = response.status, list(response.headers), True
        self.timing.head_ns = time.monotonic_ns()
        self._task = asyncio.get_running_loop().create_task(self._fill(response), name="tunnelled answer")
        return self._task

    async def _fill(self, response: httpcore2.Response) -> None:
        self.is_closed = True
        try:
            async with contextlib.aclosing(response.aiter_stream()) as parts:
                async for part in parts:
                    await self._deliver(part)
            self.is_complete = True
        except ENGINE_ERRORS as error:
            if self.failure is None:
                self.failure = failure_of(error, self.timing, answered=True)
        finally:
            if not self.is_complete and self.failure is None:
                self.failure = UpstreamFailure(FailureReason.PROTOCOL, "its answer could not be read", self.timing)
            await response.aclose()
            self._wake()

    async def _deliver(self, part: bytes) -> None:
        if not part:
            return
        self._pieces.append((time.monotonic_ns(), part))
        self.unread += len(part)
        if self.unread > HIGH_WATER:
            self._has_room.clear()
        self._wake()
        await self._has_room.wait()

    def _wake(self) -> None:
        self._has_changed.set()
        if self._listener is not None:
            self._listener()
