"""Each way a call can end leaves one truthful record, tells the client what it must know, and frees the upstream."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from proxy.domain.outcome import Outcome
from proxy.settings.values import Settings
from tests.integration.gateway.conftest import CHUNKED, LIMITS, SSE
from tests.support.client import Client, Reply
from tests.support.gateway import RunningGateway, SpooledCall, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok
from tests.support.waiting import wait_until_async

STREAM = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
EVENT = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'


async def one_event(turn: Turn) -> None:
    """Begin a stream that never goes on."""
    await turn.head(SSE, CHUNKED)
    await turn.chunk(EVENT)
    await turn.client_closed()


async def leave_after_one_event(proxy: RunningGateway) -> None:
    async with Client(proxy.port) as client:
        await client.send("POST", "/v1/chat/completions", STREAM)
        await client.read_until(b"\n\n")
        client.reset()


def code(reply: Reply) -> str:
    return str(json.loads(reply.body)["error"]["code"])


async def ended(proxy: RunningGateway, count: int = 1) -> list[SpooledCall]:
    """Wait until so many calls have ended; return them."""

    def have_ended() -> bool:
        calls = proxy.calls()
        return len(calls) >= count and all(call.end is not None for call in calls)

    await wait_until_async(have_ended, "so many calls have ended")
    calls = proxy.calls()
    assert all(call.ends == 1 for call in calls)
    return calls


async def outcome_of(proxy: RunningGateway) -> Outcome:
    (call,) = await ended(proxy)
    assert call.end is not None
    return call.end.outcome


async def test_an_error_answer_passes_and_is_one(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        await turn.answer(b"<html>busy</html>", b"Retry-After: 7", status=b"503 Busy")

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}")
    assert (reply.status, reply.body, reply.headers("retry-after")) == (503, b"<html>busy</html>", ["7"])
    assert await outcome_of(proxy) is Outcome.UPSTREAM_ERROR


async def test_a_refused_connection_is_a_502(tmp_path: Path, unused_port: int) -> None:
    settings = Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), providers=(provider(unused_port),))
    async with running_gateway(tmp_path, settings) as proxy:
        async with Client(proxy.port) as client:
            reply = await client.ask("POST", "/v1/chat/completions", b"{}")
        assert (reply.status, code(reply)) == (502, "upstream_unreachable")
        (call,) = proxy.calls()
        assert call.end is not None
        assert call.end.outcome is Outcome.UPSTREAM_UNREACHABLE
        assert call.end.attempts[0].error == "refused"


async def test_silence_before_the_answer_is_a_504(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    upstream.scenario = Turn.client_closed
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}")
    assert (reply.status, code(reply)) == (504, "timed_out")
    assert await outcome_of(proxy) is Outcome.TIMED_OUT
    await wait_until_async(lambda: upstream.open_connections == 0, "the upstream is free")


@pytest.mark.parametrize("way", ["reset", "close"])
async def test_a_connection_lost_before_the_answer_is_a_502(
    proxy: RunningGateway, upstream: ScriptedUpstream, way: str
) -> None:
    async def script(turn: Turn) -> None:
        getattr(turn, way)()

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}")
    assert (reply.status, code(reply)) == (502, "upstream_unreachable")
    assert await outcome_of(proxy) is Outcome.UPSTREAM_UNREACHABLE
    assert len(upstream.requests) == 1


async def test_garbage_is_a_502(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        await turn.send(b"SSH-2.0-hello\r\n\r\n")

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}")
    assert (reply.status, code(reply)) == (502, "upstream_invalid_answer")
    assert await outcome_of(proxy) is Outcome.UPSTREAM_ERROR


@pytest.mark.parametrize(
    ("codings", "status", "outcome"),
    [
        ((b"Transfer-Encoding: gzip, chunked",), 502, Outcome.UPSTREAM_ERROR),
        ((b"Transfer-Encoding: gzip", b"transfer-encoding: chunked"), 502, Outcome.UPSTREAM_ERROR),
        ((b"transfer-encoding: identity, Chunked",), 200, Outcome.COMPLETED),
    ],
)
async def test_a_transfer_coding_nobody_asked_for_is_a_502_and_not_passed_on_without_its_name(
    proxy: RunningGateway, upstream: ScriptedUpstream, codings: tuple[bytes, ...], status: int, outcome: Outcome
) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(b"Content-Type: application/json", *codings)
        await turn.chunk(gzip.compress(b'{"a":1}') if status == 502 else b'{"a":1}')
        await turn.chunk(b"")

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}", "TE: gzip", "Connection: TE")
    assert upstream.requests[0].header(b"te") is None
    assert (reply.status, await outcome_of(proxy)) == (status, outcome)
    if status == 502:
        assert code(reply) == "upstream_invalid_answer"
        assert "transfer coding 'gzip" in str(json.loads(reply.body)["error"]["message"])
    else:
        assert reply.body == b'{"a":1}'


async def test_a_stream_cut_between_events_gets_an_error_event_and_no_clean_end(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(EVENT)
        turn.close()

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", STREAM)
    events = reply.body.split(b"\n\n")
    assert events[0] + b"\n\n" == EVENT
    assert json.loads(events[1].removeprefix(b"data: "))["error"]["code"] == "upstream_aborted"
    assert not reply.is_clean
    (call,) = await ended(proxy)
    assert call.answer == EVENT
    assert call.end is not None
    assert call.end.outcome is Outcome.UPSTREAM_ABORTED
    (attempt,) = call.end.attempts
    assert (attempt.status, attempt.error) == (200, "closed_early")
    assert attempt.ended_ns is not None


async def test_a_stream_cut_inside_an_event_just_breaks(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(b"data: {half")
        turn.reset()

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", STREAM)
    assert (reply.body, reply.is_clean) == (b"data: {half", False)
    assert await outcome_of(proxy) is Outcome.UPSTREAM_ABORTED


async def test_a_body_shorter_than_it_said_is_no_clean_answer(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(b"Content-Type: application/json", b"Content-Length: 1000")
        await turn.send(b"x" * 500)
        turn.close()

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}")
    assert (len(reply.body), reply.is_clean) == (500, False)
    assert await outcome_of(proxy) is Outcome.UPSTREAM_ABORTED


async def test_silence_in_a_stream_times_out_with_an_event(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    upstream.scenario = one_event
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", STREAM)
    assert b'"timed_out"' in reply.body
    assert not reply.is_clean
    assert await outcome_of(proxy) is Outcome.TIMED_OUT


async def test_a_body_that_ends_by_close_ends_cleanly(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(b"Content-Type: application/json")
        await turn.send(b'{"a":1}')
        turn.close()

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}")
    assert (reply.body, reply.is_clean) == (b'{"a":1}', True)
    assert await outcome_of(proxy) is Outcome.COMPLETED


async def test_a_client_that_leaves_before_the_answer_frees_the_upstream(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = Turn.client_closed
    async with Client(proxy.port) as client:
        await client.send("POST", "/v1/chat/completions", b"{}")
        await wait_until_async(lambda: len(upstream.requests) == 1, "the upstream was asked")
        client.reset()
    await wait_until_async(lambda: upstream.open_connections == 0, "the upstream is free")
    (call,) = await ended(proxy)
    assert call.end is not None
    assert call.end.outcome is Outcome.CLIENT_GONE
    assert [(item.provider, item.status, item.error) for item in call.end.attempts] == [("main", None, None)]


async def test_a_client_that_leaves_in_a_silent_stream_frees_the_upstream(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = one_event
    await leave_after_one_event(proxy)
    await wait_until_async(lambda: upstream.open_connections == 0, "the upstream is free")
    (call,) = await ended(proxy)
    assert call.answer == EVENT
    assert call.end is not None
    assert call.end.outcome is Outcome.CLIENT_GONE


async def test_the_usage_of_an_almost_finished_answer_is_kept(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    left = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(EVENT)
        await left.wait()
        await turn.chunk(b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n')
        await turn.chunk(b"")

    upstream.scenario = script
    await leave_after_one_event(proxy)
    await wait_until_async(lambda: any(item.call.is_gone for item in proxy.gateway.exchanges), "it was noticed")
    left.set()
    (call,) = await ended(proxy)
    assert b"prompt_tokens" in call.answer
    assert call.end is not None
    assert call.end.outcome is Outcome.CLIENT_GONE


async def test_draining_lets_open_calls_finish_and_ends_the_rest_with_a_reason(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = one_event
    settings = Settings(
        data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), limits=LIMITS, providers=(provider(upstream.port),)
    )
    async with running_gateway(tmp_path, settings) as proxy:
        async with Client(proxy.port) as client:
            await client.send("POST", "/v1/chat/completions", STREAM)
            await client.read_until(b"\n\n")
            proxy.server.leave()
            rest = await client.read_until(b"}}\n\n\r\n")
            assert b"proxy_shutting_down" in rest
            assert await client.is_closed()
        (call,) = await ended(proxy)
        assert call.end is not None
        assert call.end.outcome is Outcome.SHUT_DOWN


async def test_a_second_request_before_the_answer_closes_after_it(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    async with Client(proxy.port) as client:
        request = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
        await client.raw(request + request)
        assert (await client.reply()).status == 200
        assert await client.is_closed()
    assert len(upstream.requests) == 1


async def test_bytes_behind_a_whole_request_do_not_cost_its_answer(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    async def script(turn: Turn) -> None:
        await turn.released()
        await answer_ok(turn)

    upstream.scenario = script
    async with Client(proxy.port) as client:
        await client.raw(b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{}")
        await wait_until_async(lambda: upstream.requests, "the request has arrived")
        upstream.gate.set()
        reply = await client.reply()
        assert (reply.status, reply.headers("connection")) == (200, ["close"])
        assert await client.is_closed()
    (call,) = await ended(proxy)
    assert call.end is not None
    assert call.end.outcome is Outcome.COMPLETED


async def test_a_bound_of_the_caller_ends_a_call_without_an_answer(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    async def silence(turn: Turn) -> None:
        await turn.client_closed()

    upstream.scenario = silence
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", STREAM, "x-dashcam-timeout: 0.1")
    assert (reply.status, code(reply), reply.headers("x-dashcam-error")) == (504, "timed_out", ["timed_out"])
    assert "0.1 s of x-dashcam-timeout" in json.loads(reply.body)["error"]["message"]
    assert reply.headers("x-should-retry") == []
    (call,) = await ended(proxy)
    assert call.end is not None
    assert (call.end.outcome, call.end.status, len(call.end.attempts)) == (Outcome.TIMED_OUT, 504, 1)
    assert upstream.requests[0].header(b"x-dashcam-timeout") is None
    await wait_until_async(lambda: upstream.open_connections == 0, "the upstream is free")


async def test_a_bound_of_the_caller_breaks_a_stream_off_with_a_reason(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = one_event
    async with Client(proxy.port) as client:
        await client.send("POST", "/v1/chat/completions", STREAM, "x-dashcam-timeout: 0.2")
        seen = await client.read_until(b"timed_out")
        assert EVENT in seen
    assert await outcome_of(proxy) is Outcome.TIMED_OUT
    await wait_until_async(lambda: upstream.open_connections == 0, "the upstream is free")


async def test_a_bound_that_was_kept_leaves_no_timer(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", b"{}", "x-dashcam-timeout: 3600")
        refused = await client.ask("POST", "/v1/chat/completions", b"{}", "x-dashcam-timeout: soon")
    assert (reply.status, refused.status, code(refused)) == (200, 400, "invalid_timeout")
    assert proxy.gateway._bounds._timers == {}
    assert len(upstream.requests) == 1


async def test_nothing_is_left_open_after_many_leaving_clients(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = one_event

    await asyncio.gather(*(leave_after_one_event(proxy) for _ in range(120)))
    await wait_until_async(lambda: upstream.open_connections == 0, "the upstream is free")
    calls = await ended(proxy, 120)
    assert {call.end.outcome for call in calls if call.end} == {Outcome.CLIENT_GONE}
    assert not proxy.gateway.exchanges
    upstream.scenario = answer_ok
    async with Client(proxy.port) as client:
        assert (await client.ask("POST", "/v1/x", b"{}")).status == 200
