"""Mode ``power``: no client has the end of an answer before the record of its call is on the disk, or the time is over.

The disk is the real one; its sync waits, fails, or passes as a test says.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.domain.outcome import Outcome
from proxy.settings.values import RecordingSettings, Settings
from proxy.spool.batches import Position
from proxy.spool.disk import RealDisk
from proxy.spool.framing import RecordType
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from proxy.spool.trouble import Trouble
from tests.integration.gateway.conftest import CHUNKED, LIMITS, SSE, stream
from tests.support.client import Client, Reply
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async

PATH = "/v1/chat/completions"
JSON = b"Content-Type: application/json"
ANSWER = b'{"object":"chat.completion"}'


class SlowDisk(RealDisk):
    """Syncs when it may: ``passes`` lets it, ``failures`` is how many of the next ones fail."""

    def __init__(self) -> None:
        self.passes = threading.Event()
        self.passes.set()
        self.is_syncing = threading.Event()
        self.failures = 0

    def sync(self, descriptor: int) -> None:
        self.is_syncing.set()
        self.passes.wait(60.0)
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EIO, "input/output error")
        super().sync(descriptor)


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, port: int, disk: SlowDisk, wait: float = 30.0, mode: str = "power"
) -> AsyncIterator[RunningGateway]:
    recording = RecordingSettings(mode=mode, power_wait=wait, min_free_bytes=0, ballast_bytes=0)
    settings = Settings(
        data_dir=str(folder),
        run_dir=str(folder / "run"),
        limits=LIMITS,
        recording=recording,
        providers=(provider(port, first_byte_timeout=1.0, idle_timeout=1.0),),
    )
    async with running_gateway(folder, settings, disk) as running:
        try:
            yield running
        finally:
            disk.passes.set()


async def whole(turn: Turn) -> None:
    await turn.answer(ANSWER, JSON)


async def streamed(turn: Turn) -> None:
    await stream(turn, b"data: 1\n\n", b"data: [DONE]\n\n")


async def refused(turn: Turn) -> None:
    await turn.answer(b'{"error":{}}', JSON, status=b"429 Too Many Requests")


async def ended(running: RunningGateway, count: int = 1) -> None:
    await wait_until_async(lambda: sum(call.end is not None for call in running.calls()) == count, "END is written")


async def look_elsewhere(running: RunningGateway) -> None:
    """Whatever was written to another connection before this has arrived by now."""
    async with Client(running.port) as other:
        assert (await other.ask("GET", "/healthz", b"")).status == 200


@pytest.mark.parametrize("mode", ["power", "process"])
@pytest.mark.parametrize(
    ("script", "method", "target", "status"),
    [
        (whole, "POST", PATH, 200),
        (whole, "HEAD", "/v1/models/x", 200),
        (streamed, "POST", PATH, 200),
        (refused, "POST", PATH, 429),
        (None, "POST", PATH, 502),
        (whole, "POST", "/v1/../up", 400),
    ],
    ids=["json", "head", "stream", "error", "unreachable", "refused by us"],
)
async def test_the_last_bytes_leave_once_the_record_is_on_the_disk(
    tmp_path: Path,
    upstream: ScriptedUpstream,
    unused_port: int,
    mode: str,
    script: Callable[[Turn], object] | None,
    method: str,
    target: str,
    status: int,
) -> None:
    disk = SlowDisk()
    if script is not None:
        upstream.scenario = script  # type: ignore[assignment]
    port = unused_port if script is None else upstream.port
    async with gateway(tmp_path, port, disk, mode=mode) as running, Client(running.port) as client:
        disk.passes.clear()
        asking = asyncio.create_task(client.ask(method, target, b"{}" if method == "POST" else b""))
        if target == PATH or method == "HEAD":
            await ended(running)
        if mode == "process":
            assert (await asking).status == status
            return
        if running.calls():
            await wait_until_async(disk.is_syncing.is_set, "the disk is asked")
            await look_elsewhere(running)
            assert not asking.done()
        disk.passes.set()
        reply: Reply = await asking
        assert (reply.status, reply.is_clean) == (status, True)


async def test_the_event_that_ends_a_stream_waits_although_the_connection_goes_on(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    disk, goes_on = SlowDisk(), asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(b"data: 1\n\n")
        await goes_on.wait()
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.chunk(b"")

    upstream.scenario = script
    async with gateway(tmp_path, upstream.port, disk) as running, Client(running.port) as client:
        await client.send("POST", PATH, b"{}")
        await client.read_until(b"data: 1\n\n")
        disk.passes.clear()
        goes_on.set()
        rest = asyncio.create_task(client.read_until(b"0\r\n\r\n"))
        await wait_until_async(lambda: b"[DONE]" in running.calls()[0].answer, "it is written")
        await look_elsewhere(running)
        assert not rest.done()
        disk.passes.set()
        assert b"data: [DONE]\n\n" in await rest
        assert running.calls()[0].end is not None


async def test_what_breaks_off_behind_a_held_event_waits_for_that(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    disk, goes_on = SlowDisk(), asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(b"data: 1\n\n")
        await goes_on.wait()
        await turn.chunk(b"data: [DONE]\n\n")
        turn.reset()

    upstream.scenario = script
    async with gateway(tmp_path, upstream.port, disk) as running, Client(running.port) as client:
        await client.send("POST", PATH, b"{}")
        await client.read_until(b"data: 1\n\n")
        disk.passes.clear()
        goes_on.set()
        rest = asyncio.create_task(client.read_until(b"data: [DONE]\n\n"))
        await ended(running)
        await look_elsewhere(running)
        assert not rest.done()
        disk.passes.set()
        await rest
        with pytest.raises(asyncio.IncompleteReadError):
            await client.read_until(b"\r\n0\r\n\r\n")


async def test_when_the_time_is_over_the_reply_goes_on_and_the_record_says_so(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    disk = SlowDisk()
    upstream.scenario = whole
    async with gateway(tmp_path, upstream.port, disk, wait=0.05) as running:
        disk.passes.clear()
        async with Client(running.port) as client:
            assert (await client.ask("POST", PATH, b"{}")).body == ANSWER
        assert running.page.get(Page.SYNC_WAITS_EXPIRED) == 1
        assert (running.page.get(Page.TROUBLE), running.page.get(Page.DEGRADED)) == (Trouble.SYNC_LATE, 1)
        assert RecordType.AMEND in kinds(running)
        disk.passes.set()
        await wait_until_async(lambda: not running.page.get(Page.TROUBLE), "the disk has caught up")


def kinds(running: RunningGateway) -> list[int]:
    reader = SpoolReader(running.settings.spool_dir)
    (name,) = reader.names()
    return [item.record.type for item in reader.source(name).read(Position(), 1 << 20, is_final=False).records]


async def test_after_a_failed_sync_the_reply_waits_for_what_is_written_again(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    disk = SlowDisk()
    upstream.scenario = whole
    async with gateway(tmp_path, upstream.port, disk) as running:
        await wait_until_async(lambda: running.gateway.spool._segments.spare, "there is a spare")
        disk.failures = 1
        async with Client(running.port) as client:
            assert (await client.ask("POST", PATH, b"{}")).body == ANSWER
        assert running.page.get(Page.FSYNC_FAILURES) == 1
        assert running.page.get(Page.SYNC_WAITS_EXPIRED) == 0
        folder = running.gateway.spool.folder
        assert (folder / "00000002.seg").stat().st_size == (folder / "00000001.seg").stat().st_size


async def test_a_reply_that_waits_is_not_cut_off_by_a_drain(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    disk = SlowDisk()
    upstream.scenario = whole
    async with gateway(tmp_path, upstream.port, disk) as running, Client(running.port) as client:
        disk.passes.clear()
        asking = asyncio.create_task(client.ask("POST", PATH, b"{}"))
        await ended(running)
        running.server.leave()
        await wait_until_async(lambda: running.page.get(Page.DRAINING), "it drains")
        assert not asking.done()
        disk.passes.set()
        assert (await asking).body == ANSWER


async def test_a_client_that_leaves_while_its_reply_waits_harms_nobody(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    disk = SlowDisk()
    upstream.scenario = whole
    async with gateway(tmp_path, upstream.port, disk) as running:
        disk.passes.clear()
        async with Client(running.port) as client:
            await client.send("POST", PATH, b"{}")
            await ended(running)
        disk.passes.set()
        async with Client(running.port) as client:
            assert (await client.ask("POST", PATH, b"{}")).body == ANSWER
        assert [call.end.outcome for call in running.calls() if call.end] == [Outcome.COMPLETED] * 2


async def test_many_calls_share_a_sync(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    disk = SlowDisk()
    upstream.scenario = whole

    async def ask(running: RunningGateway) -> bytes:
        async with Client(running.port) as client:
            return (await client.ask("POST", PATH, b"{}")).body

    async with gateway(tmp_path, upstream.port, disk) as running:
        before = running.page.get(Page.FSYNC_COUNT)
        disk.passes.clear()
        asking = [asyncio.create_task(ask(running)) for _ in range(30)]
        await ended(running, 30)
        disk.passes.set()
        assert [await item for item in asking] == [ANSWER] * 30
        assert running.page.get(Page.FSYNC_COUNT) - before <= 3


async def test_a_large_body_is_sealed_on_the_disk_and_sent_as_it_came(
    tmp_path: Path, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA")
    recording = RecordingSettings(mode="power", seal=True, min_free_bytes=0, ballast_bytes=0)
    settings = Settings(
        data_dir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        limits=LIMITS,
        recording=recording,
        providers=(provider(upstream.port),),
    )
    upstream.scenario = whole
    body = b'{"model":"m","messages":["' + b"secret text " * 50_000 + b'"]}'
    async with running_gateway(tmp_path, settings) as running, Client(running.port) as client:
        assert (await client.ask("POST", PATH, body)).body == ANSWER
        assert upstream.requests[0].body == body
        (side_file,) = (running.gateway.spool.folder / "bodies").iterdir()
        assert side_file.stat().st_size > len(body)
        for path in (side_file, running.gateway.spool.folder / "00000001.seg"):
            assert b"secret" not in path.read_bytes()
