"""Clients that are slow on purpose or by nature: senders on a deadline, readers waited for until they stand still."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.outcome import Outcome
from proxy.settings.values import Settings
from proxy.spool.page import Page
from tests.integration.gateway.conftest import CHUNKED, LIMITS, SSE
from tests.integration.gateway.test_endings import code, ended
from tests.support.client import Client
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok
from tests.support.waiting import wait_until_async, wait_until_still

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
PIECE = bytes(range(256)) * 256
MANY = 200
"""Pieces of an answer of 13 MB: more than the kernel keeps for a client that reads nothing."""


@contextlib.asynccontextmanager
async def gateway(folder: Path, upstream: ScriptedUpstream, **limits: Any) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        data_dir=str(folder),
        run_dir=str(folder / "run"),
        limits=replace(LIMITS, **limits),
        providers=(provider(upstream.port),),
    )
    async with running_gateway(folder, settings) as running:
        yield running


async def pours(turn: Turn) -> None:
    """Answer with more than anybody buffers."""
    await turn.head(SSE, CHUNKED)
    for _ in range(MANY):
        await turn.chunk(PIECE)
    await turn.chunk(b"")


@contextlib.contextmanager
def reader(port: int, *headers: bytes, buffer: int = 4096) -> Iterator[socket.socket]:
    """Ask, and read nothing that the test does not read; the kernel keeps little for it."""
    request = HEAD + b"".join(b"%b\r\n" % line for line in headers) + b"Content-Length: 2\r\n\r\n{}"
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        made.connect(("127.0.0.1", port))
        made.sendall(request)
        made.setblocking(False)
        yield made


async def read_all(client: socket.socket, size: int = 1 << 16) -> bytes:
    """Read until the other side closes."""
    loop, found = asyncio.get_running_loop(), b""
    while data := await loop.sock_recv(client, size):
        found += data
        if found.endswith(b"\r\n0\r\n\r\n"):
            break
    return found


# -- readers ------------------------------------------------------------------------------------------------


async def test_a_reader_that_stands_still_is_cut_off_and_marked(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = pours
    async with gateway(tmp_path, upstream, write_stall=0.3) as proxy:
        with reader(proxy.port):
            await wait_until_async(lambda: proxy.page.get(Page.LIMIT_WRITE_STALL) == 1, "it is given up")
            (call,) = await ended(proxy)
        assert call.end is not None
        assert (call.end.outcome, call.end.error_code) == (Outcome.CLIENT_GONE, "client_stalled")
        await wait_until_async(lambda: upstream.open_connections == 0, "the upstream is free")
        await wait_until_async(lambda: proxy.page.get(Page.CLIENT_CONNECTIONS) == 0, "the connection is gone")
        assert proxy.gateway.ceilings.held_bytes == 0


async def test_a_slow_reader_holds_its_upstream_back_and_gets_every_byte(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = pours
    async with gateway(tmp_path, upstream, write_stall=5.0) as proxy:
        with reader(proxy.port, buffer=1 << 17) as client:
            await wait_until_async(lambda: proxy.gateway.ceilings.slow_readers, "it is slow")
            (exchange,) = proxy.gateway.exchanges
            await wait_until_still(lambda: exchange.observation.received_bytes)
            # What is not taken from the upstream lies in no memory of ours.
            assert exchange.observation.received_bytes < MANY * len(PIECE) // 2
            assert 0 < proxy.gateway.ceilings.held_bytes < 1 << 20
            head, _, body = (await read_all(client)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        text = b"".join(chunks_of(body))
        assert (len(text), text == PIECE * MANY) == (MANY * len(PIECE), True)
        (call,) = await ended(proxy)
        assert call.end is not None
        assert (call.end.outcome, call.end.sent_bytes) == (Outcome.COMPLETED, MANY * len(PIECE))
        assert proxy.gateway.ceilings.held_bytes == 0


def chunks_of(body: bytes) -> Iterator[bytes]:
    """Take chunked framing off."""
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if not size:
            return
        yield body[end + 2 : end + 2 + size]
        at = end + 2 + size + 2


async def test_slow_readers_cannot_fill_the_memory(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Where they would, the one that has been slow for longest goes; the others and new calls are served."""
    upstream.scenario = pours
    async with gateway(tmp_path, upstream, memory_bytes=1 << 20, write_stall=600.0) as proxy:
        with contextlib.ExitStack() as stack:
            clients = []
            for number in range(12):
                clients.append(stack.enter_context(reader(proxy.port)))
                slow = proxy.gateway.ceilings.slow_readers
                goal = number + 1
                await wait_until_async(
                    lambda: len(slow) + proxy.page.get(Page.LIMIT_MEMORY_BYTES) == goal,  # noqa: B023
                    "the next one is slow",
                )
                assert proxy.gateway.ceilings.held_bytes <= 1 << 20
            cut = proxy.page.get(Page.LIMIT_MEMORY_BYTES)
            assert 0 < cut < 12
            calls = await ended_of(proxy, cut)
            assert {call.end.error_code for call in calls if call.end} == {"client_stalled"}
            upstream.scenario = answer_ok
            async with Client(proxy.port) as client:
                assert (await client.ask("POST", "/v1/x", b"{}")).status == 200
        await wait_until_async(lambda: not proxy.gateway.exchanges, "all are over")
        assert proxy.gateway.ceilings.held_bytes == 0


