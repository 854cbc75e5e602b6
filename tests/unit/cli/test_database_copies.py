"""``dashcam db backup`` and ``restore`` as they are typed."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from proxy.supervisor import instance
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


def calls_in(dashcam: Command) -> int:
    return int(json.loads(dashcam("db", "info", "--json").out)["interactions"])


def test_a_copy_goes_into_the_data_folder_unless_told_otherwise(
    dashcam: Command, record: Record, tmp_path: Path
) -> None:
    record(an_entry())
    said = dashcam("db", "backup")
    made = Path(said.lines[0])
    assert (made.parent, made.name[:7]) == (tmp_path / "data" / "backups", "backup-")
    assert "1 call, the last one of" in said.err
    assert "the copy was checked" in said.err
    named = json.loads(dashcam("db", "backup", str(tmp_path / "mine.db"), "--json").out)
    assert (named["path"], named["calls"]) == (str(tmp_path / "mine.db"), 1)
    (tmp_path / "folder").mkdir()
    assert Path(dashcam("db", "backup", str(tmp_path / "folder")).lines[0]).parent == tmp_path / "folder"
    assert "is there already" in dashcam("db", "backup", str(tmp_path / "mine.db")).err
    for name in ("new/mine.db", "new/"):
        refused = dashcam("db", "backup", f"{tmp_path}/{name}")
        assert (refused.code, f"next: make it: mkdir -p {tmp_path}/new" in refused.err) == (2, True), refused
        assert not (tmp_path / "new").exists()


def test_a_copy_of_a_damaged_database_does_not_stay(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(an_entry())
    path = tmp_path / "data" / "dashcam.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'attempt'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    said = dashcam("db", "backup", "copy.db")
    assert (said.code, said.out) == (1, "")
    assert "the copy is not sound and was removed" in said.err
    assert "next: see whether the database itself is sound: dashcam db check" in said.err
    assert not Path("copy.db").exists()


def test_a_copy_comes_back_after_a_yes(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(an_entry())
    dashcam("db", "backup", "copy.db")
    record(an_entry())
    refused = dashcam("db", "restore", "copy.db")
    assert (refused.code, calls_in(dashcam)) == (2, 2)
    assert "--yes" in refused.err
    said = dashcam("db", "restore", "copy.db", "--yes")
    assert (said.code, calls_in(dashcam)) == (0, 1)
    assert "was erased or redacted since the copy was made is there again" in said.err
    aside = Path(said.lines[1].split(":")[1].strip())
    assert aside.name.startswith("dashcam.db.aside-")
    assert json.loads(dashcam("db", "restore", str(aside), "--yes", "--json").out)["calls"] == 2
    assert calls_in(dashcam) == 2
    assert list((tmp_path / "data").glob(".*")) == []


def test_a_question_is_asked_on_a_terminal(dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    record(an_entry())
    dashcam("db", "backup", "copy.db")
    for answer, code in (("n\n", 2), ("\n", 2), ("y\n", 0)):
        typed = io.StringIO(answer)
        monkeypatch.setattr(typed, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", typed)
        said = dashcam("db", "restore", "copy.db")
        assert said.code == code
        assert "which is set aside. Go on? [y/N]" in said.err


def test_nothing_is_restored_under_a_running_server(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(an_entry())
    dashcam("db", "backup", "copy.db")
    lock = instance.lock(tmp_path / "data")
    assert lock is not None
    instance.announce(tmp_path / "data", {"pid": 4711, "url": "http://127.0.0.1:1"})
    said = dashcam("db", "restore", "copy.db", "--yes")
    assert said.code == 6
    assert "a running Dashcam has the database (pid 4711)" in said.err
    os.close(lock)


def test_a_copy_that_is_not_there_is_told(dashcam: Command, record: Record) -> None:
    record(an_entry())
    assert dashcam("db", "restore", "nowhere.db", "--yes").code == 3
    Path("text.db").write_text("no database")
    said = dashcam("db", "restore", "text.db", "--yes")
    assert (said.code, calls_in(dashcam)) == (1, 1)
    assert "is no SQLite database" in said.err


KEY, NEW_KEY = "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA", "Zq3Wm8Rt5Yb1Nc7Lk9Vx2Hd4Gf6Js0Pa"


def test_a_sealed_copy_comes_back_with_its_key_also_after_a_rotation(
    dashcam: Command, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(an_entry())
    monkeypatch.setenv("DASHCAM_MASTER_KEY", KEY)
    said = dashcam("db", "backup", "--sealed")
    copy = Path(said.lines[0])
    assert copy.name.endswith(".db.sealed")
    assert "sealed with the master key " in said.err
    assert "SQLite" not in copy.read_bytes().decode("latin-1")
    made = json.loads(dashcam("db", "backup", "named.sealed", "--sealed", "--json").out)
    assert (made["calls"], made["bytes"]) == (1, Path("named.sealed").stat().st_size)
    assert made["sealed_with"] in said.err
    record(an_entry())
    monkeypatch.setenv("DASHCAM_MASTER_KEY", NEW_KEY)
    refused = dashcam("db", "restore", str(copy), "--yes")
    assert (refused.code, calls_in(dashcam)) == (1, 2)
    assert f"is sealed with the master key {made['sealed_with']}; set are: " in refused.err
    assert "next: add that key to DASHCAM_MASTER_KEY" in refused.err
    monkeypatch.setenv("DASHCAM_MASTER_KEY", f"{NEW_KEY},{KEY}")
    brought = json.loads(dashcam("db", "restore", str(copy), "--yes", "--json").out)
    assert (brought["calls"], calls_in(dashcam)) == (1, 1)
    assert list((tmp_path / "data").glob(".*")) == list((tmp_path / "data" / "backups").glob(".*")) == []


def test_a_sealed_copy_that_was_cut_off_changes_nothing(
    dashcam: Command, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(an_entry())
    monkeypatch.setenv("DASHCAM_MASTER_KEY", KEY)
    dashcam("db", "backup", "copy.sealed", "--sealed")
    Path("copy.sealed").write_bytes(Path("copy.sealed").read_bytes()[:-100])
    before = (tmp_path / "data" / "dashcam.db").read_bytes()
    refused = dashcam("db", "restore", "copy.sealed", "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert "was cut off or changed behind byte" in refused.err
    assert "next: take another copy" in refused.err
    assert (tmp_path / "data" / "dashcam.db").read_bytes() == before
    assert list((tmp_path / "data").glob(".*")) == []


def test_copies_are_sealed_where_the_settings_say_so_and_never_without_a_key(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(an_entry())
    refused = dashcam("db", "backup", "--sealed")
    assert (refused.code, refused.out) == (4, "")
    assert "--sealed: set DASHCAM_MASTER_KEY or DASHCAM_MASTER_KEY_FILE (make one: openssl rand -hex 32)" in refused.err
    monkeypatch.setenv("DASHCAM_MAINTENANCE__SEAL_BACKUPS", "true")
    assert "maintenance.seal_backups is on: set DASHCAM_MASTER_KEY" in dashcam("db", "backup").err
    monkeypatch.setenv("DASHCAM_MASTER_KEY", "short")
    assert "DASHCAM_MASTER_KEY is shorter than 32 characters" in dashcam("db", "backup").err
    monkeypatch.setenv("DASHCAM_MASTER_KEY", KEY)
    assert dashcam("db", "backup").lines[0].endswith(".sealed")
    assert dashcam("db", "backup", "--plain").lines[0].endswith(".db")
    monkeypatch.delenv("DASHCAM_MASTER_KEY")
    monkeypatch.delenv("DASHCAM_MAINTENANCE__SEAL_BACKUPS")
    sealed = next(Path("data/backups").glob("*.sealed"))
    assert "set are: none" in dashcam("db", "restore", str(sealed), "--yes").err
