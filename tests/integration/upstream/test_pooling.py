"""Connections kept and lost, calls given up, time-outs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from proxy.domain.provider import Provider
from proxy.upstream import client as client_module
from proxy.upstream.answer import Answer
from proxy.upstream.client import UpstreamClient
from proxy.upstream.failure import FailureReason, UpstreamFailure
from tests.support.asking import send
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok, in_thread, one_after_another
from tests.support.waiting import wait_until_async

Providers = Callable[..., Provider]
EVENTS = (b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")


async def to_the_end(answer: Answer) -> None:
    while await answer.read() is not None:
        pass


async def endless_stream(turn: Turn) -> None:
    await turn.head(*EVENTS)
    await turn.chunk(b"data: 1\n\n")
    await turn.client_closed()


async def close(turn: Turn) -> None:
    turn.close()


async def reset(turn: Turn) -> None:
    turn.reset()


async def silence(turn: Turn) -> None:
    await turn.client_closed()


async def test_the_request_leaves_exactly_as_given(client: UpstreamClient, provider: Providers) -> None:
    headers = [(b"X-b", b"1"), (b"x-A", b"2"), (b"X-b", b"\xff 3")]
    async with ScriptedUpstream() as upstream:
        await send(client, provider(upstream.url), "POST", b"/v1/a%2Fb?q&r=%20", headers, b"\0body")
        await send(client, provider(upstream.url), "GET", b"/", [], b"")
    host = b"127.0.0.1:%d" % upstream.port
    first, second = upstream.requests
    assert first.head == (
        b"POST /v1/a%%2Fb?q&r=%%20 HTTP/1.1\r\nHost: %s\r\nX-b: 1\r\nx-A: 2\r\nX-b: \xff 3\r\nContent-Length: 5\r\n\r\n"
        % host
    )
    assert first.body == b"\0body"
    assert second.head == b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host


@pytest.mark.parametrize(
    "header", [(b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x\r\ny", b"a"), (b"x", b"\r"), (b"x", b"\0")]
)
async def test_line_breaks_never_leave(
    client: UpstreamClient, provider: Providers, header: tuple[bytes, bytes]
) -> None:
    async with ScriptedUpstream() as upstream:
        with pytest.raises(UpstreamFailure, match="line break"):
            await send(client, provider(upstream.url), "POST", b"/", [header], b"x")
        with pytest.raises(UpstreamFailure, match="line break"):
            await send(client, provider(upstream.url), "POST", b"/ HTTP/1.1\r\nx: y", [], b"x")
        assert upstream.connections == 0


async def test_connections_are_used_again(client: UpstreamClient, provider: Providers) -> None:
    async with ScriptedUpstream() as upstream:
        where = provider(upstream.url)
        timings = [(await send(client, where, "GET", b"/", [], b"")).timing for _ in range(5)]
        assert [timing.reused for timing in timings] == [False, True, True, True, True]
        assert upstream.connections == 1
        closing = (b"Connection: close",)
        upstream.scenario = lambda turn: turn.answer(b"", *closing)
        await send(client, where, "GET", b"/", [], b"")
        assert client.idle == 0


@pytest.mark.parametrize("end", [close, reset])
async def test_a_stale_connection_is_replaced_once(
    client: UpstreamClient, provider: Providers, end: Callable[[Turn], object]
) -> None:
    async with ScriptedUpstream(one_after_another(answer_ok, end, answer_ok)) as upstream:  # type: ignore[arg-type]
        where = provider(upstream.url)
        await send(client, where, "POST", b"/", [], b"1")
        answer = await send(client, where, "POST", b"/", [], b"2")
        assert (answer.status, answer.timing.reused) == (200, False)
        assert [item.body for item in upstream.requests] == [b"1", b"2", b"2"]


async def test_a_stale_connection_is_replaced_no_more_than_once(client: UpstreamClient, provider: Providers) -> None:
    async with ScriptedUpstream(one_after_another(answer_ok, close)) as upstream:
        where = provider(upstream.url)
        await send(client, where, "POST", b"/", [], b"1")
        with pytest.raises(UpstreamFailure) as broken:
            await send(client, where, "POST", b"/", [], b"2")
        assert broken.value.reason in (FailureReason.CLOSED_EARLY, FailureReason.RESET)
        assert len(upstream.requests) == 3


async def test_an_upstream_that_breaks_while_it_works_is_not_asked_again(
    client: UpstreamClient, provider: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "STALE_SECONDS", 0.0)
    async with ScriptedUpstream(one_after_another(answer_ok, close, answer_ok)) as upstream:
        where = provider(upstream.url)
        await send(client, where, "POST", b"/", [], b"1")
        with pytest.raises(UpstreamFailure):
            await send(client, where, "POST", b"/", [], b"2")
        assert len(upstream.requests) == 2


async def test_an_answer_that_began_is_not_asked_for_again(client: UpstreamClient, provider: Providers) -> None:
    async def half_a_head(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 ")
        turn.close()

    async with ScriptedUpstream(one_after_another(answer_ok, half_a_head, answer_ok)) as upstream:
        where = provider(upstream.url)
        await send(client, where, "POST", b"/", [], b"1")
        with pytest.raises(UpstreamFailure) as broken:
            await send(client, where, "POST", b"/", [], b"2")
        assert broken.value.answered
        assert len(upstream.requests) == 2


async def test_idle_connections_are_capped_and_expire(provider: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    async def together(turn: Turn) -> None:
        await turn.released()
        await answer_ok(turn)

    monkeypatch.setattr(client_module, "SWEEP_SECONDS", 0.02)
    client = UpstreamClient(max_idle=3)
    async with ScriptedUpstream(together) as upstream:
        where = provider(upstream.url)
        calls = asyncio.gather(*(send(client, where, "GET", b"/", [], b"") for _ in range(10)))
        await wait_until_async(lambda: len(upstream.requests) == 10, "ten calls at once")
        upstream.release()
        await calls
        assert client.idle == 3
        await wait_until_async(lambda: upstream.open_connections == 3, "the others are closed")
        monkeypatch.setattr("proxy.upstream.pool.IDLE_SECONDS", 0.0)
        await wait_until_async(lambda: client.idle == upstream.open_connections == 0, "idle ones are closed")
    await client.close()


async def test_the_script_that_kills_other_pools(client: UpstreamClient, provider: Providers) -> None:
    """120 streams, ten at a time, are cancelled at every stage; then calls go through, and nothing is left over."""
    async with ScriptedUpstream(endless_stream) as upstream:
        where = provider(upstream.url)

        async def stream() -> None:
            answer = await send(client, where, "POST", b"/", [], b"{}")
            try:
                await to_the_end(answer)
            finally:
                answer.abort()

        for steps in range(12):
            tasks = [asyncio.get_running_loop().create_task(stream(), name="stream") for _ in range(10)]
            for _ in range(steps):
                await asyncio.sleep(0)
            if steps % 3 == 0:
                await wait_until_async(lambda: upstream.open_connections >= 10, "the streams run")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await wait_until_async(lambda: upstream.open_connections == 0, "every stream was closed")
        assert "busy=0 idle=0" in repr(client)
        upstream.scenario = answer_ok
        answers = await asyncio.gather(*(send(client, where, "GET", b"/", [], b"") for _ in range(10)))
        assert {answer.status for answer in answers} == {200}


async def test_streams_never_make_another_call_wait(client: UpstreamClient, provider: Providers) -> None:
    async with ScriptedUpstream(endless_stream) as upstream:
        where = provider(upstream.url)
        streams = await asyncio.gather(*(send(client, where, "POST", b"/", [], b"{}") for _ in range(200)))
        upstream.scenario = answer_ok
        assert (await send(client, where, "GET", b"/", [], b"")).status == 200
        for answer in streams:
            answer.abort()
        await wait_until_async(lambda: upstream.open_connections == 1, "the streams were closed")


async def test_abort_in_the_middle_closes_upstream_and_wakes_the_reader(
    client: UpstreamClient, provider: Providers
) -> None:
    async with ScriptedUpstream(endless_stream) as upstream:
        answer = await send(client, provider(upstream.url), "POST", b"/", [], b"{}")
        assert await answer.read() is not None
        reading = asyncio.ensure_future(answer.read())
        await asyncio.sleep(0)
        answer.abort()
        answer.abort()
        with pytest.raises(UpstreamFailure):
            await reading
        await wait_until_async(lambda: upstream.open_connections == 0, "upstream saw the end")


async def test_closing_the_client_breaks_open_answers(client: UpstreamClient, provider: Providers) -> None:
    async def until_close(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await turn.client_closed()

    async with ScriptedUpstream(until_close) as upstream:
        answer = await send(client, provider(upstream.url), "GET", b"/", [], b"")
        await client.close()
        with pytest.raises(UpstreamFailure):
            await to_the_end(answer)
        assert not answer.is_finished


# -- time-outs ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_sweep")
async def test_silence_before_the_head(client: UpstreamClient, provider: Providers) -> None:
    async with ScriptedUpstream(silence) as upstream:
        with pytest.raises(UpstreamFailure) as broken:
            await send(client, provider(upstream.url, first_byte_timeout=0.05), "POST", b"/", [], b"{}")
        assert broken.value.reason is FailureReason.FIRST_BYTE_TIMEOUT
        await wait_until_async(lambda: upstream.open_connections == 0, "the connection was closed")


@pytest.mark.usefixtures("quick_sweep")
async def test_a_dripped_head_and_interim_answers_do_not_extend_the_time(
    client: UpstreamClient, provider: Providers
) -> None:
    async def drip(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        while True:
            await turn.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX: "[:28])
            await asyncio.sleep(0.01)

    async with ScriptedUpstream(drip) as upstream:
        with pytest.raises(UpstreamFailure) as broken:
            await send(client, provider(upstream.url, first_byte_timeout=0.1), "POST", b"/", [], b"{}")
        assert broken.value.reason is FailureReason.FIRST_BYTE_TIMEOUT


@pytest.mark.usefixtures("quick_sweep")
async def test_silence_in_the_middle(client: UpstreamClient, provider: Providers) -> None:
    async with ScriptedUpstream(endless_stream) as upstream:
        answer = await send(client, provider(upstream.url, idle_timeout=0.05), "POST", b"/", [], b"{}")
        with pytest.raises(UpstreamFailure) as broken:
            await to_the_end(answer)
        assert broken.value.reason is FailureReason.IDLE_TIMEOUT


@pytest.mark.usefixtures("quick_sweep")
async def test_the_clients_own_patience_lengthens_the_time(client: UpstreamClient, provider: Providers) -> None:
    async def late(turn: Turn) -> None:
        await turn.released()
        await answer_ok(turn)

    async with ScriptedUpstream(late) as upstream:
        where = provider(upstream.url, first_byte_timeout=0.05)
        asyncio.get_running_loop().call_later(0.25, upstream.release)
        assert (await send(client, where, "POST", b"/", [], b"{}", read_timeout=20)).status == 200


def test_the_upstream_runs_beside_the_official_client() -> None:
    import openai

    chat = b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[]}'

    async def answer(turn: Turn) -> None:
        await turn.answer(chat, b"Content-Type: application/json")

    with in_thread(ScriptedUpstream(answer)) as upstream:
        with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="k", max_retries=0) as sdk:
            assert sdk.chat.completions.create(model="m", messages=[]).id == "1"
        assert upstream.requests[0].request_line == b"POST /v1/chat/completions HTTP/1.1"


async def test_an_upstream_that_closes_at_once_is_noticed(client: UpstreamClient, provider: Providers) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    where = provider(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with contextlib.closing(server):
        for _ in range(20):
            with pytest.raises(UpstreamFailure) as broken:
                await asyncio.wait_for(send(client, where, "POST", b"/", [], b"{}"), 5)
            assert broken.value.reason in (FailureReason.CLOSED_EARLY, FailureReason.RESET)
