"""Exports and imports where there is no room, nobody reads, or they are killed: told, and gone on with to the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.domain.identity import IdentityMint, id_text
from proxy.settings.database import sqlite_at
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.rollups import ask, assert_rollups_equal_the_rows
from tests.support.small_disk import fill_up, small_disk

CALLS = 300
PYTHON = (sys.executable, "-m", "proxy")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A record of some megabytes that no compression makes small, over three days."""
    writer = StoreWriter(fresh_sqlite(tmp_path / "data" / "dashcam.db"))
    entries = []
    for started_at in range(STARTED_AT, STARTED_AT + CALLS * 600_000, 600_000):
        identity = id_text(IdentityMint().mint(started_at * 1_000_000))
        entries.append(an_entry(os.urandom(3000).hex().encode(), b"{}", started_at=started_at, id=identity))
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _: {})
    writer.close()
    return tmp_path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 1) as _:
        yield tmp_path / "disk"


def environment(folder: Path, data: str = "data") -> dict[str, str]:
    return {**os.environ, "DASHCAM_DATA_DIR": str(folder / data), "DASHCAM_RUN_DIR": str(folder / "run")}


def run(folder: Path, *arguments: str, data: str = "data") -> subprocess.CompletedProcess[str]:
    command = [*PYTHON, *arguments]
    return subprocess.run(command, env=environment(folder, data), cwd=Path.cwd(), capture_output=True, text=True)


def remount(disk: Path, megabytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={megabytes}m", disk], check=True)


def test_an_export_to_a_full_disk_goes_on_when_there_is_room(folder: Path, disk: Path) -> None:
    assert run(folder, "export", "--content", "--to", str(folder / "whole.jsonl")).returncode == 0
    target = ("export", "--content", "--to", str(disk / "calls.jsonl"))
    broken = run(folder, *target)
    assert broken.returncode == 1
    assert f"{disk}/calls.jsonl.part cannot be written: No space left on device" in broken.stderr
    assert "goes on where it was" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert not (disk / "calls.jsonl").exists()
    remount(disk, 16)
    again = run(folder, *target)
    assert (again.returncode, "going on behind" in again.stderr) == (0, True), again.stderr
    assert (disk / "calls.jsonl").read_bytes() == (folder / "whole.jsonl").read_bytes()


def test_an_export_of_days_goes_on_with_the_day_it_was_at(folder: Path, disk: Path) -> None:
    target = ("export", "--content", "--format", "parquet", "--to", str(disk / "days"))
    broken = run(folder, *target)
    assert (broken.returncode, "No space left on device" in broken.stderr) == (1, True), broken.stderr
    assert "Traceback" not in broken.stderr
    remount(disk, 16)
    again = run(folder, *target)
    assert (again.returncode, "going on behind" in again.stderr) == (0, True), again.stderr
    assert f"{CALLS} calls" in again.stderr


def test_an_import_into_a_full_disk_goes_on_when_there_is_room(folder: Path, disk: Path) -> None:
    assert run(folder, "export", "--content", "--to", str(folder / "calls.jsonl")).returncode == 0
    filler = fill_up(disk)
    none = run(folder, "import", str(folder / "calls.jsonl"), data="disk")
    assert (none.returncode, "Traceback" in none.stderr) == (1, False), none.stderr
    filler.unlink()
    remount(disk, 2)
    half = run(folder, "import", str(folder / "calls.jsonl"), data="disk")
    assert (half.returncode, "Traceback" in half.stderr) == (1, False), half.stderr
    remount(disk, 32)
    whole = run(folder, "import", str(folder / "calls.jsonl"), data="disk")
    assert (whole.returncode, f"{CALLS} calls:" in whole.stderr) == (0, True), whole.stderr
    again = run(folder, "import", str(folder / "calls.jsonl"), data="disk")
    assert f"{CALLS} calls: 0 stored, {CALLS} there already" in again.stderr


def test_a_pipe_that_nobody_reads_any_more_ends_an_export(folder: Path) -> None:
    command = [*PYTHON, "export", "--content"]
    process = subprocess.Popen(command, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), said) == (0, b"")


def test_an_import_that_is_killed_goes_on_and_stores_each_call_once(folder: Path) -> None:
    assert run(folder, "export", "--content", "--to", str(folder / "calls.jsonl")).returncode == 0
    command = [*PYTHON, "import", "-", "--data-dir", str(folder / "other")]
    process = subprocess.Popen(command, env=environment(folder), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write((folder / "calls.jsonl").read_bytes()[:-1000])
    process.stdin.flush()
    deadline = time.monotonic() + 20
    while not (folder / "other" / "imports").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    assert process.stderr is not None
    process.stderr.close()
    said = run(folder, "import", str(folder / "calls.jsonl"), data="other")
    assert (said.returncode, f"{CALLS} calls:" in said.stderr) == (0, True), said.stderr
    assert ask(sqlite_at(folder / "other" / "dashcam.db"), "SELECT count(*) FROM interaction") == [(CALLS,)]
    assert_rollups_equal_the_rows(sqlite_at(folder / "other" / "dashcam.db"))
