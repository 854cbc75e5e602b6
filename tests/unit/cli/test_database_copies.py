"""``dashcam db backup`` and ``restore`` as they are typed."""

from __future__ import annotations

import io
import json
import os
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


def test_a_copy_comes_back_after_a_yes(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(an_entry())
    dashcam("db", "backup", "copy.db")
    record(an_entry())
    refused = dashcam("db", "restore", "copy.db")
    assert (refused.code, calls_in(dashcam)) == (2, 2)
    assert "--yes" in refused.err
    said = dashcam("db", "restore", "copy.db", "--yes")
    assert (said.code, calls_in(dashcam)) == (0, 1)
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
