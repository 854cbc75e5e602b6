"""Disks that fill up, fail, hang or forget (F): policy decides what is kept, nothing crashes, everything is counted."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from proxy.spool.framing import SEGMENT_HEADER
from tests.faults.conftest import Amount, Start, StartShimmed, slow
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.means import require
from tests.support.processes import frozen
from tests.support.shim import OPEN, SYNC, WRITE, Shim
from tests.support.small_disk import fill_up, small_disk
from tests.support.verdict import Allowance, assert_nothing_lost
from tests.support.waiting import wait_until, wait_until_async


def degraded(dashcam: RunningDashcam) -> bool:
    return bool(dashcam.samples()["dashcam_recorder_degraded"][frozenset()])


@pytest.mark.parametrize("policy", ["metadata_only", slow("drop"), "reject"])
async def test_f1_a_full_disk_means_what_was_chosen_and_frees_itself_without_space(start: Start, policy: str) -> None:
    environment = {"DASHCAM_RECORDING__ON_FULL": policy, "DASHCAM_RECORDING__MIN_FREE_BYTES": "1000000",
                   "DASHCAM_RECORDING__SEGMENT_SECONDS": "0.5"}  # fmt: skip
    dashcam = start(environment=environment, is_started=False)
    with small_disk(dashcam.data_dir / "spool", megabytes=8):
        await asyncio.to_thread(dashcam.start)
        await wait_until_async(lambda: dashcam.ledger()["is_open"], "the store is open")
        load = Load(dashcam.url, pieces=400, pause=0.0)
        async with load.running(clients=16):
            with frozen(*dashcam.pids("proxy.control")):
                full = os.statvfs(dashcam.data_dir / "spool")
                room = full.f_bavail * full.f_frsize
                await wait_until_async(lambda: room_of(dashcam) < 1_000_000 < room, "the disk is full", seconds=60)
                enough = len(load.calls) + 100
                await wait_until_async(lambda: len(load.calls) > enough, "calls go on", seconds=60)
            await wait_until_async(lambda: room_of(dashcam) > 4_000_000, "it has freed itself", seconds=60)
            await load.progress(50)
        wait_until(lambda: not degraded(dashcam), "it is well again")
        allowed = Allowance(bodies=True, drops=True)
        await asyncio.to_thread(assert_nothing_lost, dashcam, load, allowed=allowed)
        refused = [call for call in load.calls if call.status == 503]
        assert bool(refused) is (policy == "reject")
        assert dashcam.ledger()["dropped"] or policy != "drop"
        dashcam.stop()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder below whose path there is room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="dc-") as folder:
        yield Path(folder)


async def test_f1_gateways_that_are_killed_on_a_full_disk_come_back_and_serve(
    start: Start, amount: Amount, short_path: Path
) -> None:
    """All of it is full: spool, database, run folder. What goes is counted, by those that are killed there, too."""
    dashcam = start(
        data_dir=short_path / "data",
        environment={"DASHCAM_RECORDING__MIN_FREE_BYTES": "1000000", "DASHCAM_RECORDING__BALLAST_BYTES": "4000000"},
        is_started=False,
    )
    with small_disk(dashcam.data_dir, megabytes=24):
        run_dir = dashcam.data_dir / "run"
        run_dir.mkdir()
        dashcam.environment["DASHCAM_RUN_DIR"] = str(run_dir)
        await asyncio.to_thread(dashcam.start)
        await wait_until_async(lambda: dashcam.ledger()["is_open"], "the store is open")
        load = Load(dashcam.url)
        async with load.running(clients=8):
            await load.progress(20)
            full = [fill_up(dashcam.data_dir)]
            for _ in range(amount(2, 6)):
                before = dashcam.kill("proxy.gateway")
                # The room that the dead one held is gone as well.
                full.append(fill_up(run_dir))
                await wait_until_async(partial(is_another, dashcam, before), "there is another")
                await wait_until_async(dashcam.is_ready, "it serves")
                await load.progress(20)
                dashcam.kill("proxy.control")
            for item in full:
                item.unlink(missing_ok=True)
            await load.progress(20)
        await asyncio.to_thread(dashcam.settle)
        rows, ledger = dashcam.query("select id, outcome from interaction"), dashcam.ledger()
        assert {row["outcome"] for row in rows} <= {"completed", "interrupted"}
        seen = {call.id for call in load.calls if call.is_finished}
        assert [row for row in rows if row["outcome"] != "completed" and row["id"] in seen] == []
        stored = {row["id"] for row in rows}
        missing = [call for call in load.calls if call.is_answered and call.id not in stored]
        assert len(stored) == len(rows) == ledger["stored"]
        assert ledger["balanced"], ledger
        assert len(missing) <= sum(ledger["dropped"].values()), ledger
        dashcam.assert_sound()
        dashcam.stop()


async def test_f1_k1_a_gateway_that_is_killed_on_a_full_disk_interrupts_no_call_that_its_client_saw_to_the_end(
    start: Start,
) -> None:
    """Two faults at once: no byte is free, the ballast is spent, ENDs wait, and their gateway is killed."""
    room = {"DASHCAM_RECORDING__MIN_FREE_BYTES": "1000000", "DASHCAM_RECORDING__BALLAST_BYTES": "500000"}
    dashcam = start(environment=room, is_started=False)
    spool = dashcam.data_dir / "spool"
    with small_disk(spool, megabytes=12):
        await asyncio.to_thread(dashcam.start)
        await wait_until_async(lambda: dashcam.ledger()["is_open"], "the store is open")
        load = Load(dashcam.url, scripts=["", "slow@100"])
        async with load.running(clients=16):
            await load.progress(20)
            # Else it would free what it has loaded.
            with frozen(*dashcam.pids("proxy.control")):
                # Some that began on record are under way until the kill, however long the filling takes.
                async with load.unfinished():
                    full = [fill_up(spool)]
                    await wait_until_async(lambda: not list(spool.glob("*/ballast")), "the ballast is given back")
                    full.append(fill_up(spool, "rest"))
                    await wait_until_async(lambda: any(map(is_waiting, spool.glob("*/ends"))), "ENDs wait")
                    finished = load.finished
                    await wait_until_async(lambda: load.finished > finished + 20, "calls go on")
                    before = dashcam.kill("proxy.gateway")
                await wait_until_async(partial(is_another, dashcam, before), "there is another")
            for item in full:
                item.unlink()
            await load.progress(20)
        for call in load.calls:
            if not call.is_finished:
                # Of those cut off it is not kept what came while the disk took nothing, and nobody is left to say so.
                call.received = b""
        endings = await asyncio.to_thread(
            assert_nothing_lost, dashcam, load, allowed=Allowance(bodies=True, drops=True)
        )
        assert endings["interrupted"] > 0, "what clients did not see to the end"
        dashcam.stop()


def is_waiting(ends: Path) -> bool:
    """Tell whether there is a record behind the file's heading."""
    return ends.read_bytes()[SEGMENT_HEADER.size :][:1] > b"\x00"


