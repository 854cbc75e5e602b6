"""The upstream client of the data plane: send one request, get an answer in pieces.

``begin`` sends a small request on a kept connection at once, without a task; ``send`` dials when it must. The given
headers leave exactly as given, in order, after ``Host`` and with the framing set here; no cookie jar, no environment,
no redirects, nothing decoded. Idle connections are kept per origin; there is no ceiling on busy ones, so
a long stream never makes another call wait. Time-outs are numbers on connections, looked at four times a second: no
timer is armed per call. A reused connection that turns out dead before it answered anything is replaced once.
"""

from __future__ import annotations

import asyncio
import time

from proxy.upstream.answer import Answer
from proxy.upstream.body import BodySource
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.dialling import STANDSTILL_SECONDS, Dialler, Resolve, resolve_in_thread
from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure
from proxy.upstream.origins import Origin
from proxy.upstream.pool import OriginPool
from proxy.upstream.request import RequestHead

SWEEP_SECONDS = 0.25
STALE_SECONDS = 2.0
"""A dead pooled connection shows within a round trip; later, the upstream broke while working, and must not twice."""
SLICES_PER_TURN = 8
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})


class UpstreamClient:
    """Sends requests to providers. ``forbidden`` are (address, port) pairs that are never dialled: our own."""

    def __init__(
        self,
        *,
        forbidden: frozenset[tuple[str, int]] = frozenset(),
        resolve: Resolve = resolve_in_thread,
        max_idle: int = 256,
    ) -> None:
        self._dialler = Dialler(forbidden, resolve)
        self._max_idle = max_idle
        self._pools: dict[str, OriginPool] = {}  # by the origin's key
        self._busy: set[UpstreamConnection] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<UpstreamClient busy={len(self._busy)} idle={self.idle}>"

    @property
    def dialler(self) -> Dialler:
        """What opens its connections: who else dials asks the same one."""
        return self._dialler

    @property
    def busy(self) -> int:
        """How many connections carry a call."""
        return len(self._busy)

    @property
    def idle(self) -> int:
        """How many connections wait for a next request."""
        return sum(map(len, self._pools.values()))

    def _pool_of(self, origin: Origin) -> OriginPool:
        pool = self._pools.get(origin.key)
        if pool is None:
            pool = self._pools[origin.key] = OriginPool(origin, self._max_idle)
        return pool

    def begin(self, head: RequestHead, body: bytes) -> Answer | None:
        """Send a request on a kept connection, at once; None when there is none.

        The answer may fail as ``is_stale`` tells: then ``dial`` with that failure.
        """
        connection = self._pool_of(head.origin).take()
        if connection is None:
            return None
        timing = Timing(time.monotonic_ns(), reused=True)
        answer = self._open(connection, head, timing)
        connection.write(_whole(head, body))
        timing.sent_ns = time.monotonic_ns()
        return answer

    async def send(self, head: RequestHead, body: bytes | BodySource) -> Answer:
        """Send a request, on a kept connection where there is one, and wait for the answer's head."""
        connection = self._pool_of(head.origin).take()
        if connection is None:
            return await self.dial(head, body)
        try:
            return await self._exchange(connection, head, body, Timing(time.monotonic_ns(), reused=True))
        except UpstreamFailure as failure:
            if not is_stale(failure):
                raise
            return await self.dial(head, body, failure)

    async def dial(self, head: RequestHead, body: bytes | BodySource, stale: UpstreamFailure | None = None) -> Answer:
        """Send a request on a new connection and wait for the answer's head; ``stale``: of the try it replaces."""
        timing = Timing(time.monotonic_ns())
        timing.replaced = stale
        pool = self._pool_of(head.origin)
        try:
            connection = await self._dialler.dial(pool.origin, lambda: UpstreamConnection(pool, self._busy))
        except UpstreamFailure as failure:
            failure.timing = timing
            raise
        timing.connected_ns = time.monotonic_ns()
        return await self._exchange(connection, head, body, timing)

    def _open(self, connection: UpstreamConnection, head: RequestHead, timing: Timing) -> Answer:
        answer = connection.begin(head, timing)
        self._busy.add(connection)
        if self._sweeper is None:
            self._arm()
        return answer

    async def _exchange(
        self, connection: UpstreamConnection, head: RequestHead, body: bytes | BodySource, timing: Timing
    ) -> Answer:
        answer = self._open(connection, head, timing)
        try:
            if isinstance(body, bytes):
                connection.write(_whole(head, body))
            else:
                await _write_slices(connection, answer, head, body)
            timing.sent_ns = time.monotonic_ns()
            await answer.head()
        except BaseException:
            answer.abort()
            raise
        return answer

    # -- time-outs ------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep, loop.time() + SWEEP_SECONDS)

    def _sweep(self, due: float) -> None:
        now = asyncio.get_running_loop().time()
        late = now - due
        for connection in list(self._busy):
            if late > STANDSTILL_SECONDS:
                # We stood still, not the upstream: what it said meanwhile is not read yet.
                connection.deadline += late
            connection.expire(now)
        for pool in self._pools.values():
            pool.expire(now)
        self._sweeper = None
        if self._busy or self.idle:
            self._arm()

    async def close(self) -> None:
        """Close every connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self._busy):
            connection.close()
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)


def _whole(head: RequestHead, body: bytes) -> bytes:
    """Return a small request as it leaves."""
    if not body and head.method in _BODILESS:
        return head.lines + b"\r\n"
    return b"%sContent-Length: %d\r\n\r\n%s" % (head.lines, len(body), body)


async def _write_slices(connection: UpstreamConnection, answer: Answer, head: RequestHead, body: BodySource) -> None:
    """Feed a large body with back-pressure; an answer that comes early stops it, and ends the connection's use."""
    connection.set_sending(True)
    connection.write(b"%sContent-Length: %d\r\n\r\n" % (head.lines, body.length))
    for number, piece in enumerate(body.slices(), 1):
        if not await connection.writable(answer):
            return
        connection.write(piece)
        connection.extend()
        if not number % SLICES_PER_TURN:
            # A fast upstream on the same machine never makes a write wait; the other calls must not wait for this one.
            await asyncio.sleep(0)
    connection.set_sending(False)


def is_stale(failure: UpstreamFailure) -> bool:
    """Return True when a reused connection turned out dead, at once, before it answered anything."""
    return (
        failure.timing.reused
        and failure.reason in (FailureReason.RESET, FailureReason.CLOSED_EARLY)
        and not failure.answered
        and time.monotonic_ns() - failure.timing.started_ns < STALE_SECONDS * 1e9
    )
