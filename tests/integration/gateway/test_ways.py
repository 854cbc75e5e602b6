"""A provider behind an outgoing proxy, as the gateway's callers meet it."""

from __future__ import annotations

from pathlib import Path

from proxy.domain.outcome import Outcome
from proxy.settings.values import Settings
from tests.integration.gateway.conftest import LIMITS, stream
from tests.support.client import Client
from tests.support.gateway import provider, running_gateway
from tests.support.outgoing import HttpProxy
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async

PATH = "/v1/chat/completions"


async def test_a_call_goes_through_the_outgoing_proxy_and_is_recorded_like_any_other(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async def talk(turn: Turn) -> None:
        await stream(turn, b"data: 1\n\n", b"data: [DONE]\n\n")

    async def hang(turn: Turn) -> None:
        await turn.head(b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
        await turn.chunk(b"data: 1\n\n")
        await turn.client_closed()

    upstream.scenario = talk
    async with HttpProxy() as outgoing:
        made = provider(upstream.port, proxy=outgoing.url)
        settings = Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), limits=LIMITS, providers=(made,))
        async with running_gateway(tmp_path, settings) as proxy:
            async with Client(proxy.port) as client:
                reply = await client.ask("POST", PATH, b'{"model":"m","stream":true}', "Authorization: Bearer sk-re-1")
                assert (reply.status, reply.body) == (200, b"data: 1\n\ndata: [DONE]\n\n")
            upstream.scenario = hang
            async with Client(proxy.port) as client:
                await client.send("POST", PATH, b'{"model":"m","stream":true}')
                await client.read_until(b"data: 1")
            await wait_until_async(lambda: len([call for call in proxy.calls() if call.end]) == 2, "both have ended")
            await wait_until_async(lambda: not upstream.open_connections, "the upstream is left")
            first, second = proxy.calls()
    assert outgoing.asked[0].startswith(b"POST http://127.0.0.1")
    assert upstream.requests[0].header(b"authorization") == b"Bearer sk-re-1"
    assert first.answer == b"data: 1\n\ndata: [DONE]\n\n"
    assert first.end is not None
    assert second.end is not None
    assert (first.end.outcome, second.end.outcome) == (Outcome.COMPLETED, Outcome.CLIENT_GONE)
    (attempt,) = first.end.attempts
    assert (attempt.status, attempt.error) == (200, None)
    assert attempt.sent_ns is not None
