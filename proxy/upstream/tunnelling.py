"""The second way to a provider: through an outgoing proxy (HTTP, HTTPS, SOCKS5), or over HTTP/2.

Same interface as ``client``, on httpcore2, the engine of httpx2: its pools are clean after cancelled streams, and
unlike httpx2's own client it adds no header, keeps no cookie, reads no environment, follows and decodes nothing. It
costs some ten times the CPU of the first way, and is loaded only where a provider asks for it (``ways``). One pool per
provider, without a ceiling on busy connections, made with the first call. An answer is read by a task of its own that
waits while 64 kB lie unread.

Addresses are checked as in ``dialling``, and the address that was checked is the one that is dialled: the provider's,
or the outgoing proxy's, which is who resolves the provider's name then. A pooled connection that turns out dead is not
replaced here; the pool looks before it uses one.

HTTP/2 sends header names in lower case, and carries one call at a time on a connection (``tunnel_pool``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpcore2

from proxy.domain.provider import Provider
from proxy.upstream.body import BodySource
from proxy.upstream.dialling import Dialler
from proxy.upstream.failure import Timing, UpstreamFailure
from proxy.upstream.origins import origin_of
from proxy.upstream.pool import IDLE_SECONDS
from proxy.upstream.request import RequestHead
from proxy.upstream.tls import new_context
from proxy.upstream.tunnel_answer import TunnelAnswer
from proxy.upstream.tunnel_failure import ENGINE_ERRORS, failure_of
from proxy.upstream.tunnel_pool import CheckedNetwork, TunnelPool, opened_here

_MAX_IDLE = 256
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})


class TunnelClient:
    """Sends requests to one provider. ``credentials`` returns user and password for its outgoing proxy, or None."""

    def __init__(
        self,
        provider: Provider,
        dialler: Dialler,
        credentials: Callable[[], tuple[str, str] | None] = lambda: None,
    ) -> None:
        self._provider = provider
        self._dialler = dialler
        self._credentials = credentials
        self._pool: TunnelPool | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<TunnelClient {self._provider.name} tasks={len(self._tasks)}>"

    @property
    def connections(self) -> int:
        """How many connections there are, busy or not."""
        return len(self._pool.connections) if self._pool is not None else 0

    def begin(self, head: RequestHead, body: bytes) -> TunnelAnswer | None:
        """Nothing is sent here without waiting."""
        return None

    async def dial(
        self, head: RequestHead, body: bytes | BodySource, stale: UpstreamFailure | None = None
    ) -> TunnelAnswer:
        """Send a request; which connection it takes is the pool's business."""
        return await self.send(head, body)

    async def send(self, head: RequestHead, body: bytes | BodySource) -> TunnelAnswer:
        """Send a request and wait for the answer's head; ``UpstreamFailure`` when none comes."""
        timing = Timing(time.monotonic_ns())
        timeouts = {
            "connect": self._provider.connect_timeout,
            "pool": self._provider.connect_timeout,
            "read": head.first_byte_timeout,
            "write": head.first_byte_timeout,
        }
        try:
            response = await self._ask(_request(head, body, timing, timeouts))
        except ENGINE_ERRORS as error:
            raise failure_of(error, timing, answered=False) from error
        # Looked at anew for every read: from now on the pause between two pieces counts.
        timeouts["read"] = head.idle_timeout
        answer = TunnelAnswer(timing)
        self._keep(answer.follow(response)).add_done_callback(lambda _: self._close_unread(answer, response))
        return answer

    async def _ask(self, request: httpcore2.Request) -> httpcore2.Response:
        opened: list[httpcore2.AsyncNetworkStream] = []
        token = opened_here.set(opened)
        try:
            pool = self._pool or await self._make_pool()
            return await pool.handle_async_request(request)
        except BaseException:
            # The engine leaves a connection open that an outgoing proxy has refused to lead on.
            for stream in opened:
                await stream.aclose()
            raise
        finally:
            opened_here.reset(token)

    async def _make_pool(self) -> TunnelPool:
        provider, origin = self._provider, origin_of(self._provider)
        context = None
        if origin.is_tls:
            # The pool changes its context (the protocols that are offered): this one is nobody else's. Reading a store
            # of certificates takes some tens of milliseconds.
            files = (origin.ca_file, origin.client_cert, origin.client_key)
            context = await asyncio.get_running_loop().run_in_executor(None, new_context, *files)
        if self._pool is None:
            proxy = None if provider.proxy is None else httpcore2.Proxy(provider.proxy, auth=self._credentials())
            self._pool = TunnelPool(
                ssl_context=context,
                proxy=proxy,
                max_connections=None,
                max_keepalive_connections=_MAX_IDLE,
                keepalive_expiry=IDLE_SECONDS,
                http2=provider.http2,
                network_backend=CheckedNetwork(self._dialler, origin, allow_private_proxy=provider.allow_private_proxy),
            )
        return self._pool

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _close_unread(self, answer: TunnelAnswer, response: httpcore2.Response) -> None:
        """An answer that was given up before its task had begun has not been closed by it."""
        if not answer.is_closed:
            answer.is_closed = True
            self._keep(asyncio.get_running_loop().create_task(response.aclose(), name="close an answer"))

    async def close(self) -> None:
        """Close every connection."""
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._pool is not None:
            await self._pool.aclose()


def _request(
    head: RequestHead, body: bytes | BodySource, timing: Timing, timeouts: dict[str, float]
) -> httpcore2.Request:
    """Return the request with exactly the headers of the head, in order, and framing."""
    lines = head.lines.split(b"\r\n")[1:-1]
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    content: bytes | AsyncIterator[bytes] | None = None
    if isinstance(body, bytes):
        length, content = len(body), body
    else:
        length, content = body.length, _slices(body.slices())
    if length or head.method not in _BODILESS:
        headers.append((b"Content-Length", b"%d" % length))
    else:
        content = None
    origin = head.origin
    url = httpcore2.URL(
        scheme=b"https" if origin.is_tls else b"http",
        host=origin.host.encode("idna" if not origin.host.isascii() else "ascii"),
        port=origin.port,
        target=head.target,
    )
    return httpcore2.Request(
        head.method,
        url,
        headers=headers,
        content=content,
        extensions={"timeout": timeouts, "trace": _Tracer(timing).trace},
    )


async def _slices(slices: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in slices:
        yield piece


class _Tracer:
    """Notes when a connection was there and when the request had left."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        timing.reused = True

    async def trace(self, event: str, _info: object) -> None:
        """Hear of a step; a request on a kept connection connects to nobody."""
        name = event.partition(".")[2]
        timing = self._timing
        if name in ("connect_tcp.complete", "start_tls.complete", "setup_socks5_connection.complete"):
            timing.connected_ns, timing.reused = time.monotonic_ns(), False
        elif name == "send_request_body.complete":
            timing.sent_ns = time.monotonic_ns()
