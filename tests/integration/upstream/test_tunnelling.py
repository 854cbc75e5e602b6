"""The second way: real outgoing proxies, a real HTTP/2 server; the same bytes as on the first way."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.domain.provider import Provider
from proxy.upstream.answer import Headers
from proxy.upstream.client import UpstreamClient
from proxy.upstream.dialling import Dialler
from proxy.upstream.failure import FailureReason, UpstreamFailure
from proxy.upstream.request import RequestHead, head_for
from proxy.upstream.tunnel_answer import TunnelAnswer
from proxy.upstream.tunnelling import TunnelClient
from proxy.upstream.ways import Ways, credentials_of
from tests.support.certificates import Certificates
from tests.support.checkout import ROOT
from tests.support.outgoing import Http2Server, HttpProxy, SocksProxy
from tests.support.processes import free_port
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async

Make = Callable[..., Provider]
HEADERS: Headers = [
    (b"Authorization", b"Bearer K"), (b"X-Two", b"1"), (b"x-two", b"2"), (b"Accept-Encoding", b"gzip"),
    (b"User-Agent", b"mine/1"),
]  # fmt: skip
TARGET = b"/v1/models/a%2Fb?x=%7B&y"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@contextlib.asynccontextmanager
async def tunnel(provider: Provider, **values: object) -> AsyncIterator[TunnelClient]:
    client = TunnelClient(provider, Dialler(frozenset()), **values)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


def head(provider: Provider, method: str = "POST", target: bytes = TARGET, headers: Headers = HEADERS) -> RequestHead:
    return head_for(provider, method, target, headers)


async def whole(answer: TunnelAnswer) -> bytes:
    data = b""
    while (piece := await answer.read()) is not None:
        data += piece[1]
    return data


async def talk(turn: Turn) -> None:
    await turn.answer(b"\x1f\x8bnot decoded", b"Content-Encoding: gzip", b"Set-Cookie: a=b", b"X-Y: 1", b"x-y: 2")


async def test_over_a_connect_proxy_the_same_bytes_leave_and_come(provider: Make, certificates: Certificates) -> None:
    async with ScriptedUpstream(talk, tls=certificates.server_context()) as upstream, HttpProxy() as proxy:
        made = provider(f"https://localhost:{upstream.port}", proxy=proxy.url, ca_file=certificates.path("ca.pem"))
        async with tunnel(made) as client:
            for _ in range(2):
                answer = await client.send(head(made), b"body")
                assert (answer.status, await whole(answer)) == (200, b"\x1f\x8bnot decoded")
        assert [name for name, _ in answer.headers] == [
            b"Content-Encoding", b"Set-Cookie", b"X-Y", b"x-y", b"Content-Length",
        ]  # fmt: skip
        assert proxy.asked[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % upstream.port)
        assert b"Bearer" not in proxy.asked[0]
        assert proxy.connections == 1
        # The second request carries no cookie of the first one's answer.
        for request in upstream.requests:
            assert request.request_line == b"POST " + TARGET + b" HTTP/1.1"
            host = (b"Host", b"localhost:%d" % upstream.port)
            assert request.headers == [host, *HEADERS, (b"Content-Length", b"4")]
            assert request.body == b"body"


async def test_a_plain_upstream_is_asked_through_the_proxy_too(provider: Make) -> None:
    async with ScriptedUpstream(talk) as upstream, HttpProxy() as proxy:
        made = provider(upstream.url, proxy=proxy.url)
        async with tunnel(made) as client:
            answer = await client.send(head(made, "GET"), b"")
            assert await whole(answer) == b"\x1f\x8bnot decoded"
        (request,) = upstream.requests
        assert request.headers == [(b"Host", upstream.url[7:].encode()), *HEADERS]


async def test_a_proxy_at_a_private_address_needs_permission(provider: Make) -> None:
    async with ScriptedUpstream(talk) as upstream, HttpProxy() as proxy:
        made = provider(upstream.url, proxy=proxy.url, allow_private_proxy=False)
        async with tunnel(made) as client:
            with pytest.raises(UpstreamFailure) as caught:
                await client.send(head(made, "GET"), b"")
        assert caught.value.reason is FailureReason.BLOCKED_ADDRESS
        assert proxy.connections == 0


async def test_over_a_socks_proxy(provider: Make, certificates: Certificates) -> None:
    async with ScriptedUpstream(talk, tls=certificates.server_context()) as upstream, SocksProxy() as proxy:
        made = provider(f"https://localhost:{upstream.port}", proxy=proxy.url, ca_file=certificates.path("ca.pem"))
        async with tunnel(made) as client:
            answer = await client.send(head(made), b"body")
            assert await whole(answer) == b"\x1f\x8bnot decoded"
            assert answer.timing.connected_ns is not None
            assert answer.timing.sent_ns is not None
            assert answer.timing.reused is False
        assert proxy.asked == [("localhost", upstream.port)]
        assert upstream.requests[0].headers[1:-1] == HEADERS


async def test_the_proxy_is_shown_its_credentials_and_the_upstream_is_not(
    provider: Make, certificates: Certificates
) -> None:
    async with (
        ScriptedUpstream(talk, tls=certificates.server_context()) as upstream,
        HttpProxy(credentials="u:p:w") as proxy,
    ):
        made = provider(f"https://localhost:{upstream.port}", proxy=proxy.url, ca_file=certificates.path("ca.pem"))
        async with tunnel(made, credentials=lambda: ("u", "p:w")) as client:
            assert (await client.send(head(made), b"")).status == 200
        assert upstream.requests[0].header(b"proxy-authorization") is None
        async with tunnel(made) as client:
            with pytest.raises(UpstreamFailure) as caught:
                await client.send(head(made), b"")
    assert caught.value.reason is FailureReason.UNREACHABLE
    assert "407" in caught.value.message


def test_credentials_are_read_from_their_variable(provider: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = provider("http://x", proxy="http://p", proxy_auth_env="PROXY_AUTH")
    monkeypatch.delenv("PROXY_AUTH", raising=False)
    assert credentials_of(made) is None
    monkeypatch.setenv("PROXY_AUTH", "user:pass:word")
    assert credentials_of(made) == ("user", "pass:word")


async def test_why_nothing_came(provider: Make, certificates: Certificates) -> None:
    async def why(**values: object) -> UpstreamFailure:
        made = provider(f"https://localhost:{upstream.port}", connect_timeout=1.0, **values)
        async with tunnel(made) as client:
            with pytest.raises(UpstreamFailure) as caught:
                await client.send(head(made), b"")
        return caught.value

    ca = certificates.path("ca.pem")
    async with (
        ScriptedUpstream(talk, tls=certificates.server_context()) as upstream,
        HttpProxy(refuses=True) as http,
        SocksProxy(refuses=True) as socks,
        HttpProxy() as good,
    ):
        assert (await why(proxy=http.url, ca_file=ca)).reason is FailureReason.UNREACHABLE
        assert (await why(proxy=socks.url, ca_file=ca)).reason is FailureReason.UNREACHABLE
        assert (await why(proxy=f"http://127.0.0.1:{free_port()}", ca_file=ca)).reason is FailureReason.REFUSED
        assert (await why(proxy=good.url)).reason is FailureReason.TLS
        assert (await why(proxy="http://169.254.169.254:80", ca_file=ca)).reason is FailureReason.BLOCKED_ADDRESS
        assert (await why(http2=True, ca_file="/nowhere.pem")).reason is FailureReason.TLS


async def test_our_own_address_is_no_proxy_and_no_upstream(provider: Make) -> None:
    dialler = Dialler(frozenset({("127.0.0.1", 8484)}))
    for made in (
        provider("https://api.example", proxy="http://127.0.0.1:8484"),
        provider("https://127.0.0.1:8484", http2=True),
    ):
        client = TunnelClient(made, dialler)
        with pytest.raises(UpstreamFailure) as caught:
            await client.send(head(made), b"")
        assert caught.value.reason is FailureReason.BLOCKED_ADDRESS
        await client.close()


async def test_an_upstream_that_is_silent_or_breaks_off(provider: Make) -> None:
    async def hang(turn: Turn) -> None:
        await turn.client_closed()

    async def pause(turn: Turn) -> None:
        await turn.head(b"Content-Length: 10")
        await turn.send(b"half")
        await turn.client_closed()

    async def cut(turn: Turn) -> None:
        await turn.head(b"Content-Length: 10")
        await turn.send(b"half")
        await turn.arrived()
        turn.close()

    async with ScriptedUpstream(hang) as upstream, HttpProxy() as proxy:
        made = provider(upstream.url, proxy=proxy.url, first_byte_timeout=0.2, idle_timeout=0.3)
        async with tunnel(made) as client:
            with pytest.raises(UpstreamFailure) as caught:
                await client.send(head(made), b"")
            assert caught.value.reason is FailureReason.FIRST_BYTE_TIMEOUT
            for scenario, reason in ((pause, FailureReason.IDLE_TIMEOUT), (cut, FailureReason.CLOSED_EARLY)):
                upstream.scenario = scenario
                answer = await client.send(head(made), b"")
                with pytest.raises(UpstreamFailure) as caught:
                    await whole(answer)
                assert (caught.value.reason, caught.value.answered) == (reason, True)


async def test_a_large_body_is_read_slice_by_slice(provider: Make) -> None:
    class Slices:
        length = 300_000

        def slices(self) -> object:
            return iter([b"a" * 100_000] * 3)

    async with ScriptedUpstream(talk) as upstream, HttpProxy() as proxy:
        made = provider(upstream.url, proxy=proxy.url)
        async with tunnel(made) as client:
            await whole(await client.send(head(made), Slices()))  # type: ignore[arg-type]
        assert upstream.requests[0].body == b"a" * 300_000
        assert upstream.requests[0].header(b"content-length") == b"300000"
        assert upstream.requests[0].header(b"transfer-encoding") is None


async def test_a_stream_is_not_held_back(provider: Make) -> None:
    async def stream(turn: Turn) -> None:
        await turn.head(b"Transfer-Encoding: chunked")
        await turn.chunk(b"first")
        await turn.released()
        await turn.chunk(b"second")
        await turn.chunk(b"")

    async with ScriptedUpstream(stream) as upstream, SocksProxy() as proxy:
        made = provider(upstream.url, proxy=proxy.url)
        async with tunnel(made) as client:
            answer = await client.send(head(made), b"")
            first = await answer.read()
            assert first is not None
            assert first[1] == b"first"
            upstream.release()
            assert await whole(answer) == b"second"


async def test_what_nobody_takes_piles_up_no_higher_than_its_mark(provider: Make) -> None:
    async def pour(turn: Turn) -> None:
        await turn.head(b"Content-Length: 4000000")
        for _ in range(40):
            await turn.send(b"x" * 100_000)

    async with ScriptedUpstream(pour) as upstream, HttpProxy() as proxy:
        made = provider(upstream.url, proxy=proxy.url)
        async with tunnel(made) as client:
            answer = await client.send(head(made), b"")
            await wait_until_async(lambda: answer.unread > 64 * 1024, "the mark is passed")
            for _ in range(100):
                await asyncio.sleep(0)
            assert answer.unread < 256 * 1024
            assert len(await whole(answer)) == 4_000_000


async def test_streams_that_are_given_up_do_not_poison_the_pool(provider: Make) -> None:
    async def endless(turn: Turn) -> None:
        await turn.head(b"Transfer-Encoding: chunked")
        await turn.chunk(b"x")
        await turn.client_closed()

    async with ScriptedUpstream(endless) as upstream, HttpProxy() as proxy:
        made = provider(upstream.url, proxy=proxy.url)
        async with tunnel(made) as client:
            for number in range(120):
                if number % 3:
                    answer = await client.send(head(made), b"")
                    if number % 2:
                        await answer.read()
                    answer.abort()
                else:
                    task = asyncio.ensure_future(client.send(head(made), b""))
                    for _ in range(number // 3):
                        await asyncio.sleep(0)
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        (await task).abort()
            await wait_until_async(lambda: not upstream.open_connections, "every connection is closed")
            await wait_until_async(lambda: not client.connections, "the pool is empty")
            upstream.scenario = talk
            assert await whole(await client.send(head(made), b"")) == b"\x1f\x8bnot decoded"


async def test_over_http2_the_same_bytes_leave_and_come(provider: Make, certificates: Certificates) -> None:
    async with Http2Server(certificates.server_context()) as server:
        made = provider(server.url, http2=True, ca_file=certificates.path("ca.pem"))
        async with tunnel(made) as client:
            first = await client.send(head(made), b"body")
            assert await whole(first) == b"body"
            assert [item for item in first.headers if item[0] == b"x-a"] == [(b"x-a", b"1"), (b"x-a", b"2")]
            stream = await client.send(head(made, target=b"/v1/stream"), b"")
            assert await whole(await client.send(head(made), b"between")) == b"between"
            server.more.put_nowait(b"data: 1\n\n")
            piece = await stream.read()
            assert piece is not None
            assert piece[1] == b"data: 1\n\n"
            server.more.put_nowait(None)
            assert await whole(stream) == b""
            assert await whole(await client.send(head(made), b"again")) == b"again"
        # Calls do not share a connection at the same time, but one after the other they do.
        assert server.connections == 2
        names = [(name, value) for name, value in server.requests[0][0] if not name.startswith(b":")]
        assert names == [*((name.lower(), value) for name, value in HEADERS), (b"content-length", b"4")]
        assert dict(server.requests[0][0])[b":path"] == TARGET


async def test_an_http2_call_that_is_given_up_closes_its_connection_and_no_other(
    provider: Make, certificates: Certificates
) -> None:
    async with Http2Server(certificates.server_context()) as server:
        made = provider(server.url, http2=True, ca_file=certificates.path("ca.pem"))
        async with tunnel(made) as client:
            stream = await client.send(head(made, target=b"/v1/stream"), b"")
            other = await client.send(head(made, target=b"/v1/stream"), b"")
            await wait_until_async(lambda: server.open_connections == 2, "both are asked")
            stream.abort()
            await wait_until_async(lambda: server.open_connections == 1, "its connection closes")
            waiting = asyncio.ensure_future(client.send(head(made, target=b"/v1/silence"), b""))
            await wait_until_async(lambda: server.open_connections == 2, "a third one is asked")
            waiting.cancel()
            await wait_until_async(lambda: server.open_connections == 1, "its connection closes too")
            server.more.put_nowait(None)
            assert await whole(other) == b""
            assert await whole(await client.send(head(made), b"next")) == b"next"


async def test_an_upstream_that_speaks_only_http1_is_spoken_to_so(provider: Make, certificates: Certificates) -> None:
    async with ScriptedUpstream(talk, tls=certificates.server_context()) as upstream:
        made = provider(f"https://localhost:{upstream.port}", http2=True, ca_file=certificates.path("ca.pem"))
        async with tunnel(made) as client:
            assert await whole(await client.send(head(made), b"")) == b"\x1f\x8bnot decoded"


async def test_a_client_is_made_once_for_a_way_and_only_where_one_is_asked_for(
    provider: Make, client: UpstreamClient
) -> None:
    ways = Ways(client.dialler)
    first, other = provider("https://a", name="a", proxy="http://p:1"), provider("https://b", name="b", http2=True)
    made = ways.for_providers([first, other, provider("https://c", name="c")])
    assert set(made) == {"a", "b"}
    again = ways.for_providers([first, provider("https://b", name="b", http2=True, proxy="http://p:1")])
    assert again["a"] is made["a"]
    assert again["b"] is not made["b"]
    await ways.close()


def test_a_plain_gateway_never_loads_the_second_way(tmp_path: Path) -> None:
    program = (
        "import sys, proxy.gateway.process; "
        "print([name for name in ('httpcore2', 'httpx2', 'anyio', 'h2') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