def is_another(dashcam: RunningDashcam, before: list[int]) -> bool:
    return dashcam.pids("proxy.gateway") not in ([], before)


def room_of(dashcam: RunningDashcam) -> int:
    found = os.statvfs(dashcam.data_dir / "spool")
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize("number", [errno.EIO, slow(errno.EROFS), errno.ENOSPC], ids=errno.errorcode.get)
async def test_f4_writes_that_fail_cost_no_call_and_are_counted(start_shimmed: StartShimmed, number: int) -> None:
    dashcam, shim = await asyncio.to_thread(start_shimmed)
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
        shim.fail(WRITE, number)
        await load.progress(60)
        shim.heal()
        await load.progress(60)
    assert [call for call in load.calls if not call.is_finished] == []
    allowed = Allowance(bodies=True, drops=True)
    await asyncio.to_thread(assert_nothing_lost, dashcam, load, allowed=allowed)
    assert dashcam.ledger()["dropped"].get("spool_full" if number == errno.ENOSPC else "write_error", 0) > 0
    assert "recorder_degraded" in dashcam.log()


@pytest.mark.parametrize("number", [slow(errno.EMFILE), errno.EACCES], ids=errno.errorcode.get)
async def test_f4_f6_without_new_files_the_old_ones_do(start_shimmed: StartShimmed, number: int) -> None:
    """No descriptor left, or the folder's rights lost: segments cannot rotate, and the one in use grows on."""
    quick = {"DASHCAM_RECORDING__SEGMENT_SECONDS": "0.2"}
    dashcam, shim = await asyncio.to_thread(start_shimmed, environment=quick)
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
        with frozen(*dashcam.pids("proxy.control")):
            shim.fail(OPEN, number)
            await load.progress(150)
            shim.heal()
        await load.progress(60)
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


