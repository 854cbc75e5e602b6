"""The store away, locked, damaged or under stress (D): the path never notices, and all of it is there in the end."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.faults.conftest import Amount, Start, is_in_trouble, opened
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until, wait_until_async


@contextmanager
def locked(dashcam: RunningDashcam) -> Iterator[None]:
    """Hold the database alone, as another program might."""
    with closing(sqlite3.connect(dashcam.database_path, isolation_level=None, timeout=20)) as connection:
        connection.execute("begin exclusive")
        yield
        connection.execute("rollback")


@pytest.mark.engines("sqlite")
async def test_d7_a_database_that_is_locked_for_long(start: Start, amount: Amount) -> None:
    """Longer than the driver waits: the loader backs off and says why, no call fails, all is loaded afterwards."""
    dashcam = opened(start())
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
        with locked(dashcam):
            for _ in range(amount(1, 6)):
                await wait_until_async(lambda: is_in_trouble(dashcam, "locked"), "the loader says why")
                await load.progress(200)
            assert dashcam.get("/readyz")[0] == 200
            assert dashcam.ledger()["pending"] > 0
        await load.progress()
    assert [call for call in load.calls if not call.is_finished] == []
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


@pytest.mark.engines("sqlite")
async def test_d9_a_corrupt_page_stops_nobody_and_is_told_with_the_next_step(start: Start) -> None:
    """The gateway serves and spools; put a sound file in its place, and all is loaded."""
    dashcam = start()
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
    await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    dashcam.stop()
    sound = dashcam.folder / "sound.db"
    shutil.copy(dashcam.database_path, sound)
    damage(dashcam)
    before = dashcam.database_path.read_bytes()
    dashcam.start()
    async with load.running():
        await load.progress()
        await wait_until_async(
            lambda: is_in_trouble(dashcam, "malformed") or is_in_trouble(dashcam, "damaged"), "it says what is wrong"
        )
        await load.progress()
    assert dashcam.get("/readyz")[0] == 200
    assert dashcam.database_path.read_bytes()[: len(before)] == before, "what was there is overwritten"
    dashcam.stop()
    for item in dashcam.data_dir.glob("dashcam.db*"):
        item.unlink()
    shutil.copy(sound, dashcam.database_path)
    dashcam.start()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


def damage(dashcam: RunningDashcam) -> None:
    """Overwrite the pages of the table of calls with rubbish."""
    with closing(sqlite3.connect(dashcam.database_path)) as connection:
        pages = connection.execute("select rootpage from sqlite_schema where tbl_name = 'interaction'").fetchall()
        (size,) = connection.execute("pragma page_size").fetchone()
    with dashcam.database_path.open("r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * size)
            file.write(os.urandom(size))


async def test_d10_many_gateways_and_readers_and_one_writer(start: Start, amount: Amount) -> None:
    """Four gateways, commands that read all the while, checkpoints by growth: one process writes, and all is sound."""
    dashcam = opened(start("--workers", "4"))
    load, leaving = Load(dashcam.url, pieces=60), asyncio.Event()
    async with load.running(clients=16):
        reading = asyncio.create_task(read_on(dashcam, leaving), name="readers")
        await load.progress(amount(400, 20_000), seconds=1800)
        for pid in dashcam.pids("proxy.gateway"):
            assert [name for name in open_files(pid) if "dashcam.db" in name] == []
        assert len(dashcam.pids("proxy.control")) == 1
        leaving.set()
        assert await reading > 0
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


async def read_on(dashcam: RunningDashcam, leaving: asyncio.Event) -> int:
    """Ask the database through the command line until told to stop; return how often."""
    asked = 0
    while not leaving.is_set():
        for arguments in (("logs", "--limit", "50"), ("db", "info"), ("search", "nonce")):
            done = await asyncio.to_thread(dashcam.cli, *arguments)
            assert done.returncode in (0, 3), done.stderr
            asked += 1
    return asked


def open_files(pid: int) -> list[str]:
    folder = f"/proc/{pid}/fd"
    found = []
    for item in os.listdir(folder) if os.path.isdir(folder) else []:
        try:
            found.append(os.readlink(f"{folder}/{item}"))
        except OSError:
            continue
    return found


@pytest.mark.engines("sqlite")
def test_d11_an_old_sqlite_is_told_at_the_start(start: Start) -> None:
    dashcam = opened(start())
    is_old = sqlite3.sqlite_version_info < (3, 51, 3)
    wait_until(lambda: ("old_sqlite" in dashcam.log()) is is_old, "the log says so where it is old")
