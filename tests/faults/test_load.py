"""Load (L): crowds of idle streams, more than can be served, and hours of it; memory, descriptors and calls add up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import time
import uuid
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.faults.conftest import SCALE, Amount, Start
from tests.faults.test_boot import resident_bytes
from tests.support.client import Client
from tests.support.dashcam import RunningDashcam
from tests.support.holdings import assert_nothing_held, holdings_of
from tests.support.load import KEY, Load, SeenCall
from tests.support.means import require
from tests.support.verdict import Allowance, assert_nothing_lost
from tests.support.waiting import wait_until_async

KILOBYTE = 1024


async def stream_on(dashcam: RunningDashcam, calls: list[SeenCall]) -> None:
    """Open one stream on a raw socket and read it to its end."""
    call = SeenCall(f"nonce-{uuid.uuid4().hex}|slow@1500", True, 2)
    calls.append(call)
    body = json.dumps(call.question).encode()
    async with Client(dashcam.port) as client:
        reply = await client.ask("POST", "/v1/chat/completions", body, f"Authorization: Bearer {KEY}")
    call.status, call.received, call.is_answered = reply.status, reply.body, reply.is_clean
    call.id = reply.headers("x-dashcam-id")[0]


def may_open(files: int) -> None:
    """Let this process and those it starts open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))


@contextlib.asynccontextmanager
async def idle_streams(dashcam: RunningDashcam, load: Load, number: int) -> AsyncIterator[None]:
    """Keep so many streams open at once while the block runs; then read them to their ends."""
    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(stream_on(dashcam, load.calls), name="idle stream")
        yield


@pytest.mark.slow
async def test_l1_thousands_of_idle_streams_cost_little_and_hold_nobody_up(start: Start, amount: Amount) -> None:
    require("linux")
    number = amount(400, 4000)
    may_open(3 * number + 500)
    limits = {"DASHCAM_LIMITS__IN_FLIGHT": str(number + 100)}
    dashcam = start(environment=limits, settings=None)
    (gateway,) = dashcam.pids("proxy.gateway")
    load = Load(dashcam.url)
    async with load.running(clients=2):
        await load.progress()
    before = resident_bytes(gateway)
    for _ in range(amount(1, 3)):
        async with idle_streams(dashcam, load, number):
            await wait_until_async(lambda: streams(dashcam) >= number, "all streams are open", seconds=120)
            assert (resident_bytes(gateway) - before) / number < 60 * KILOBYTE
            async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
                beside = SeenCall(f"nonce-{uuid.uuid4().hex}", False)
                load.calls.append(beside)
                await load.call(http, beside)
            assert beside.is_finished
            assert streams(dashcam) > 0, "the call beside had to wait for the streams"
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


def streams(dashcam: RunningDashcam) -> float:
    return dashcam.samples()["dashcam_open_streams"][frozenset()]


@pytest.mark.slow
async def test_l2_three_times_what_can_be_served(start: Start, amount: Amount) -> None:
    """The rest is told to come again; what was accepted is on record; afterwards everything is served again."""
    dashcam = start(environment={"DASHCAM_LIMITS__IN_FLIGHT": "20"})
    load = Load(dashcam.url, scripts=["slow@20"], pause=0.01)
    async with load.running(clients=60):
        await load.progress(amount(200, 20_000), seconds=900)
    refused = [call for call in load.calls if call.status == 503]
    assert refused
    assert {call.status for call in load.calls if call.is_answered} == {200, 503}
    after = Load(dashcam.url)
    async with after.running(clients=10):
        await after.progress(40)
    assert [call for call in after.calls if not call.is_finished] == []
    # Beyond a handful a second refusals are counted instead of recorded, so that a flood fills no disk.
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load, after, allowed=Allowance(drops=True))
    assert endings["completed"] == load.finished + after.finished
    assert endings["rejected"] + dashcam.ledger()["dropped"].get("refused", 0) == len(refused)


MIXED = [*[""] * 90, "reset@3", "close@5", "status@503", "leave@2", "leave@8", "crumbs", "status@429", "reset@0"]


async def test_l3_memory_and_descriptors_stay_where_they_are(start: Start, amount: Amount) -> None:
    """With a few faults in a hundred calls; the long form for twenty minutes, with the slope of the last half."""
    require("linux")
    dashcam = start()
    pids = [*dashcam.pids("proxy.gateway"), *dashcam.pids("proxy.control")]
    load = Load(dashcam.url, scripts=MIXED, pause=0.05 if SCALE else 0.0)
    async with load.running(clients=8):
        await load.progress(400)
        sizes = [[resident_bytes(pid) for pid in pids]]
        files = [len(holdings_of(pid).files) for pid in pids]
        until = time.monotonic() + amount(0, 1200)
        while len(sizes) < 3 or time.monotonic() < until:
            await load.progress(800, seconds=120)
            sizes.append([resident_bytes(pid) for pid in pids])
    half = len(sizes) // 2
    for number in range(len(pids)):
        grown = sizes[-1][number] - sizes[half][number]
        assert grown < 8 << 20, sizes
    await asyncio.to_thread(assert_nothing_held, dashcam)
    assert [len(holdings_of(pid).files) for pid in pids] <= [count + 2 for count in files]
    await asyncio.to_thread(assert_nothing_lost, dashcam, load)
