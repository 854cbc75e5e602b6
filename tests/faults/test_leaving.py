"""Leaving, being replaced, standing still (S, T): what is open finishes or is told; lost time is nobody's fault."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.faults.conftest import Amount, Start, StartShimmed, slow
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.processes import frozen
from tests.support.toxic import ToxicProxy
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until_async

SHORT_DRAIN = {"DASHCAM_LIMITS__DRAIN": "1.0"}


@pytest.mark.parametrize(("drain", "pause"), [("30", 150), ("0.5", 1000)], ids=["in time", "too late"])
async def test_s1_an_orderly_end_with_many_streams(start: Start, drain: str, pause: int, amount: Amount) -> None:
    """Streams finish where there is time, else an error event says why; exit 0, and everything is on record."""
    dashcam = start(environment={"DASHCAM_LIMITS__DRAIN": drain})
    clients = amount(60, 200)
    load = Load(dashcam.url, scripts=[f"slow@{pause}"])
    async with load.running(clients=clients):
        await wait_until_async(lambda: load.in_flight >= clients // 2, "many streams are open")
        leaving = asyncio.create_task(asyncio.to_thread(dashcam.stop), name="leaving")
        assert await leaving == 0
    await asyncio.to_thread(dashcam.start)
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    told = [call for call in load.calls if b'"proxy_shutting_down"' in call.received]
    if drain == "30":
        assert (set(endings), told) == ({"completed"}, [])
    else:
        assert endings["shut_down"] >= clients // 3
        assert len(told) > 0


async def test_s3_gateways_replaced_one_after_the_other_fail_no_call(start: Start, rounds: int) -> None:
    """The supervisor holds the sockets: who comes while a gateway leaves waits for the next one."""
    dashcam = start("--workers", "2")
    load = Load(dashcam.url, headers={"connection": "close"})
    async with load.running():
        for _ in range(rounds):
            for pid in dashcam.pids("proxy.gateway"):
                await load.progress(10)
                os.kill(pid, signal.SIGTERM)
                await wait_until_async(lambda: replaced(dashcam, pid), "the next gateway")  # noqa: B023
        await load.progress()
    assert [call for call in load.calls if not call.is_finished] == []
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


def replaced(dashcam: RunningDashcam, pid: int) -> bool:
    found = dashcam.pids("proxy.gateway")
    return len(found) == 2 and pid not in found


async def test_s3_a_rolling_restart_behind_a_load_balancer(start: Start, amount: Amount) -> None:
    """Two instances; each leaves after the balancer has turned to the other one."""
    first, second = start(), start()
    with ToxicProxy(first.port).running() as balancer:
        load = Load(f"http://127.0.0.1:{balancer.port}", headers={"connection": "close"})
        async with load.running():
            for _ in range(amount(1, 20)):
                for leaving, staying in ((first, second), (second, first)):
                    await load.progress(10)
                    balancer.turn_to(staying.port)
                    assert await asyncio.to_thread(leaving.stop) == 0
                    await asyncio.to_thread(leaving.start)
        assert [call for call in load.calls if not call.is_finished] == []
    for dashcam in (first, second):
        here = {row["id"] for row in dashcam.rows()}
        part = Load(dashcam.url, calls=[call for call in load.calls if call.id in here])
        await asyncio.to_thread(assert_nothing_lost, dashcam, part)
    assert len(first.rows()) + len(second.rows()) == len(load.calls)


async def test_s4_t2_a_machine_that_slept_gives_nobody_up(start: Start, amount: Amount) -> None:
    """Everything stands still for longer than any time-out: what was said meanwhile is heard, and no timer storms."""
    dashcam = start()
    load = Load(dashcam.url, scripts=["slow@200"])
    everything = [dashcam.pid, *dashcam.pids("proxy.gateway"), *dashcam.pids("proxy.control")]
    async with load.running(clients=16):
        await wait_until_async(lambda: load.in_flight >= 8, "streams are open")
        with frozen(*everything):
            # The upstream's patience is two seconds; what it says goes on arriving in the kernel.
            await asyncio.sleep(amount(3, 60))
        await load.progress(16)
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


@pytest.mark.parametrize("seconds", [slow(86_400 * 400, id="a year on"), pytest.param(-86_400 * 400, id="a year back")])
async def test_t1_a_clock_that_steps_changes_no_duration_and_no_order(
    start_shimmed: StartShimmed, seconds: int
) -> None:
    dashcam, shim = await asyncio.to_thread(start_shimmed)
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
        shim.step_clock(seconds)
        await load.progress()
        shim.step_clock(0)
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}
    rows = dashcam.query("select id, duration_ms, ttft_ms from interaction where is_stream")
    assert all(0 <= row["ttft_ms"] <= row["duration_ms"] < 60_000 for row in rows)
