"""The client's connection when the client is slow, broken, too generous, or would rather speak another protocol."""

from __future__ import annotations

import asyncio
import http.client
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.outcome import Outcome
from proxy.settings.values import Settings
from proxy.spool.page import Page
from tests.integration.gateway.conftest import LIMITS
from tests.integration.gateway.test_endings import code, ended
from tests.support.client import Client
from tests.support.gateway import RunningGateway, provider, running_gateway
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


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE"])
async def test_a_method_that_is_no_api_call_is_refused(
    proxy: RunningGateway, upstream: ScriptedUpstream, method: bytes
) -> None:
    """The answer to TRACE would repeat our own key to a client that does not have it."""
    async with Client(proxy.port) as client:
        await client.raw(method + b" /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await client.reply()).status == 405
        assert await client.is_closed()
    assert not upstream.requests


@pytest.mark.parametrize("version", [b"", b" HTTP/0.9", b" HTTP/2.0", b" HTTP/1.2", b" HTTP/1.1 x", b" ICE/1.0"])
async def test_a_line_of_another_version_is_no_request(
    proxy: RunningGateway, upstream: ScriptedUpstream, version: bytes
) -> None:
    async with Client(proxy.port) as client:
        await client.raw(b"POST /v1/x" + version + b"\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        reply = await client.reply()
        assert (reply.status, reply.headers("x-dashcam-error")) == (400, ["invalid_http"])
        assert await client.is_closed()
    assert not upstream.requests


async def test_http_1_0_is_answered_and_closed(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(proxy.port) as client:
        await client.raw(b"POST /v1/x HTTP/1.0\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        assert (await client.reply()).status == 200
        assert await client.is_closed()


@pytest.mark.parametrize("target", [b"http://127.0.0.1/v1/models", b"*", b"/metrics/../x"])
async def test_a_refusal_without_a_row_names_no_id(proxy: RunningGateway, target: bytes) -> None:
    async with Client(proxy.port) as client:
        await client.raw(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reply = await client.reply()
    assert (reply.status, reply.headers("x-dashcam-error")) == (400, ["invalid_path"])
    assert not reply.headers("x-dashcam-id")
    assert (proxy.page.get(Page.REFUSED_CONNECTIONS), proxy.calls()) == (1, [])


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


@pytest.mark.parametrize("leaves", [True, False], ids=["left", "too slow"])
async def test_a_request_that_never_arrived_whole_is_counted_once(proxy: RunningGateway, leaves: bool) -> None:
    async with Client(proxy.port) as client:
        await client.send("POST", "/v1/files", b"", "Content-Length: 300000")
        await wait_until_async(lambda: any(item.call for item in proxy.server._connections()), "the call has begun")
        if leaves:
            client.reset()
        else:
            assert code(await client.reply()) == "request_timeout"
    await wait_until_async(lambda: not proxy.server._connections(), "the connection is gone")
    await wait_until_async(lambda: proxy.page.get(Page.REFUSED_CONNECTIONS), "it is counted")
    assert (proxy.page.get(Page.REFUSED_CONNECTIONS), proxy.calls()) == (1, [])


async def test_draining_waits_for_a_request_that_is_still_arriving(
    proxy: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.gateway.traffic.LEAVE_SECONDS", 0.0)
    async with Client(proxy.port) as client:
        await client.send("POST", "/v1/files", b"", "Content-Length: 300000")
        await wait_until_async(lambda: any(item.call for item in proxy.server._connections()), "the call has begun")
        proxy.server.leave()
        await wait_until_async(lambda: proxy.gateway.is_draining, "the drain has begun")
        await client.raw(b"x" * 300_000)
        assert (await client.reply()).status == 200
    (call,) = await ended(proxy)
    assert (call.start.request_bytes, call.end and call.end.outcome) == (300_000, Outcome.COMPLETED)


async def test_requests_that_are_still_arriving_count_as_calls_in_flight(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    settings = Settings(
        data_dir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        limits=replace(LIMITS, in_flight=1),
        providers=(provider(upstream.port),),
    )
    async with running_gateway(tmp_path, settings) as proxy, Client(proxy.port) as first, Client(proxy.port) as second:
        await first.send("POST", "/v1/files", b"", "Content-Length: 300000")
        await wait_until_async(lambda: any(item.call for item in proxy.server._connections()), "the call has begun")
        assert code(await second.ask("POST", "/v1/x", b"{}")) == "proxy_overloaded"
        await first.raw(b"x" * 300_000)
        assert (await first.reply()).status == 200
        assert (await second.ask("POST", "/v1/x", b"{}")).status == 200
