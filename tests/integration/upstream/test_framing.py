"""How answers may be framed, and every way in which they break: real sockets, exact bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.domain.provider import Provider
from proxy.upstream.answer import Answer
from proxy.upstream.client import UpstreamClient
from proxy.upstream.failure import FailureReason, UpstreamFailure
from tests.support.asking import send
from tests.support.scripted_upstream import Scenario, ScriptedUpstream, Turn, answer_ok, one_after_another

Providers = Callable[..., Provider]


async def body_of(answer: Answer) -> bytes:
    body = b"".join([data for _, data in answer.take_ready()])
    while (piece := await answer.read()) is not None:
        body += piece[1]
    return body


async def ask(client: UpstreamClient, provider: Provider, method: str = "GET", body: bytes = b"") -> Answer:
    return await send(client, provider, method, b"/v1/x", [(b"Accept", b"*/*")], body)


def sending(*parts: bytes, then: str = "nothing") -> Scenario:
    async def scenario(turn: Turn) -> None:
        await turn.send(*parts)
        if then != "nothing":
            getattr(turn, then)()

    return scenario


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("raw", "then", "status", "body"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", "nothing", 200, b"hello"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "nothing", 200, b"hello"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "nothing", 200, b"hello"),
        (OK + b"\r\nhello", "close", 200, b"hello"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\nhello", "close", 200, b"hello"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", "close", 200, b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "nothing", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", "nothing", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", "nothing", 200, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", "nothing", 200, b"ok"),
    ],
)
async def test_an_answer_is_read_however_it_is_framed(
    client: UpstreamClient, provider: Providers, raw: bytes, then: str, status: int, body: bytes
) -> None:
    async with ScriptedUpstream(sending(raw, then=then)) as upstream:
        answer = await ask(client, provider(upstream.url))
        assert (answer.status, await body_of(answer)) == (status, body)
        assert answer.is_finished
        assert client.idle == (then == "nothing")


async def test_the_same_answer_byte_by_byte(client: UpstreamClient, provider: Providers) -> None:
    interim, head = (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 Fine\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    raw = interim + head + b"2\r\nok\r\n0\r\n\r\n"
    async with ScriptedUpstream(sending(*[raw[at : at + 1] for at in range(len(raw))])) as upstream:
        answer = await ask(client, provider(upstream.url))
        assert (answer.status, await body_of(answer)) == (200, b"ok")
        assert answer.headers == [(b"X-A", b"b"), (b"Transfer-Encoding", b"chunked")]


async def test_an_answer_to_head_has_no_body(client: UpstreamClient, provider: Providers) -> None:
    async with ScriptedUpstream(sending(OK + b"Content-Length: 99\r\n\r\n")) as upstream:
        answer = await ask(client, provider(upstream.url), "HEAD")
        assert (answer.is_finished, await body_of(answer)) == (True, b"")
        assert (b"Content-Length", b"99") in answer.headers


async def test_a_whole_answer_in_one_read_is_there_at_once(client: UpstreamClient, provider: Providers) -> None:
    async with ScriptedUpstream() as upstream:
        answer = await ask(client, provider(upstream.url))
        assert [data for _, data in answer.take_ready()] == [b'{"ok":true}']
        assert answer.is_finished


@pytest.mark.parametrize(
    ("raw", "then", "reason", "got"),
    [
        (OK + b"Content-Length: 9\r\n\r\nhello", "close", FailureReason.CLOSED_EARLY, b"hello"),
        (OK + b"Content-Length: 9\r\n\r\nhello", "reset", FailureReason.RESET, b"hello"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "close", FailureReason.CLOSED_EARLY, b"hello"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello", "close", FailureReason.CLOSED_EARLY, b"hello"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", "nothing", FailureReason.PROTOCOL, b"hello"),
        (OK + b"\r\nhello", "reset", FailureReason.RESET, b"hello"),
    ],
)
async def test_a_body_that_breaks_off_is_a_failure_after_what_came(
    client: UpstreamClient, provider: Providers, raw: bytes, then: str, reason: FailureReason, got: bytes
) -> None:
    head, _, body = raw.partition(b"\r\n\r\n")

    async def scenario(turn: Turn) -> None:
        await turn.send(head + b"\r\n\r\n" + body)
        if then != "nothing":
            await turn.released()
            getattr(turn, then)()

    async with ScriptedUpstream(scenario) as upstream:
        answer = await ask(client, provider(upstream.url))
        pieces = [data for _, data in answer.take_ready()]
        if not pieces:
            pieces = [(await answer.read() or (0, b""))[1]]
        upstream.release()
        with pytest.raises(UpstreamFailure) as broken:
            await body_of(answer)
        assert (broken.value.reason, b"".join(pieces)) == (reason, got)
        assert broken.value.answered
        assert not answer.is_finished
        assert client.idle == 0


@pytest.mark.parametrize(
    ("raw", "then", "reason"),
    [
        (b"", "close", FailureReason.CLOSED_EARLY),
        (b"", "reset", FailureReason.RESET),
        (b"HTTP/1.1 200 O", "close", FailureReason.CLOSED_EARLY),
        (b"SSH-2.0-OpenSSH\r\n", "nothing", FailureReason.PROTOCOL),
        (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "nothing", FailureReason.PROTOCOL),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", "nothing", FailureReason.PROTOCOL),
        (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "nothing", FailureReason.PROTOCOL),
        (OK + b"X: " + b"a" * 400_000, "nothing", FailureReason.HEAD_TOO_LARGE),
        (OK + b"X: y\r\n" * 80_000, "nothing", FailureReason.HEAD_TOO_LARGE),
        (b"HTTP/1.1 103 Early\r\n\r\n" * 20_000, "nothing", FailureReason.HEAD_TOO_LARGE),
    ],
    ids=range(10),
)
async def test_no_answer_is_a_failure_that_says_why(
    client: UpstreamClient, provider: Providers, raw: bytes, then: str, reason: FailureReason
) -> None:
    async with ScriptedUpstream(sending(raw, then=then)) as upstream:
        with pytest.raises(UpstreamFailure) as broken:
            await ask(client, provider(upstream.url))
        assert broken.value.reason is reason
        assert broken.value.answered == bool(raw)
        assert upstream.connections == 1


async def test_a_trailer_without_end_is_cut_off(client: UpstreamClient, provider: Providers) -> None:
    raw = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: "
    async with ScriptedUpstream(sending(raw, *[b"a" * 60_000] * 12)) as upstream:
        answer = await ask(client, provider(upstream.url))
        with pytest.raises(UpstreamFailure) as broken:
            await body_of(answer)
        assert broken.value.reason is FailureReason.HEAD_TOO_LARGE


@pytest.mark.parametrize(
    "surplus",
    [b"!", b"more than it said", b"HTTP/1.", OK + b"Content-Length: 4\r\n\r\nevil", b"HTTP/1.1 500 No\r\n\r\n"],
)
async def test_bytes_after_the_end_never_reach_another_call(
    client: UpstreamClient, provider: Providers, surplus: bytes
) -> None:
    first = sending(OK + b"Content-Length: 2\r\n\r\nok" + surplus)
    async with ScriptedUpstream(one_after_another(first, answer_ok)) as upstream:
        answer = await ask(client, provider(upstream.url))
        assert (answer.status, await body_of(answer)) == (200, b"ok")
        assert client.idle == 0
        again = await ask(client, provider(upstream.url))
        assert (again.status, await body_of(again)) == (200, b'{"ok":true}')
        assert [request.connection for request in upstream.requests] == [1, 2]
