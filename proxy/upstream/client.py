"""The upstream client of the data plane: send one request, get an answer in pieces.

The given headers leave exactly as given, in order, after ``Host`` and with the framing set here; no cookie jar, no
environment, no redirects, nothing decoded. Idle connections are kept per origin; there is no ceiling on busy ones, so
a long stream never makes another call wait. Time-outs are numbers on connections, looked at four times a second: no
timer is armed per call. A reused connection that turns out dead before it answered anything is replaced once.
"""

from __future__ import annotations

import asyncio
import time

from proxy.domain.provider import Provider
from proxy.upstream.answer import Answer, Headers
from proxy.upstream.body import BodySource
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.dialling import Dialler, Resolve, resolve_in_thread
from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure
from proxy.upstream.origins import Origin, origin_of
from proxy.upstream.pool import OriginPool

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
        self._pools: dict[Origin, OriginPool] = {}
        self._by_provider: dict[int, tuple[Provider, OriginPool, bytes]] = {}
        self._busy: set[UpstreamConnection] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<UpstreamClient busy={len(self._busy)} idle={self.idle}>"

    @property
    def idle(self) -> int:
        """How many connections wait for a next request."""
        return sum(map(len, self._pools.values()))

    def _pool_of(self, origin: Origin) -> OriginPool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = OriginPool(origin, self._max_idle)
        return pool

    def _known(self, provider: Provider) -> tuple[Provider, OriginPool, bytes]:
        """Look a provider up by its identity: hashing its fields would cost more than the rest of a look-up."""
        known = self._by_provider.get(id(provider))
        if known is None or known[0] is not provider:
            if len(self._by_provider) > 1024:
                self._by_provider.clear()
            origin = origin_of(provider)
            known = self._by_provider[id(provider)] = (provider, self._pool_of(origin), origin.host_header)
        return known

    async def send(
        self,
        provider: Provider,
        method: str,
        target: bytes,
        headers: Headers,
        body: bytes | BodySource,
        *,
        read_timeout: float | None = None,
    ) -> Answer:
        """Send one request to a provider; ``read_timeout`` (seconds) may lengthen its time-outs, never shorten them."""
        _, pool, host = self._known(provider)
        longest = read_timeout or 0.0
        return await self._send(
            pool,
            b"%s %s HTTP/1.1\r\nHost: %s\r\n" % (method.encode(), target, host),
            method,
            headers,
            body,
            (max(provider.first_byte_timeout, longest), max(provider.idle_timeout, longest)),
        )

    async def send_to(
        self,
        origin: Origin,
        request_line: bytes,
        method: str,
        headers: Headers,
        body: bytes | BodySource,
        *,
        first_byte_timeout: float,
        idle_timeout: float,
    ) -> Answer:
        """Send one request to an origin; ``request_line`` includes the Host header."""
        pool = self._pool_of(origin)
        return await self._send(pool, request_line, method, headers, body, (first_byte_timeout, idle_timeout))

    async def _send(
        self,
        pool: OriginPool,
        request_line: bytes,
        method: str,
        headers: Headers,
        body: bytes | BodySource,
        limits: tuple[float, float],
    ) -> Answer:
        head = _head(request_line, method, headers, body)
        timing = Timing(time.monotonic_ns())
        connection = pool.take()
        if connection is not None:
            timing.reused = True
            try:
                return await self._exchange(connection, method, timing, head, body, limits)
            except UpstreamFailure as failure:
                if not _is_stale(failure, timing):
                    raise
            timing.reused = False
            timing.stale_retries = 1
        connection = await self._connect(pool, timing)
        return await self._exchange(connection, method, timing, head, body, limits)

    async def _connect(self, pool: OriginPool, timing: Timing) -> UpstreamConnection:
        try:
            connection = await self._dialler.dial(pool.origin, lambda: UpstreamConnection(pool, self._busy))
        except UpstreamFailure as failure:
            failure.timing = timing
            raise
        timing.connected_ns = time.monotonic_ns()
        return connection

    async def _exchange(
        self,
        connection: UpstreamConnection,
        method: str,
        timing: Timing,
        head: bytes,
        body: bytes | BodySource,
        limits: tuple[float, float],
    ) -> Answer:
        answer = connection.begin(method, timing, first_byte_timeout=limits[0], idle_timeout=limits[1])
        self._busy.add(connection)
        if self._sweeper is None:
            self._arm()
        try:
            if isinstance(body, bytes):
                connection.write(head + body)
            else:
                await _write_slices(connection, answer, head, body)
            timing.sent_ns = time.monotonic_ns()
            while not answer.has_head:
                if answer.failure is not None:
                    raise answer.failure
                await answer.wait()
        except BaseException:
            answer.abort()
            raise
        return answer

    # -- time-outs ------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._busy):
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


def _head(request_line: bytes, method: str, headers: Headers, body: bytes | BodySource) -> bytes:
    lines = [request_line]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    length = len(body) if isinstance(body, bytes) else body.length
    lines.append(b"\r\n" if not length and method in _BODILESS else b"Content-Length: %d\r\n\r\n" % length)
    head = b"".join(lines)
    # One look over the whole head costs less than one per header: each line has one line break, at its end.
    breaks = head.count(b"\r\n")
    expected = 3 + len(headers) + (len(lines[-1]) > 2)
    if not breaks == expected == head.count(b"\n") == head.count(b"\r") or b"\0" in head:
        raise UpstreamFailure(FailureReason.PROTOCOL, "a line of the request's head holds a line break or NUL")
    return head


async def _write_slices(connection: UpstreamConnection, answer: Answer, head: bytes, body: BodySource) -> None:
    """Feed a large body with back-pressure; an answer that comes early stops it, and ends the connection's use."""
    connection.set_sending(True)
    connection.write(head)
    for number, piece in enumerate(body.slices(), 1):
        if not await connection.writable(answer):
            return
        connection.write(piece)
        connection.extend()
        if not number % SLICES_PER_TURN:
            # A fast upstream on the same machine never makes a write wait; the other calls must not wait for this one.
            await asyncio.sleep(0)
    connection.set_sending(False)


def _is_stale(failure: UpstreamFailure, timing: Timing) -> bool:
    """True when a reused connection turned out dead, at once, before it answered anything."""
    return (
        failure.reason in (FailureReason.RESET, FailureReason.CLOSED_EARLY)
        and not failure.answered
        and time.monotonic_ns() - timing.started_ns < STALE_SECONDS * 1e9
    )
