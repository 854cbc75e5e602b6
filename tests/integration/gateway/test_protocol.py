"""The client's connection when the client is slow, broken, too generous, or would rather speak another protocol."""

from __future__ import annotations

import asyncio
import http.client

import pytest

from tests.integration.gateway.conftest import LIMITS
from tests.support.client import Client
from tests.support.gateway import RunningGateway
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.waiting import wait_until_async

H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
START = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"Content-Length: 13", b'{"model":"m"}'), (b"Transfer-Encoding: chunked", b'd\r\n{"model":"m"}\r\n0\r\n\r\n')],
)
async def test_an_offer_of_http_2_is_declined_and_the_request_served(
    proxy: RunningGateway, upstream: ScriptedUpstream, framing: bytes, body: bytes
) -> None:
    """Java's own client offers it with every request over plain HTTP, and httptools would drop the body."""
    async with Client(proxy.port) as client:
        for _ in range(2):
            await client.raw(START + b"\r\n".join((*H2C, framing, b"", body)))
            assert (await client.reply()).status == 200
    for sent in upstream.requests:
        assert (sent.body, sent.header(b"upgrade"), sent.header(b"http2-settings")) == (b'{"model":"m"}', None, None)
    assert len(upstream.requests) == 2
    assert [call.request for call in proxy.calls()] == [b'{"model":"m"}'] * 2


async def test_connect_is_refused(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(proxy.port) as client:
        await client.raw(b"CONNECT /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await client.reply()).status == 405
        assert await client.is_closed()
    assert not upstream.requests


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"2\n{}\n", b"2\r\n{}XX"])
async def test_a_body_that_breaks_its_own_framing_is_answered(proxy: RunningGateway, chunk: bytes) -> None:
    async with Client(proxy.port) as client:
        await client.raw(START + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        reply = await client.reply()
        assert (reply.status, reply.headers("x-dashcam-error")) == (400, ["invalid_http"])
    assert not proxy.calls()


async def test_a_body_that_is_declared_too_long_is_refused_before_it_is_sent(proxy: RunningGateway) -> None:
    async with Client(proxy.port) as client:
        await client.raw(START + b"Expect: 100-continue\r\nContent-Length: 4294967296\r\n\r\n")
        assert (await client.reply()).status == 413
    (call,) = proxy.calls()
    assert call.start.request_bytes == 4294967296
    assert call.end is not None
    assert (call.end.error_code, call.end.status) == ("request_too_large", 413)


async def test_a_client_that_sends_all_before_it_reads_gets_the_refusal(proxy: RunningGateway) -> None:
    """Closed at once, the kernel would answer what still comes with a reset, and that overtakes the answer."""

    def ask() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        connection.request("POST", "/v1/x", bytes(LIMITS.body_bytes // 4), {"Origin": "http://evil.example"})
        return connection.getresponse().status

    assert await asyncio.to_thread(ask) == 403


async def test_a_small_body_may_take_longer_than_a_head(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Client(proxy.port) as client:
        await client.raw(START + b"Content-Length: 400\r\n\r\n")
        for _ in range(4):
            await client.raw(b" " * 100)
            due = loop.time() + LIMITS.body_idle_timeout * 0.6
            await wait_until_async(lambda: loop.time() > due, "its time has come")  # noqa: B023
        assert (await client.reply()).status == 200
    assert loop.time() - began > LIMITS.header_timeout + LIMITS.body_idle_timeout
    assert upstream.requests[0].body == b" " * 400
