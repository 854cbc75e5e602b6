"""Calls are erased while others are loaded, and everything is killed in the middle (M2): none ever comes back."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tests.faults.conftest import Start, opened
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.waiting import wait_until_async

PURGE = ("purge", "--user", "kim", "--yes", "--json")


async def purged(dashcam: RunningDashcam, command: tuple[str, ...] = PURGE) -> int:
    """Give the command until it goes through, as a person would; return how often."""
    for number in range(1, 8):
        done = await asyncio.to_thread(dashcam.cli, *command)
        if done.returncode == 0:
            return number
    raise AssertionError(done.stderr)


async def killed_while_purging(dashcam: RunningDashcam) -> None:
    """Give the command once; the failpoint kills control in it, and another one is started."""
    old = dashcam.pids("proxy.control")
    await asyncio.to_thread(dashcam.cli, *PURGE)
    await wait_until_async(lambda: dashcam.pids("proxy.control") not in ([], old), "another control")


@pytest.mark.engines("sqlite", "postgres")
async def test_m2_purging_while_loading_and_killed_in_the_middle(start: Start, rounds: int) -> None:
    """``purge.carried`` is in the transaction that erases: killed there, nothing of it has happened."""
    dashcam = opened(start(environment={"DASHCAM_FAILPOINTS": "purge.carried=kill@1"}))
    kims, others = Load(dashcam.url, headers={"x-dashcam-user": "kim"}), Load(dashcam.url)
    async with others.running(clients=4):
        async with kims.running(clients=4):
            for _ in range(rounds):
                await kims.progress()
                await killed_while_purging(dashcam)
                await others.progress()
        await asyncio.to_thread(dashcam.kill_everything)
        dashcam.environment.pop("DASHCAM_FAILPOINTS")
        await asyncio.to_thread(dashcam.start)
        opened(dashcam)
        await others.progress()
        await purged(dashcam)
    await asyncio.to_thread(dashcam.settle)
    await asyncio.to_thread(dashcam.kill_everything)
    await asyncio.to_thread(dashcam.start)
    await asyncio.to_thread(dashcam.settle)
    await asyncio.to_thread(assert_erased, dashcam, kims, others)


def assert_erased(dashcam: RunningDashcam, kims: Load, others: Load) -> None:
    """Nothing of kim's is there, all of the others' is, and every call that was accepted is accounted for."""
    rows = {str(row["id"]): row for row in dashcam.query("select id, user_id, response_sha256 from interaction")}
    assert [row for row in rows.values() if row["user_id"] == "kim"] == []
    assert not rows.keys() & {call.id for call in kims.calls}
    for call in others.calls:
        if call.is_finished:
            assert rows[str(call.id)]["response_sha256"] == hashlib.sha256(call.received).hexdigest(), call
    ledger = dashcam.ledger()
    assert ledger["balanced"], ledger
    (found,) = dashcam.query("select count(*) as calls from tombstone")
    assert ledger["accepted"] == ledger["stored"] + sum(ledger["dropped"].values()) == len(rows) + found["calls"], (
        ledger
    )
    assert dashcam.cli("db", "check").returncode == 0
