"""What an operator, or the client itself, may choose: what a full disk means, who reads on, how long is waited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.outcome import Outcome
from proxy.gateway.refreshing import SnapshotWatch
from proxy.settings.snapshot import load, publish
from proxy.settings.values import RecordingSettings, Settings
from proxy.spool.page import Page
from tests.integration.gateway.conftest import CHUNKED, LIMITS, SSE
from tests.support.client import Client
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async

FULL = 1 << 60
"""More than any disk has free."""
PATH = "/v1/chat/completions"


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, upstream: ScriptedUpstream, recording: RecordingSettings | None = None, **values: object
) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        data_dir=str(folder),
        run_dir=str(folder / "run"),
        limits=LIMITS,
        recording=recording or RecordingSettings(),
        providers=(provider(upstream.port, **values),),
    )
    async with running_gateway(folder, settings) as running:
        yield running


@pytest.mark.parametrize(
    ("policy", "status", "kept", "dropped"),
    [
        ("metadata_only", 200, [b""], (0, 0)),
        ("drop", 200, [], (1, 0)),
        ("reject", 503, [], (1, 0)),
    ],
)
async def test_a_full_disk_means_what_was_chosen(
    tmp_path: Path, upstream: ScriptedUpstream, policy: str, status: int, kept: list[bytes], dropped: tuple[int, int]
) -> None:
    recording = RecordingSettings(on_full=policy, min_free_bytes=FULL)
    async with gateway(tmp_path, upstream, recording) as proxy:
        await wait_until_async(lambda: proxy.page.get(Page.DEGRADED), "the disk was looked at")
        async with Client(proxy.port) as client:
            reply = await client.ask("POST", PATH, b'{"secret":"text"}')
        assert reply.status == status
        assert (b"recorder_full" in reply.body) is (policy == "reject")
        assert len(upstream.requests) == (status == 200)
        calls = proxy.calls()
        assert [call.request + call.answer for call in calls] == kept
        assert [call.end.outcome for call in calls if call.end] == [Outcome.COMPLETED] * len(kept)
        assert (proxy.page.get(Page.DROPPED_SPOOL_FULL), proxy.page.get(Page.DROPPED_POLICY)) == dropped
        assert proxy.page.get(Page.ACCEPTED) == len(kept) + sum(dropped)


@pytest.mark.parametrize("has_begun", [True, False])
async def test_with_drain_an_answer_is_read_to_its_end_for_a_client_that_left(
    tmp_path: Path, upstream: ScriptedUpstream, has_begun: bool
) -> None:
    left = asyncio.Event()

    async def script(turn: Turn) -> None:
        if not has_begun:
            await left.wait()
        await turn.head(SSE, CHUNKED)
        await turn.chunk(b"data: 1\n\n")
        await left.wait()
        await turn.chunk(b"x" * (LIMITS.linger_bytes * 2))
        await turn.chunk(b"")

    upstream.scenario = script
    async with gateway(tmp_path, upstream, on_client_gone="drain") as proxy:
        async with Client(proxy.port) as client:
            await client.send("POST", PATH, b'{"stream":true}')
            if has_begun:
                await client.read_until(b"\n\n")
            else:
                await wait_until_async(lambda: upstream.requests, "the request has arrived")
            client.reset()
        await wait_until_async(lambda: any(item.call.is_gone for item in proxy.gateway.exchanges), "it was noticed")
        left.set()
        await wait_until_async(lambda: not proxy.gateway.exchanges, "the call has ended")
        (call,) = proxy.calls()
        assert len(call.answer) == len(b"data: 1\n\n") + LIMITS.linger_bytes * 2
        assert call.end
        assert call.end.outcome is Outcome.CLIENT_GONE


@pytest.mark.parametrize("name", ["x-stainless-read-timeout", "x-stainless-timeout"])
async def test_what_the_client_would_still_wait_for_is_waited_for(
    tmp_path: Path, upstream: ScriptedUpstream, name: str
) -> None:
    async with gateway(tmp_path, upstream, first_byte_timeout=0.01) as proxy:
        upstream.gate.clear()

        async def late(turn: Turn) -> None:
            await turn.released()
            await turn.answer()

        upstream.scenario = late
        async with Client(proxy.port) as hurried, Client(proxy.port) as patient:
            await patient.send("POST", PATH, b"{}", f"{name}: 600")
            assert (await hurried.ask("POST", PATH, b"{}")).status == 504
            upstream.release()
            assert (await patient.reply()).status == 200


async def test_a_new_snapshot_is_in_use_without_a_restart_and_a_damaged_one_is_not(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with gateway(tmp_path, upstream) as proxy:
        path = proxy.settings.snapshot_path
        newer = publish(path, replace(load(path), providers=(provider(upstream.port, name="other"),)))
        await wait_until_async(lambda: proxy.page.get(Page.SNAPSHOT_REVISION) == newer.revision, "it is in use")
        watch = SnapshotWatch(path, proxy.gateway)
        many = tuple(f"a-model-of-many-{number}" for number in range(9000))
        large = publish(path, replace(load(path), providers=(provider(upstream.port, name="other", models=many),)))
        assert path.stat().st_size > 200_000
        await watch.look()
        assert (proxy.gateway.snapshot.revision, proxy.gateway.snapshot.providers[0].models) == (large.revision, many)
        path.write_bytes(b"{half")
        await watch.look()
        async with Client(proxy.port) as client:
            assert (await client.ask("POST", PATH, b"{}")).status == 200
        assert [call.start.provider for call in proxy.calls()] == ["other"]


@pytest.mark.parametrize("size", [10, 500_000])
@pytest.mark.parametrize("length", [b"Content-Length: 24", CHUNKED])
async def test_a_key_in_an_answer_reaches_the_client_and_no_disk(
    proxy: RunningGateway, upstream: ScriptedUpstream, length: bytes, size: int
) -> None:
    secret, asked = b'{"value":"sk-canary-77"}', b'{"name":"canary-name%s"}' % (b"x" * size)

    async def script(turn: Turn) -> None:
        await turn.head(b"Content-Type: application/json", length)
        await (turn.chunk(secret) if length is CHUNKED else turn.send(secret))
        if length is CHUNKED:
            await turn.chunk(b"")

    upstream.scenario = script
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", "/v1/organization/admin_api_keys", asked)
    assert (reply.status, reply.body) == (200, secret)
    assert upstream.requests[-1].body == asked
    (call,) = proxy.calls()
    assert (call.start.operation, call.start.content, call.request, call.answer) == ("secrets", "off", b"", b"")
    assert call.end is not None
    assert (call.end.outcome, call.end.received_bytes) == (Outcome.COMPLETED, len(secret))
    written = b"".join([path.read_bytes() for path in proxy.settings.spool_dir.rglob("*") if path.is_file()])
    assert b"canary" not in written
