"""What a route says beside who serves it: parameters, how much is kept, what becomes of a call whose client leaves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.outcome import Outcome
from proxy.domain.route import Route, Target
from proxy.settings.values import RecordingSettings, Settings
from tests.integration.gateway.conftest import CHUNKED, LIMITS, SSE
from tests.integration.gateway.test_endings import ended
from tests.support.client import Client
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async

PATH = "/v1/chat/completions"
EVENT = b'data: {"a":1}\n\n'


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, upstream: ScriptedUpstream, *, bodies: bool = True, **said: object
) -> AsyncIterator[RunningGateway]:
    route = Route(model="fast", targets=(Target(provider="main", model="big"),), **said)  # type: ignore[arg-type]
    settings = Settings(
        data_dir=str(folder),
        run_dir=str(folder / "run"),
        limits=replace(LIMITS, spill_bytes=1000),
        recording=RecordingSettings(bodies=bodies),
        providers=(provider(upstream.port),),
        routes=(route,),
    )
    async with running_gateway(folder, settings) as running:
        yield running


def body(size: int = 0) -> bytes:
    return json.dumps({"messages": "x" * size, "temperature": 1, "model": "fast"}).encode()


@pytest.mark.parametrize("size", [0, 5000])
async def test_parameters_reach_the_provider_and_the_client_s_bytes_the_record(
    tmp_path: Path, upstream: ScriptedUpstream, size: int
) -> None:
    """Also in a body that went to the disk as it came."""
    said: dict[str, Any] = {"forced": (("temperature", "0.5"),), "defaults": (("seed", "7"), ("messages", "1"))}
    async with gateway(tmp_path, upstream, **said) as proxy, Client(proxy.port) as client:
        assert (await client.ask("POST", PATH, body(size))).status == 200
        assert json.loads(upstream.requests[0].body) == {
            "seed": 7,
            "messages": "x" * size,
            "temperature": 0.5,
            "model": "big",
        }
        (call,) = await ended(proxy, 1)
        if size == 0:
            assert call.request == body()


async def test_what_is_forced_upon_a_compressed_body_is_refused(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream, forced=(("temperature", "0"),)) as proxy, Client(proxy.port) as client:
        escaped = b'{"model":"fast","\\u0074emperature":2}'
        reply = await client.ask("POST", PATH, escaped)
        assert (reply.status, json.loads(reply.body)["error"]["code"]) == (400, "parameters_not_settable")
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("recording", "bodies", "content"),
    [("meta", True, "off"), ("full", False, "stored"), ("full", True, "stored"), (None, False, "off")],
)
async def test_a_route_says_how_much_is_kept(
    tmp_path: Path, upstream: ScriptedUpstream, recording: str | None, bodies: bool, content: str
) -> None:
    async with gateway(tmp_path, upstream, recording=recording, bodies=bodies) as proxy, Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, body(), "X-Dashcam-Verbose: 1")
        assert reply.headers("x-dashcam-record") == [recording or ("full" if bodies else "meta")]
        (call,) = await ended(proxy, 1)
        assert call.start.content == content


@pytest.mark.parametrize("size", [0, 5000])
async def test_of_a_route_that_keeps_nothing_nothing_is_left(
    tmp_path: Path, upstream: ScriptedUpstream, size: int
) -> None:
    async with gateway(tmp_path, upstream, recording="none") as proxy, Client(proxy.port) as client:
        assert (await client.ask("POST", PATH, body(size))).status == 200
        assert len(upstream.requests[0].body) == len(body(size)) - 1
        await wait_until_async(lambda: not proxy.gateway.exchanges, "the call is over")
        assert [path for path in proxy.settings.spool_dir.rglob("bodies/*") if path.is_file()] == []
        assert proxy.calls() == []


async def test_a_route_that_drains_reads_an_answer_to_its_end(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def slowly(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(EVENT)
        await turn.released()
        await turn.chunk(b"x" * (LIMITS.linger_bytes * 2))
        await turn.chunk(b"")

    upstream.scenario = slowly
    async with gateway(tmp_path, upstream, on_client_gone="drain") as proxy:
        async with Client(proxy.port) as client:
            await client.send("POST", PATH, body())
            await client.read_until(EVENT)
            client.reset()
        await wait_until_async(lambda: any(item.call.is_gone for item in proxy.gateway.exchanges), "it was noticed")
        upstream.gate.set()
        (call,) = await ended(proxy, 1)
        assert call.end is not None
        assert (call.end.outcome, len(call.answer)) == (Outcome.CLIENT_GONE, len(EVENT) + LIMITS.linger_bytes * 2)
