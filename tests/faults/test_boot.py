"""Starting with a backlog and dying for want of memory (K6, K7): ready at once, and no memory for what waits."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.conftest import Amount, Start
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.means import CGROUP, require
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until, wait_until_async

MEGABYTE = 1 << 20


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_k6_a_backlog_neither_holds_readiness_up_nor_fills_memory(
    start: Start, rounds: int, amount: Amount
) -> None:
    """Everything is killed again and again while the backlog grows; the loader hangs until the last start."""
    require("linux")
    calls = amount(200, 4000)
    dashcam = start(environment={"DASHCAM_FAILPOINTS": "batch.write=hang"})
    load = Load(dashcam.url, pieces=40)
    async with load.running(clients=16):
        for _ in range(rounds):
            await load.progress(calls // rounds, seconds=120)
            await asyncio.to_thread(dashcam.kill_everything)
            await asyncio.to_thread(dashcam.start)
    await asyncio.to_thread(dashcam.kill_everything)
    dashcam.environment["DASHCAM_FAILPOINTS"] = "batch.committed=sleep:0.3"
    await asyncio.to_thread(dashcam.start)
    # It is ready, says ``start``; and the backlog is still there.
    await wait_until_async(lambda: dashcam.ledger()["is_open"], "the store is open")
    assert dashcam.ledger()["pending"] > 0
    (control,) = dashcam.pids("proxy.control")
    before = resident_bytes(control)
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert resident_bytes(control) - before < 100 * MEGABYTE
    assert endings["completed"] >= calls


@contextmanager
def memory_of(limit: int, *pids: int) -> Iterator[Path]:
    """Put processes into a group of their own that may have so many bytes."""
    group = CGROUP / f"dashcam-{uuid.uuid4().hex[:8]}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        yield group
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            (CGROUP / "cgroup.procs").write_text(left)
        wait_until(lambda: _is_removed(group), "nobody is left in the group")


def _is_removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        # Who was killed is still on its way out.
        return False
    return True


def _oom_kills(group: Path) -> int:
    said = dict(line.split() for line in (group / "memory.oom_control").read_text().splitlines())
    return int(said["oom_kill"])


async def _squeeze(dashcam: RunningDashcam, module: str) -> None:
    """Give a process less memory than it has until the kernel ends it."""
    (pid,) = dashcam.pids(module)
    # What it had before it came here is not charged; what it touches from now on is. The group has its limit before
    # the process comes: the kernel refuses to set one below what is charged already (EBUSY).
    with memory_of(64 * 1024, pid) as group:
        await wait_until_async(lambda: _oom_kills(group) > 0, f"the kernel ends {module} for want of memory")


async def test_k7_the_kernel_ends_the_gateway_for_want_of_memory(start: Start, rounds: int) -> None:
    require("linux", "root", "cgroup")
    dashcam = start()
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            old = dashcam.pids("proxy.gateway")
            await _squeeze(dashcam, "proxy.gateway")
            await wait_until_async(lambda: dashcam.pids("proxy.gateway") not in ([], old), "a new gateway")  # noqa: B023
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["interrupted"] >= 1
