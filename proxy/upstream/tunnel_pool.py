"""The connections of the second way: the engine's pool, one call at a time on each, to addresses that may be dialled.

HTTP/2 could carry many calls on a connection, but the engine tells nobody that a stream was given up, so its upstream
would go on working, and a silent stream would break its neighbours off. Closing the connection is understood by
everyone: a call that is given up takes its connection along.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextvars import ContextVar
from typing import cast

import httpcore2

from proxy.upstream.dialling import Dialler
from proxy.upstream.origins import Origin

opened_here: ContextVar[list[httpcore2.AsyncNetworkStream]] = ContextVar("opened")
"""The sockets that the call of this task has opened."""


class _WholeOrClosed:
    """The body of an answer; given up before its end, it takes its connection along."""

    def __init__(self, stream: AsyncIterable[bytes], connection: httpcore2.AsyncConnectionInterface) -> None:
        self._stream = stream
        self._connection = connection
        self._is_whole = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part
        self._is_whole = True

    async def aclose(self) -> None:
        """Let go of the connection: to the next call when all was read."""
        await cast(AsyncGenerator[bytes], self._stream).aclose()
        if not self._is_whole:
            await self._connection.aclose()


class _OneAtATime(httpcore2.AsyncConnectionInterface):
    """A connection that carries no second call beside the first, whatever it speaks."""

    def __init__(self, connection: httpcore2.AsyncConnectionInterface) -> None:
        self._connection = connection

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send one request; a call that is given up before its answer closes the connection."""
        try:
            answer = await self._connection.handle_async_request(request)
        except httpcore2.ConnectionNotAvailable:
            raise
        except BaseException:
            await self._connection.aclose()
            raise
        body = _WholeOrClosed(cast(AsyncIterable[bytes], answer.stream), self._connection)
        return httpcore2.Response(answer.status, headers=answer.headers, content=body, extensions=answer.extensions)

    async def aclose(self) -> None:
        """Close it."""
        await self._connection.aclose()

    def info(self) -> str:
        """Say what it is."""
        return self._connection.info()

    def can_handle_request(self, origin: httpcore2.Origin) -> bool:
        """Return True for its own origin."""
        return self._connection.can_handle_request(origin)

    def is_available(self) -> bool:
        """Return True when it is there and nobody uses it."""
        return self._connection.is_available() and self._connection.is_idle()

    def can_multiplex(self) -> bool:
        """It does not."""
        return False

    def is_connected(self) -> bool:
        """Return True once there is a connection."""
        return self._connection.is_connected()

    def has_expired(self) -> bool:
        """Return True when it was idle for too long, or the other side has closed it."""
        return self._connection.has_expired()

    def is_idle(self) -> bool:
        """Return True when nobody uses it."""
        return self._connection.is_idle()

    def is_closed(self) -> bool:
        """Return True when it is of no use any more."""
        return self._connection.is_closed()


class TunnelPool(httpcore2.AsyncConnectionPool):
    """A pool of such connections."""

    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        """Make a connection; it is opened with its first request."""
        return _OneAtATime(super().create_connection(origin))


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that may be dialled, with the policy and the resolver of the first way."""

    def __init__(self, dialler: Dialler, origin: Origin, *, allow_private_proxy: bool) -> None:
        self._dialler = dialler
        self._origin = origin
        self._allow_private_proxy = allow_private_proxy
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the engine's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve, check, and connect to the first address that takes us."""
        is_proxy = (host, port) != (self._origin.host, self._origin.port)
        allow_private = self._allow_private_proxy if is_proxy else self._origin.allow_private
        target = Origin(host=host, port=port, allow_private=allow_private)
        error: Exception | None = None
        for address in await self._dialler.permitted(target):
            try:
                stream = await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.ConnectError as refused:
                error = refused
            else:
                opened_here.get().append(stream)
                return stream
        assert error is not None
        raise error
