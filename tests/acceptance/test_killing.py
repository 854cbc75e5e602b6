"""kill -9 under load: nothing lost, nothing doubled. Three rounds each here; `make soak` does twenty."""

from __future__ import annotations

import asyncio

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load, assert_nothing_lost
from tests.support.waiting import wait_until_async


@pytest.fixture
def dashcam(start_dashcam: Starter, oracle: str) -> RunningDashcam:
    return start_dashcam("--upstream", f"openai={oracle}/v1")


async def test_killing_the_gateway_loses_nothing_and_tells_what_was_interrupted(
    dashcam: RunningDashcam, rounds: int
) -> None:
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            (old,) = await asyncio.to_thread(dashcam.kill, "proxy.gateway")
            await wait_until_async(lambda: dashcam.pids("proxy.gateway") not in ([], [old]), "a new gateway")  # noqa: B023
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["interrupted"] >= rounds
    assert set(endings) <= {"completed", "interrupted", "client_gone"}


async def test_killing_control_fails_no_call_and_loses_nothing(dashcam: RunningDashcam, rounds: int) -> None:
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            (old,) = await asyncio.to_thread(dashcam.kill, "proxy.control")
            await load.progress()
            await wait_until_async(lambda: dashcam.pids("proxy.control") not in ([], [old]), "a new control")  # noqa: B023
        await load.progress()
    assert [call for call in load.calls if not call.is_finished] == []
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


async def test_killing_everything_at_once_loses_nothing(dashcam: RunningDashcam, rounds: int) -> None:
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            await asyncio.to_thread(dashcam.kill_everything)
            await asyncio.to_thread(dashcam.start)
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["interrupted"] >= rounds


async def test_the_counters_agree_with_the_rows_after_a_kill(dashcam: RunningDashcam) -> None:
    load = Load(dashcam.url)
    async with load.running(clients=4):
        await load.progress()
        await asyncio.to_thread(dashcam.kill_everything)
        await asyncio.to_thread(dashcam.start)
        await load.progress()
    await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    samples = dashcam.samples()
    (sums,) = dashcam.query(
        "select count(*) as calls, sum(input_tokens) as input, sum(cost_pico_usd) as cost from interaction"
    )
    counted = {name: sum(values.values()) for name, values in samples.items()}
    assert counted["dashcam_requests_total"] == sums["calls"]
    assert (
        sum(v for labels, v in samples["dashcam_tokens_total"].items() if ("type", "input") in labels) == sums["input"]
    )
    assert counted["dashcam_cost_usd_total"] == pytest.approx(sums["cost"] / 1e12)
