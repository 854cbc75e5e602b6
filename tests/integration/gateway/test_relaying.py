"""Bytes pass as they came, both ways, as soon as they came; and the spool tells the truth about it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from pathlib import Path

import pytest

from proxy.domain.outcome import Outcome
from proxy.protocol.injection import apply
from tests.integration.gateway.conftest import CHUNKED, SSE, stream
from tests.support.client import Client
from tests.support.gateway import RunningGateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn

ODD = b'{ "model":"m",\n"a":"\\u00e9\\/", "n":1.0, "big":123456789012345678901234567890, "model":"m" }'


async def test_a_request_leaves_as_it_came(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(proxy.port) as client:
        reply = await client.ask(
            "POST", "/v1/brand_new_thing?x=%2F&y", ODD, "Authorization: Bearer sk-secret", "OpenAI-Beta: a"
        )
    sent = upstream.requests[0]
    assert (sent.request_line, sent.body) == (b"POST /v1/brand_new_thing?x=%2F&y HTTP/1.1", ODD)
    assert sent.headers == [
        (b"Host", b"127.0.0.1:%d" % upstream.port),
        (b"Authorization", b"Bearer sk-secret"),
        (b"OpenAI-Beta", b"a"),
        (b"Content-Length", b"%d" % len(ODD)),
    ]
    assert reply.status == 200
    (call,) = proxy.calls()
    assert call.request == ODD
    assert call.answer == reply.body == b'{"ok":true}'
    assert call.end is not None
    assert call.end.outcome is Outcome.COMPLETED
    assert call.end.sent_bytes == call.end.received_bytes == len(reply.body)
    assert "sk-secret" not in repr(call)


async def test_the_reply_keeps_its_headers(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        headers = (b"Date: then", b"Server: them", b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"x-ratelimit-limit: 9")
        await turn.answer(b"{}", *headers, status=b"201 Made")

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}")
    assert reply.status == 201
    assert reply.headers("date") == ["then"]
    assert reply.headers("server") == ["them"]
    assert reply.headers("set-cookie") == ["a=1", "b=2"]
    assert reply.headers("x-ratelimit-limit") == ["9"]
    assert len(reply.headers("x-dashcam-id")) == 1


async def test_each_event_passes_before_the_next_is_sent(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    seen = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(b"data: 1\n\n")
        await seen.wait()
        await turn.chunk(b"data: 2\n\n")
        await turn.chunk(b"")

    upstream.scenario = script
    async with Client(proxy.port) as client:
        await client.send("POST", "/v1/chat/completions", b'{"stream":true}')
        assert b"data: 1\n\n" in await client.read_until(b"data: 1\n\n")
        seen.set()
        await client.read_until(b"0\r\n\r\n")
    (call,) = proxy.calls()
    assert call.answer == b"data: 1\n\ndata: 2\n\n"


async def test_injected_usage_is_never_seen_by_the_client(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        await stream(
            turn,
            b'data: {"choices":[{"delta":{"content":"x"}}],"usage":null}\n\n',
            b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
            b"data: [DONE]\n\n",
        )

    upstream.scenario = script
    body = b'{"model":"m","stream":true}'
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", body, "Accept-Encoding: gzip")
    assert reply.body == b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n'
    assert upstream.requests[0].body == b'{"stream_options":{"include_usage":true},"model":"m","stream":true}'
    assert upstream.requests[0].header(b"accept-encoding") == b"identity"
    (call,) = proxy.calls()
    assert call.request == body
    assert apply(call.request, call.start.edits) == upstream.requests[0].body
    assert b'"prompt_tokens":1' in call.answer
    assert call.end is not None
    assert call.end.sent_bytes == len(reply.body)


async def test_usage_is_taken_out_of_an_answer_that_says_it_is_not_compressed(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    async def script(turn: Turn) -> None:
        await turn.answer(
            b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n', SSE, b"Content-Encoding: identity"
        )

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b'{"model":"m","stream":true}')
    assert reply.body == b"data: [DONE]\n\n"
    assert reply.headers("content-encoding") == ["identity"]


async def test_a_provider_that_compresses_against_our_wish_is_asked_for_usage_once(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """What is compressed cannot be taken out: the client would get from every stream what it did not ask for."""
    packed = gzip.compress(b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n')

    async def script(turn: Turn) -> None:
        await turn.answer(packed, SSE, b"Content-Encoding: gzip")

    upstream.scenario = script
    body = b'{"model":"m","stream":true}'
    async with Client(proxy.port) as client:
        for _ in range(2):
            assert (await client.ask("POST", "/v1/chat/completions", body)).body == packed
    assert [b"stream_options" in sent.body for sent in upstream.requests] == [True, False]


async def test_a_refused_usage_option_is_taken_back_once(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        if b"stream_options" in turn.request.body:
            await turn.answer(b'{"error":{"message":"unknown field stream_options"}}', status=b"422 No")
        else:
            await stream(turn, b"data: [DONE]\n\n")

    upstream.scenario = script
    body = b'{"model":"m","stream":true}'
    async with Client(proxy.port) as client:
        first = await client.ask("POST", "/v1/chat/completions", body)
        second = await client.ask("POST", "/v1/chat/completions", body)
    assert first.status == second.status == 200
    assert [request.body == body for request in upstream.requests] == [False, True, True]
    calls = proxy.calls()
    assert [len(call.end.attempts) for call in calls if call.end] == [2, 1]


async def test_a_large_body_goes_through_a_side_file(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    body = b'{"x":"' + b"y" * 3_000_000 + b'","model":"big","stream":true}'
    async with Client(proxy.port) as client:
        await client.ask("POST", "/v1/chat/completions", body)
    assert upstream.requests[0].body == b'{"stream_options":{"include_usage":true},' + body[1:]
    (call,) = proxy.calls()
    assert call.start.model == "big"
    assert call.start.request_sha256 == hashlib.sha256(body).hexdigest()
    folder = Path(proxy.settings.spool_dir) / proxy.gateway.spool.folder.name / "bodies"
    assert (folder / str(call.start.side_file)).read_bytes() == body


async def test_a_chunked_request_gets_a_length(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(proxy.port) as client:
        await client.raw(
            b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n'
        )
        await client.reply()
    assert upstream.requests[0].body == b'{"a":1}'
    assert upstream.requests[0].header(b"content-length") == b"7"
    assert upstream.requests[0].header(b"transfer-encoding") is None


async def test_expect_continue_is_answered_here(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(proxy.port) as client:
        await client.raw(b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await client.raw(b"{}")
        assert (await client.reply()).status == 200
    assert upstream.requests[0].header(b"expect") is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_passes(proxy: RunningGateway, upstream: ScriptedUpstream, method: str) -> None:
    async with Client(proxy.port) as client:
        reply = await client.ask(method, "/v1/files/f", b"")
    assert upstream.requests[0].request_line.startswith(method.encode())
    assert reply.status == 200
    assert reply.body == (b"" if method == "HEAD" else b'{"ok":true}')


@pytest.mark.parametrize("status", [204, 304])
async def test_no_body_is_invented(proxy: RunningGateway, upstream: ScriptedUpstream, status: int) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(status=b"%d Nothing" % status)

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("DELETE", "/v1/files/f", b"")
    assert (reply.status, reply.body, reply.headers("content-length")) == (status, b"", [])


async def test_a_provider_path_is_relayed_below_its_root(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(proxy.port) as client:
        await client.ask("POST", "/main/api/generate", b"{}")
    assert upstream.requests[0].request_line == b"POST /api/generate HTTP/1.1"


async def test_a_connection_serves_one_call_after_another(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(proxy.port) as client:
        for _ in range(3):
            assert (await client.ask("POST", "/v1/x", b"{}")).status == 200
    assert len(upstream.requests) == 3
    assert upstream.connections == 1
