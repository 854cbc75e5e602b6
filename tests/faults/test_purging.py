"""Calls are erased while others are loaded, and everything is killed in the middle (M2): none ever comes back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib

import pytest

from tests.faults.conftest import Start, opened, slow
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.postgres import Databases
from tests.support.together import Together, on
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


@pytest.mark.parametrize("place", ["purge.looked=kill@1", slow("purge.finished=kill@1")])
async def test_m2_killed_at_a_step_of_a_purge(start: Start, place: str) -> None:
    """Asked for and nothing done, all done and not said so: said again, nothing is left."""
    await _killed_and_said_again(start, place)


@pytest.mark.slow
@pytest.mark.engines("sqlite")
async def test_m2_killed_before_a_file_s_log_is_cleared(start: Start) -> None:
    """All done, and the log still has it: said again, nothing is left. Postgres has no such log."""
    await _killed_and_said_again(start, "log.cleared=kill@2")


async def _killed_and_said_again(start: Start, place: str) -> None:
    dashcam = opened(start(environment={"DASHCAM_FAILPOINTS": place}))
    async with Load(dashcam.url, headers={"x-dashcam-user": "kim"}).running(clients=2) as load:
        await load.progress()
    await asyncio.to_thread(dashcam.settle)
    await killed_while_purging(dashcam)
    await asyncio.to_thread(dashcam.kill_everything)
    dashcam.environment.pop("DASHCAM_FAILPOINTS")
    await asyncio.to_thread(dashcam.start)
    opened(dashcam)
    await purged(dashcam)
    await asyncio.to_thread(assert_erased, dashcam, load, Load(dashcam.url))
    nonces = [call.nonce.encode() for call in load.calls]
    await wait_until_async(lambda: not with_any(dashcam, nonces), "no file has what was asked")


def with_any(dashcam: RunningDashcam, texts: list[bytes]) -> list[str]:
    """Return the files that hold one of some texts; those of the oracle are small, and not compressed."""
    files = {path.name: path.read_bytes() for path in dashcam.data_dir.rglob("*") if path.is_file()}
    return [name for name, data in files.items() if any(text in data for text in texts)]


@pytest.mark.slow
@pytest.mark.engines("postgres")
async def test_m2_two_hosts_purge_the_same_at_once_while_both_load(start: Start, engine: Databases) -> None:
    database = engine.migrated()
    hosts = [
        on(start("--host", address, database=database, is_started=False), address)
        for address in ("127.0.0.1", "127.0.0.2")
    ]
    together = Together(*map(opened, hosts))
    kims = [Load(host.url, headers={"x-dashcam-user": "kim", "x-dashcam-session": "s"}) for host in hosts]
    others = [Load(host.url) for host in hosts]
    commands = (PURGE, ("purge", "--session", "s", "--yes", "--json"))
    async with contextlib.AsyncExitStack() as running:
        for load in (*kims, *others):
            await running.enter_async_context(load.running(clients=2))
        for _ in range(3):
            for load in (*kims, *others):
                await load.progress()
            told = await asyncio.gather(
                *(asyncio.to_thread(host.cli, *command) for host in hosts for command in commands)
            )
            assert [done.stderr for done in told if done.returncode] == []
    await asyncio.to_thread(together.settle)
    await asyncio.gather(*(purged(host) for host in hosts))
    assert together.query("select count(*) as calls from interaction where user_id = 'kim'") == [{"calls": 0}]
    (left,) = together.query("select count(*) as calls from interaction")
    (gone,) = together.query("select count(*) as calls from tombstone")
    ledger = together.ledger()
    assert ledger["balanced"]
    assert ledger["stored"] == left["calls"] + gone["calls"]
    together.assert_sound()
