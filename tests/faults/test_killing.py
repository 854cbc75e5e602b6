"""Processes that die (K): kill -9 under load, between any two lines, again and again; nothing lost or doubled."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.conftest import PATIENT, Start, opened, slow
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.postgres import PostgresServer
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until_async

_LOOK_SECONDS = 0.1
"""To look for processes more often takes from them what they need to start."""


async def another(dashcam: RunningDashcam, module: str, old: list[int]) -> None:
    """Wait until all the processes of a kind are new ones."""
    await wait_until_async(
        lambda: len(found := dashcam.pids(module)) == len(old) and not set(found) & set(old),
        f"a new {module}",
        seconds=60,
        interval=_LOOK_SECONDS,
    )


async def next_life(dashcam: RunningDashcam, module: str) -> None:
    """Wait until the process that is there now, or will be in a moment, has died and another is there."""
    old = await wait_until_async(lambda: dashcam.pids(module), f"a {module}", interval=_LOOK_SECONDS)
    await another(dashcam, module, old)


async def restarted(dashcam: RunningDashcam, load: Load) -> dict[str, int]:
    """Stop it, start it without failpoints, and judge what is on record."""
    del dashcam.environment["DASHCAM_FAILPOINTS"]
    await asyncio.to_thread(dashcam.stop)
    await asyncio.to_thread(dashcam.start)
    return await asyncio.to_thread(assert_nothing_lost, dashcam, load)


@pytest.mark.engines("sqlite", "postgres")
async def test_k1_killing_the_gateway_loses_nothing_and_tells_what_was_interrupted(start: Start, rounds: int) -> None:
    dashcam = start()
    load = Load(dashcam.url, scripts=["", "slow@100"])
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            old = await asyncio.to_thread(dashcam.kill, "proxy.gateway")
            await another(dashcam, "proxy.gateway", old)
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["interrupted"] >= rounds
    assert set(endings) <= {"completed", "interrupted", "client_gone"}


# Each life of the process ends at this passing: early and late ones, so that what is under way differs.
PASSINGS = [slow(3), 30]


@pytest.mark.parametrize("at", PASSINGS)
@pytest.mark.parametrize("place", [slow("call.started"), "call.piece", "call.ended"])
async def test_k2_killing_the_gateway_between_two_lines_of_a_call(
    start: Start, rounds: int, place: str, at: int
) -> None:
    """``call.ended``: END is down and the last byte is not sent; the row is complete and the client saw less."""
    dashcam = start(environment={"DASHCAM_FAILPOINTS": f"{place}=kill@{at * 12 if place == 'call.piece' else at}"})
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await next_life(dashcam, "proxy.gateway")
    await restarted(dashcam, load)
    if place == "call.ended":
        cut = [call for call in load.calls if call.error is not None]
        completed = dashcam.query("select input_preview from interaction where outcome = 'completed'")
        ended = {row["input_preview"] for row in completed}
        assert [call for call in cut if call.nonce in ended], "an answer whose END was down is complete for nobody"
    else:
        # A stream whose last piece was down is whole without its END; nobody knows when it ended, as of those cut off.
        assert len(dashcam.query("select id from interaction where completed_at is null")) >= rounds


@pytest.mark.engines("sqlite", "postgres")
@pytest.mark.parametrize("place", [slow("batch.read"), "batch.written", "batch.committed", slow("segment.freed")])
async def test_k3_killing_control_around_a_commit(start: Start, rounds: int, place: str) -> None:
    """``batch.committed``: the rows are in the store and their segments still there; the replay changes nothing."""
    quick = {"DASHCAM_RECORDING__SEGMENT_SECONDS": "0.2", "DASHCAM_FAILPOINTS": f"{place}=kill@5"}
    dashcam = start(environment=quick)
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await next_life(dashcam, "proxy.control")
        await load.progress()
    endings = await restarted(dashcam, load)
    assert endings == {"completed": len(load.calls)}


@pytest.mark.parametrize("place", [slow("parking.written"), "parking.committed"])
async def test_k3_killing_control_in_the_middle_of_parking(start: Start, rounds: int, place: str) -> None:
    dashcam = start(environment={"DASHCAM_FAILPOINTS": f"{place}=kill@2,parking.seconds=set:0.2"})
    load = Load(dashcam.url, scripts=["slow@100"])
    async with load.running(clients=4):
        for _ in range(rounds):
            await next_life(dashcam, "proxy.control")
    endings = await restarted(dashcam, load)
    assert endings == {"completed": len(load.calls)}


@pytest.mark.engines("sqlite", "postgres")
async def test_k5_killing_control_fails_no_call_and_loses_nothing(start: Start, rounds: int) -> None:
    dashcam = start("--workers", "4")
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            old = await asyncio.to_thread(dashcam.kill, "proxy.control")
            await load.progress()
            await another(dashcam, "proxy.control", old)
        await load.progress()
    assert [call for call in load.calls if not call.is_finished] == []
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


@pytest.mark.engines("sqlite", "postgres")
async def test_k6_killing_everything_at_once_loses_nothing(start: Start, oracle: str, rounds: int) -> None:
    dashcam = start(settings=PATIENT.format(upstream=oracle))
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            async with load.unfinished():
                await asyncio.to_thread(dashcam.kill_everything)
            await asyncio.to_thread(dashcam.start)
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["interrupted"] >= rounds


@pytest.mark.engines("sqlite", "postgres")
async def test_k6_killing_the_supervisor_alone_loses_nothing(start: Start, rounds: int) -> None:
    """Its children hear of it by the pipe that closes, finish what they have begun, and leave the port to the next."""
    dashcam = start()
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            await asyncio.to_thread(dashcam.kill_supervisor)
            await asyncio.to_thread(dashcam.start)
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["completed"] >= load.finished


@pytest.mark.slow
@pytest.mark.engines("postgres")
async def test_k6_a_loop_of_kills_without_a_store_fills_no_disk(
    start: Start, server: PostgresServer, rounds: int
) -> None:
    """What the dead leave is as large as what they had recorded, and no larger."""
    dashcam = opened(start())
    load = Load(dashcam.url)
    server.stop()
    for number in range(rounds):
        async with load.running(clients=4):
            await load.progress(10)
            if number % 3:
                dashcam.kill("proxy.gateway")
                dashcam.kill("proxy.control")
            else:
                await asyncio.to_thread(dashcam.kill_everything)
        if number % 3 == 0:
            await asyncio.to_thread(dashcam.start)
    spool = dashcam.data_dir / "spool"
    assert len([*spool.glob("*/ballast"), *spool.glob("*/ends")]) <= 2
    server.start()
    await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert len([path for path in spool.iterdir() if path.is_dir()]) == 1
