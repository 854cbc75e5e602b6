"""The power goes (K9, K10): what was not synced is gone, at any moment, and maybe some of it is there after all.

The processes are killed and the data folder is put back to what the last syncs made lasting, names in folders
included (``shim``); the run folder goes with the power. In mode ``process`` nothing that was synced is lost and the
files recover; in mode ``power`` nothing that a client has seen to its end is.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import StartShimmed
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.shim import SYNC, Shim
from tests.support.verdict import Allowance, assert_nothing_lost
from tests.support.waiting import wait_until_async


async def cut_the_power(dashcam: RunningDashcam, shim: Shim, seed: int) -> None:
    """Take the power away and give it back."""
    await asyncio.to_thread(dashcam.kill_everything)
    shim.power_cut(seed)
    for item in dashcam.run_root.iterdir():
        shutil.rmtree(item) if item.is_dir() else item.unlink()
    await asyncio.to_thread(dashcam.start)


def spool_of(dashcam: RunningDashcam) -> Path:
    return dashcam.data_dir / "spool"


@pytest.mark.parametrize("is_loading", [True, False], ids=["loading", "database away"])
async def test_k10_in_mode_process_what_was_synced_survives_the_power(
    start_shimmed: StartShimmed, rounds: int, is_loading: bool
) -> None:
    away = {} if is_loading else {"DASHCAM_FAILPOINTS": "batch.write=hang"}
    dashcam, shim = await asyncio.to_thread(start_shimmed, environment=away)
    lasting, lost = Load(dashcam.url), Load(dashcam.url)
    for seed in range(rounds):
        async with lasting.running():
            await lasting.progress()
        await wait_until_async(lambda: shim.is_all_synced(spool_of(dashcam)), "all is synced")
        shim.lose_everything_from_now_on()
        async with lost.running():
            await lost.progress()
            await cut_the_power(dashcam, shim, seed)
    dashcam.environment.pop("DASHCAM_FAILPOINTS", None)
    await asyncio.to_thread(dashcam.kill_everything)
    await asyncio.to_thread(dashcam.start)
    await asyncio.to_thread(assert_what_lasts, dashcam, lasting, lost)


@pytest.mark.parametrize("is_loading", [True, False], ids=["loading", "database away"])
async def test_k9_in_mode_power_no_finished_call_is_lost_to_the_power(
    start_shimmed: StartShimmed, rounds: int, is_loading: bool
) -> None:
    """The power goes at any moment, also between an append and its sync; large requests lie in files of their own."""
    environment = {"DASHCAM_RECORDING__MODE": "power", "DASHCAM_RECORDING__SEGMENT_SECONDS": "0.3"}
    environment |= {"DASHCAM_LIMITS__SPILL_BYTES": "2000", "DASHCAM_RECORDING__POWER_WAIT": "60"}
    away = {} if is_loading else {"DASHCAM_FAILPOINTS": "batch.write=hang"}
    dashcam, shim = await asyncio.to_thread(start_shimmed, environment={**environment, **away})
    small, large = Load(dashcam.url), Load(dashcam.url, padding=5000)
    async with small.running(), large.running(clients=2):
        for seed in range(rounds):
            await large.progress(5)
            await small.progress()
            await cut_the_power(dashcam, shim, seed)
    dashcam.environment.pop("DASHCAM_FAILPOINTS", None)
    await asyncio.to_thread(dashcam.kill_everything)
    await asyncio.to_thread(dashcam.start)
    await asyncio.to_thread(assert_finished_last, dashcam, small, large)


async def test_k9_f3_what_a_failed_sync_left_behind_survives_the_power_all_the_same(
    start_shimmed: StartShimmed, rounds: int
) -> None:
    """A sync fails once, and the kernel forgets; what the file held is on the disk elsewhere before replies go on."""
    environment = {"DASHCAM_RECORDING__MODE": "power", "DASHCAM_RECORDING__POWER_WAIT": "60"}
    environment |= {"DASHCAM_FAILPOINTS": "batch.write=hang"}
    dashcam, shim = await asyncio.to_thread(start_shimmed, environment=environment)
    load = Load(dashcam.url)
    async with load.running():
        for seed in range(rounds):
            await load.progress()
            failures = shim.fail_once(SYNC, errno.EIO)
            await wait_until_async(failures, "a sync has failed")
            await load.progress(5 + seed)
            await cut_the_power(dashcam, shim, seed)
    dashcam.environment.pop("DASHCAM_FAILPOINTS")
    await asyncio.to_thread(dashcam.kill_everything)
    await asyncio.to_thread(dashcam.start)
    await asyncio.to_thread(assert_finished_last, dashcam, load)


def assert_finished_last(dashcam: RunningDashcam, *loads: Load) -> None:
    """Judge all that was finished; of the rest what is there must be the beginning of what was said."""
    calls = [call for load in loads for call in load.calls]
    for call in calls:
        if not call.is_finished:
            call.received = b""
    assert_nothing_lost(dashcam, *loads, allowed=Allowance(bodies=True))
    whole = dashcam.query("select input_preview from interaction where content_state = 'stored'")
    assert {call.nonce for call in calls if call.is_finished} <= {str(row["input_preview"]) for row in whole}


def assert_what_lasts(dashcam: RunningDashcam, lasting: Load, lost: Load) -> set[str]:
    """Judge the lasting calls as ever, and of the others what is there; return their nonces.

    Of a call whose end went with the power the beginning may be there, however much its client has seen.
    """
    dashcam.settle()
    rows = dashcam.query("select input_preview, response_sha256 from interaction")
    there = {str(row["input_preview"]): row["response_sha256"] for row in rows}
    for call in lost.calls:
        if there.get(call.nonce) is None:
            call.is_answered, call.received = False, b""
    # The power may take the middle of an answer and leave its end: then the row says that it is cut.
    assert_nothing_lost(dashcam, lasting, lost, allowed=Allowance(bodies=True))
    whole = dashcam.query("select input_preview from interaction where content_state = 'stored'")
    assert {call.nonce for call in lasting.calls} <= {str(row["input_preview"]) for row in whole}
    return set(there) - {call.nonce for call in lasting.calls}
