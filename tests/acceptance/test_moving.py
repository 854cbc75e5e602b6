"""The record moves to Postgres and back while calls are made: nothing lost, nothing doubled, no call refused."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.settings.database import DatabaseSettings, sqlite_at
from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.rollups import ask, assert_rollups_equal_the_rows
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.postgres import Databases


class MovingDashcam(RunningDashcam):
    """One whose record may be in another database than at first."""

    moved_to: DatabaseSettings | None = None

    @property
    def database(self) -> DatabaseSettings:
        return self.moved_to or super().database

    @property
    def database_path(self) -> Path:
        return self.moved_to.path if self.moved_to else super().database_path

    def move(self, database: DatabaseSettings, *more: str) -> dict[str, object]:
        """Copy the record, as a user does; return what the command says."""
        said = self.cli("db", "copy", "--from", self.database.url, "--to", database.url, "--json", *more)
        assert said.returncode == 0, said.stderr.decode()
        return dict(json.loads(said.stdout))

    def start_with(self, database: DatabaseSettings) -> None:
        """Start it anew with another database."""
        self.stop()
        self.moved_to = database
        self._arguments = (*self._arguments[:2], "--database-url", database.url)
        self.start()


@pytest.fixture
def dashcam(tmp_path: Path, oracle: str) -> Iterator[MovingDashcam]:
    made = MovingDashcam(tmp_path, "--upstream", f"openai={oracle}/v1")
    made.start()
    wait_until(lambda: made.ledger()["is_open"], "there is a record to copy")
    yield made
    made.close()


@pytest.fixture
def database(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.empty()
    yield made
    postgres.drop(made)


async def test_the_record_moves_there_and_back_under_load(
    dashcam: MovingDashcam, database: DatabaseSettings, tmp_path: Path
) -> None:
    load = Load(dashcam.url)
    back = sqlite_at(tmp_path / "back.db")
    for target in (database, back):
        async with load.running(clients=4):
            await load.progress()
            early = await asyncio.to_thread(dashcam.move, target, "--stay")
            assert (early["state"], early["hashes"] != {}) == ("copying", True)
            await load.progress()
            said = await asyncio.to_thread(dashcam.move, target)
            assert (said["state"], said["left"]) == ("complete", 0)
            ledger = await asyncio.to_thread(dashcam.ledger)
            await load.progress()
        assert ledger["is_open"] is False
        assert "the record moved to" in str(dashcam.ledger()["last_error"])
        assert [call.error for call in load.calls if not call.is_finished] == [], "a call was refused"
        counted = sum(dashcam.samples().get("dashcam_requests_total", {}).values())
        await asyncio.to_thread(dashcam.start_with, target)
        endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
        assert endings == {"completed": len(load.calls)}
        assert sum(dashcam.samples()["dashcam_requests_total"].values()) == len(load.calls) >= counted
        assert_rollups_equal_the_rows(dashcam.database)


def test_a_copy_that_is_killed_goes_on_and_the_former_record_is_not_written_to(
    dashcam: MovingDashcam, database: DatabaseSettings
) -> None:
    asyncio.run(_some_calls(dashcam))
    dashcam.settle()
    former = dashcam.database
    rows = ask(former, "SELECT count(*) FROM interaction")
    command = [sys.executable, "-m", "proxy", "db", "copy", "--to", database.url]
    for _ in range(3):
        process = subprocess.Popen(
            command, cwd=dashcam.folder, env={**dashcam.environment, "DASHCAM_DATA_DIR": str(dashcam.data_dir)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        wait_until(lambda: "copying" in process.stderr.readline(), "it copies")  # type: ignore[union-attr]  # noqa: B023
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
    dashcam.move(database)
    again = dashcam.cli("db", "copy", "--to", database.url)
    assert (again.returncode, b"already" in again.stderr) == (0, True)
    compared = dashcam.cli("db", "copy", "--verify", "--to", database.url)
    assert (compared.returncode, b"differs" in compared.stderr) == (0, False), compared.stderr
    dashcam.stop()
    dashcam.start()
    asyncio.run(_some_calls(dashcam))
    wait_until(lambda: "the record moved to" in str(dashcam.ledger()["last_error"]), "control says where it is")
    assert ask(former, "SELECT count(*) FROM interaction") == rows
    dashcam.start_with(database)
    dashcam.settle()
    assert ask(database, "SELECT count(*) FROM interaction") > rows


async def _some_calls(dashcam: MovingDashcam) -> None:
    load = Load(dashcam.url)
    async with load.running(clients=4):
        await load.progress()


def test_an_incomplete_copy_is_not_opened_as_the_record(
    dashcam: MovingDashcam, start_dashcam: Starter, database: DatabaseSettings
) -> None:
    asyncio.run(_some_calls(dashcam))
    dashcam.settle()
    dashcam.move(database, "--stay")
    dashcam.start_with(database)
    wait_until(lambda: "not complete" in str(dashcam.ledger()["last_error"]), "control refuses it")
    assert "dashcam db copy" in dashcam.log()
