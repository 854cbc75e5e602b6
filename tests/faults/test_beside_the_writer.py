"""Other programs at the SQLite file beside its one writer, which is killed again and again: nothing is lost or parted.

They read in threads and processes, checkpoint, vacuum and back up; nobody writes over the file. A database of its own
for every ten rounds, as the time that a check takes grows with it.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.settings.database import sqlite_at
from tests.faults.conftest import Amount
from tests.support.beside_a_writer import DEEDS, do_on
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.one_writer import PARTED
from tests.support.processes import ROOT, clean_environment
from tests.support.rollups import ask
from tests.support.waiting import wait_until

DATABASES_ROUNDS = 10
PROCESSES = ("read", "checkpoint", "vacuum")


Process = subprocess.Popen[bytes]


class Record:
    """A database, the notes of its writers, and the processes at it."""

    def __init__(self, folder: Path, started: list[Process]) -> None:
        self.folder, self.started = folder, started
        self.path, self.notes = folder / "dashcam.db", folder / "notes"
        fresh_sqlite(self.path)
        self.notes.touch()
        self.backups = 0

    def noted(self) -> list[str]:
        """Return the whole lines of the notes."""
        return self.notes.read_text().split("\n")[:-1]

    def run(self, *words: str) -> Process:
        command = [sys.executable, "-m", *words]
        self.started.append(subprocess.Popen(command, cwd=ROOT, env=clean_environment(self.folder)))
        return self.started[-1]

    def begin(self, chance: random.Random) -> Process:
        """Start a writer; return when it writes."""
        before, seed = len(self.noted()), chance.getrandbits(32)
        writer = self.run("tests.support.one_writer", str(self.path), str(self.notes), str(seed))
        self.wait(writer, before + 1)
        return writer

    def wait(self, writer: Process, lines: int) -> None:
        """Wait until so many lines are noted, or it has left."""
        wait_until(lambda: writer.poll() is not None or len(self.noted()) >= lines, "it writes")

    def kill(self, writer: Process, chance: random.Random) -> None:
        """Kill a writer when it has noted so many calls more."""
        self.wait(writer, len(self.noted()) + chance.randint(20, 400))
        assert writer.poll() is None, self.noted()[-1:]
        end(writer)

    def back_up(self) -> None:
        """Copy it by the command; what was noted before is in the copy."""
        self.backups += 1
        noted, copy = self.noted(), self.folder / f"copy-{self.backups}.db"
        command = self.run("proxy", "db", "backup", str(copy), "--data-dir", str(self.folder))
        assert command.wait() == 0
        assert_whole(copy, noted)
        copy.unlink()


def end(process: Process) -> None:
    process.kill()
    process.wait()


@pytest.fixture
def started() -> Iterator[list[Process]]:
    """The processes of a test; none outlives it."""
    found: list[Process] = []
    yield found
    for process in found:
        end(process)


def assert_whole(path: Path, noted: list[str]) -> None:
    database = sqlite_at(path)
    assert ask(database, "PRAGMA integrity_check") == [("ok",)]
    assert [line for line in noted if line.startswith(PARTED)] == []
    assert set(noted) - {identity for (identity,) in ask(database, "SELECT id FROM interaction")} == set()


@contextlib.contextmanager
def others(record: Record, chance: random.Random) -> Iterator[None]:
    """Let others do what they do, in threads and in processes, which are killed in the middle of it."""
    leaving = threading.Event()
    threads = [
        threading.Thread(target=do_on, args=(DEEDS["read"], record.path, chance.getrandbits(32), leaving))
        for _ in range(2)
    ]
    processes = [
        record.run("tests.support.beside_a_writer", deed, str(record.path), str(chance.getrandbits(32)))
        for deed in PROCESSES
    ]
    for thread in threads:
        thread.start()
    try:
        yield
        assert [process.poll() for process in processes] == [None] * len(processes)
    finally:
        leaving.set()
        for process in processes:
            end(process)
        for thread in threads:
            thread.join()


def test_what_others_do_beside_the_one_writer_costs_no_call(
    tmp_path: Path, amount: Amount, started: list[Process]
) -> None:
    chance = random.Random()
    for number in range(amount(1, 100)):
        folder = tmp_path / str(number // DATABASES_ROUNDS)
        if number % DATABASES_ROUNDS == 0:
            record = Record(folder, started)
        # Its mark is in the file before anybody reads: later a reader may keep it in the log for this life.
        writer = record.begin(chance)
        with others(record, chance):
            record.kill(writer, chance)
            backup = threading.Thread(target=record.back_up)
            backup.start()
            record.kill(record.begin(chance), chance)
            backup.join()
        assert_whole(record.path, record.noted())
        assert not list(folder.glob(".*"))
        if number % DATABASES_ROUNDS == DATABASES_ROUNDS - 1:
            shutil.rmtree(folder)
