"""What a gateway says about itself while it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from structlog.testing import capture_logs

from proxy.settings.values import RecordingSettings
from proxy.spool.ceilings import Ceilings
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from tests.integration.gateway.conftest import CHUNKED, SSE
from tests.support.client import Client
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async


async def test_a_spool_that_cannot_keep_everything_is_told_once_a_minute_and_when_it_is_over(
    proxy: RunningGateway, tmp_path: Path
) -> None:
    # Nothing has ever so much room, and everything has this much.
    full, free = RecordingSettings(min_free_bytes=1 << 62), RecordingSettings(min_free_bytes=0)
    settings = replace(proxy.settings, data_dir=str(tmp_path / "full"), run_dir=str(tmp_path / "full"), recording=full)
    with capture_logs() as lines:
        async with running_gateway(tmp_path / "full", settings) as running:
            await wait_until_async(lambda: "recorder_degraded" in told(lines), "it is told")
            first = running.page.read_all()["heartbeat_ns"]
            await wait_until_async(lambda: running.page.get(Page.HEARTBEAT_NS) > first, "it has looked again")
            running.gateway.spool.syncing._ceilings = Ceilings.of(free)
            await wait_until_async(lambda: "recorder_recovered" in told(lines), "the end is told")
    assert told(lines) == ["recorder_degraded", "recorder_recovered"]
    assert [line["log_level"] for line in lines if line["event"] in told(lines)] == ["error", "info"]


def told(lines: Sequence[Mapping[str, object]]) -> list[str]:
    return [str(line["event"]) for line in lines if str(line["event"]).startswith("recorder_")]


async def test_a_spool_whose_files_were_removed_is_let_go_of_once_its_last_call_is_over(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """Else each time would cost a thread and some descriptors, and its account would stay open."""
    goes_on = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(b"data: 1\n\n")
        await goes_on.wait()
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.chunk(b"")

    upstream.scenario = script
    reader = SpoolReader(proxy.settings.spool_dir)
    before = proxy.gateway.spool.folder.name
    async with Client(proxy.port) as client:
        asking = asyncio.create_task(client.ask("POST", "/v1/chat/completions", b"{}"))
        await wait_until_async(lambda: proxy.page.get(Page.OPEN_STREAMS), "a call is under way")
        for path in (proxy.settings.spool_dir / before).glob("*.seg"):
            path.unlink()
        await wait_until_async(lambda: proxy.gateway.spool.folder.name != before, "there is another spool")
        assert reader.source(before).is_alive()
        goes_on.set()
        assert (await asking).body.endswith(b"data: [DONE]\n\n")
    await wait_until_async(lambda: not reader.source(before).is_alive(), "the former one is let go of")
    assert [name for name in reader.names() if reader.source(name).is_alive()] == [proxy.gateway.spool.folder.name]