async def test_f4_a_gateway_that_has_used_up_its_descriptors_recovers(start: Start) -> None:
    require("linux")
    dashcam = start()
    (gateway,) = dashcam.pids("proxy.gateway")
    load = Load(dashcam.url, scripts=["slow@20"])
    was = resource.prlimit(gateway, resource.RLIMIT_NOFILE)
    held = len(os.listdir(f"/proc/{gateway}/fd"))
    async with load.running(clients=4):
        await load.progress(4)
        resource.prlimit(gateway, resource.RLIMIT_NOFILE, (held + 12, was[1]))
        crowd = Load(dashcam.url, scripts=["slow@20"])
        async with crowd.running(clients=40):
            await wait_until_async(lambda: len(os.listdir(f"/proc/{gateway}/fd")) >= held + 12, "all are in use")
            await load.progress(4)
            resource.prlimit(gateway, resource.RLIMIT_NOFILE, was)
        await load.progress(4)
    # A disk that cannot be looked at counts as full: bodies may be left out meanwhile.
    await asyncio.to_thread(assert_nothing_lost, dashcam, load, crowd, allowed=Allowance(bodies=True))


MODES = ["process", "power"]


@pytest.mark.parametrize("mode", MODES)
async def test_f5_a_sync_that_takes_for_ever_delays_no_call_for_longer_than_it_may(
    start_shimmed: StartShimmed, mode: str
) -> None:
    """Mode ``process`` never waits; in mode ``power`` a reply waits for its limit, and then says so on record."""
    environment = {"DASHCAM_RECORDING__MODE": mode, "DASHCAM_RECORDING__POWER_WAIT": "0.2"}
    dashcam, shim = await asyncio.to_thread(start_shimmed, environment=environment)
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
        shim.sync_slowly(5)
        # So many calls end while each sync takes five seconds, that no call can have waited for one.
        seen = shim.seen(SYNC)
        await load.progress(200 if mode == "process" else 20)
        assert shim.seen(SYNC) - seen < 100
        shim.heal()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}
    late = sum(dashcam.samples()["dashcam_spool_sync_waits_expired_total"].values())
    assert (late > 0) is (mode == "power")


ONCE, FOR_LONG = 1, 10_000


@pytest.mark.parametrize(
    ("mode", "times"), [slow("process", ONCE), ("process", FOR_LONG), ("power", ONCE), slow("power", FOR_LONG)]
)
async def test_f3_syncs_that_fail_cost_nothing(start_shimmed: StartShimmed, mode: str, times: int) -> None:
    """From the third on: the segment is left, what it held is written anew, and it is said aloud."""
    environment = {"DASHCAM_RECORDING__MODE": mode, "DASHCAM_RECORDING__POWER_WAIT": "0.2"}
    dashcam, shim = await asyncio.to_thread(start_shimmed, environment=environment, is_spool_only=True)
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
        shim.fail(SYNC, errno.EIO, after=3, times=times)
        await load.progress(40)
        await wait_until_async(lambda: is_said(dashcam, times), "it is said")
        shim.heal()
        await load.progress(40)
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


def is_said(dashcam: RunningDashcam, times: int) -> bool:
    """It is counted and in the log; one that lasts as what it does to the record, too."""
    counted = sum(dashcam.samples()["dashcam_spool_sync_failures_total"].values())
    log = dashcam.log()
    return counted > 0 and "sync_failed" in log and (times == ONCE or "recorder_degraded" in log)


def test_the_shim_keeps_out_of_everything_else(start_shimmed: StartShimmed) -> None:
    dashcam, shim = start_shimmed()
    assert isinstance(shim, Shim)
    assert shim.seen(WRITE) > 0
    assert dashcam.get("/readyz")[0] == 200