async def ended_of(proxy: RunningGateway, count: int) -> list[Any]:
    """Wait until so many calls have ended, whatever becomes of the others; return those."""
    await wait_until_async(lambda: sum(call.end is not None for call in proxy.calls()) >= count, "so many have ended")
    return [call for call in proxy.calls() if call.end is not None]


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_rest_that_nobody_takes_holds_no_connection(
    tmp_path: Path, upstream: ScriptedUpstream, keep_alive: bool
) -> None:
    """The answer is over for its upstream and on record, and too short to be noticed as congestion."""

    async def script(turn: Turn) -> None:
        await turn.answer(bytes(60_000))

    upstream.scenario = script
    async with gateway(tmp_path, upstream, write_stall=0.3, keep_alive=0.3) as proxy:
        # The kernel takes next to nothing for the client, so that the rest stays in the transport.
        proxy.server._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with reader(proxy.port, b"X-Y: z" if keep_alive else b"Connection: close"):
            (call,) = await ended(proxy)
            assert call.end is not None
            assert call.end.outcome is Outcome.COMPLETED
            (connection,) = proxy.server._connections()
            assert 0 < connection.transport.get_write_buffer_size() < 1 << 16
            await wait_until_async(lambda: not proxy.server._connections(), "the connection is gone")


async def test_a_rest_that_is_taken_slowly_is_taken_whole(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        await turn.answer(bytes(60_000))

    upstream.scenario = script
    async with gateway(tmp_path, upstream, write_stall=1.0) as proxy:
        proxy.server._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        loop = asyncio.get_running_loop()
        with reader(proxy.port, b"Connection: close") as client:
            await ended(proxy)
            (connection,) = proxy.server._connections()
            unsent, found = connection._unsent_bytes, b""
            while len(found) < 30_000:
                found += await loop.sock_recv(client, 5000)
            await wait_until_async(lambda: connection._unsent_bytes < unsent, "the time is over, and it is waited on")
            while data := await loop.sock_recv(client, 5000):
                found += data
        assert found.endswith(b"\r\n\r\n" + bytes(60_000))


# -- senders ------------------------------------------------------------------------------------------------


DRIPS = {
    "nothing": (b"", b"", "header_timeout"),
    "half a head": (HEAD, b"", "header_timeout"),
    "a head that drips": (HEAD + b"X: ", b"a", "header_timeout"),
    "empty lines before a head": (b"\r\n", b"\r\n", "header_timeout"),
    "half a body": (HEAD + b"Content-Length: 100\r\n\r\n{", b"", "body_idle_timeout"),
    "a body that drips": (HEAD + b"Content-Length: 999999\r\n\r\n{", b"a", "body_timeout"),
    "a small body that drips": (HEAD + b"Content-Length: 9999\r\n\r\n{", b"a", "body_timeout"),
    "chunks that drip": (HEAD + CHUNKED + b"\r\n\r\n", b"1\r\na\r\n", "body_timeout"),
    "a trailer that drips": (HEAD + CHUNKED + b"\r\n\r\n1\r\na\r\n0\r\nX: ", b"a", "body_timeout"),
    "a chunk extension that drips": (HEAD + CHUNKED + b"\r\n\r\n1;", b"a", "body_timeout"),
}


@pytest.mark.parametrize(("begin", "drop", "limit"), DRIPS.values(), ids=DRIPS)
async def test_whoever_sends_too_slowly_meets_a_deadline(
    tmp_path: Path, upstream: ScriptedUpstream, begin: bytes, drop: bytes, limit: str
) -> None:
    limits = {"header_timeout": 0.5, "body_idle_timeout": 0.6, "body_timeout": 0.9, "body_rate": 1024}
    async with gateway(tmp_path, upstream, **limits) as proxy, Client(proxy.port) as client:
        await client.raw(begin)
        counter = getattr(Page, f"LIMIT_{limit.upper()}")
        while not proxy.page.get(counter):
            await client.raw(drop)
            due = asyncio.get_running_loop().time() + 0.05
            await wait_until_async(lambda: asyncio.get_running_loop().time() > due, "the next drop is due")  # noqa: B023
        if limit != "header_timeout" or begin == HEAD:
            assert (await client.reply()).status == 408
        await client.is_closed()
        await wait_until_async(lambda: not proxy.server._connections(), "the connection is gone")
        assert (proxy.page.get(counter), proxy.calls()) == (1, [])
        assert proxy.gateway.ceilings.held_bytes == 0


async def test_five_hundred_of_them_do_not_keep_others_from_being_served(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with gateway(tmp_path, upstream, header_timeout=2.0) as proxy, contextlib.AsyncExitStack() as stack:
        proxy.gateway.ceilings.connections = 1000
        slow = [await stack.enter_async_context(Client(proxy.port)) for _ in range(500)]
        for number, client in enumerate(slow):
            await client.raw(HEAD[: number % len(HEAD)])
        async with Client(proxy.port) as client:
            for _ in range(20):
                assert (await client.ask("POST", "/v1/x", b"{}")).status == 200
        await asyncio.gather(*(client.is_closed() for client in slow))
        await wait_until_async(lambda: len(proxy.server._connections()) <= 1, "they are gone")
        assert proxy.page.get(Page.LIMIT_HEADER_TIMEOUT) == 500
        assert len(proxy.calls()) == 20


@pytest.mark.parametrize("count", [256, 257, 1000])
async def test_a_head_has_only_so_many_headers(tmp_path: Path, upstream: ScriptedUpstream, count: int) -> None:
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        lines = b"".join(b"X-%d: 1\r\n" % number for number in range(count - 1))
        await client.raw(HEAD + lines + b"Content-Length: 2\r\n\r\n{}")
        reply = await client.reply()
        assert reply.status == (200 if count == 256 else 431)
        assert proxy.page.get(Page.LIMIT_HEADER_COUNT) == (count > 256)
        if count > 256:
            assert "limits.header_count" in reply.body.decode()


@pytest.mark.parametrize("size", [400_000, 1_000_000])
async def test_a_head_has_only_so_many_bytes(tmp_path: Path, upstream: ScriptedUpstream, size: int) -> None:
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        with contextlib.suppress(ConnectionError):
            await client.raw(HEAD + b"X: " + bytes(size).replace(b"\0", b"x"))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert code(await client.reply()) == "request_headers_too_large"
        await wait_until_async(lambda: proxy.page.get(Page.LIMIT_HEADER_BYTES) == 1, "it is counted")


@pytest.mark.parametrize("way", ["fin", "half", "rst"])
@pytest.mark.parametrize("length", [100, 300_000])
async def test_a_client_that_leaves_in_its_upload_is_counted_and_nothing_more(
    tmp_path: Path, upstream: ScriptedUpstream, way: str, length: int
) -> None:
    async with gateway(tmp_path, upstream) as proxy:
        with socket.socket() as client:
            client.connect(("127.0.0.1", proxy.port))
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n{" % length)
            await wait_until_async(lambda: any(item.call for item in proxy.server._connections()), "it has begun")
            if way == "rst":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif way == "half":
                client.shutdown(socket.SHUT_WR)
                await wait_until_async(lambda: not proxy.server._connections(), "the connection is gone")
        await wait_until_async(lambda: not proxy.server._connections(), "the connection is gone")
        await wait_until_async(lambda: proxy.page.get(Page.REFUSED_CONNECTIONS), "it is counted")
        assert (proxy.page.get(Page.REFUSED_CONNECTIONS), proxy.calls()) == (1, [])
        assert proxy.gateway.ceilings.held_bytes == 0


async def test_a_providers_time_outs_are_counted(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    settings = Settings(
        data_dir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        limits=LIMITS,
        providers=(provider(upstream.port, first_byte_timeout=0.3, idle_timeout=0.3),),
    )

    async def begins(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(b"data: 1\n\n")
        await turn.client_closed()

    async with running_gateway(tmp_path, settings) as proxy:
        for scenario in (Turn.client_closed, begins):
            upstream.scenario = scenario
            async with Client(proxy.port) as client:
                assert "timed_out" in (await client.ask("POST", "/v1/chat/completions", b"{}")).body.decode()
        assert (proxy.page.get(Page.LIMIT_FIRST_BYTE_TIMEOUT), proxy.page.get(Page.LIMIT_IDLE_TIMEOUT)) == (1, 1)
        assert proxy.page.get(Page.LIMIT_CONNECT_TIMEOUT) == 0
