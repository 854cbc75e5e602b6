"""``dashcam db copy``: what is typed, what is said, which mistakes are told. The copy itself is tested elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from proxy.cli import copying
from proxy.settings.database import sqlite_at
from proxy.spool.disk import RealDisk
from tests.support.entries import an_entry
from tests.support.rollups import ask
from tests.unit.cli.conftest import Command, Record


@pytest.fixture(autouse=True)
def recorded(record: Record) -> None:
    record(an_entry(), an_entry())


def test_a_copy_says_what_it_did_and_what_comes_next(dashcam: Command, tmp_path: Path) -> None:
    found = dashcam("db", "copy", "--to", "sqlite:///moved.db")
    assert (found.code, found.out) == (0, "")
    assert "copying: " in found.err
    assert "2 calls (" in found.err
    assert f"dashcam serve --database-url sqlite:///{tmp_path}/moved.db" in found.err
    assert "running Dashcam" not in found.err
    assert dashcam("db", "copy", "--to", "sqlite:///moved.db").err.startswith("The record is in")
    assert (tmp_path / "moved.db").stat().st_mode & 0o777 == 0o600


def test_json_is_one_document(dashcam: Command) -> None:
    found = dashcam("db", "copy", "--to", "sqlite:///moved.db", "--json")
    said = json.loads(found.out)
    assert (said["state"], said["rows"]["interaction"], said["left"], said["mended"]) == ("complete", 2, 0, 0)
    assert len(said["hashes"]["interaction"]) == 32


def test_with_stay_the_record_stays(dashcam: Command, tmp_path: Path) -> None:
    assert "without --stay" in dashcam("db", "copy", "--to", "sqlite:///moved.db", "--stay").err
    assert not (tmp_path / "data" / "record.json").exists()
    assert dashcam("db", "copy", "--to", "sqlite:///moved.db").code == 0
    assert (tmp_path / "data" / "record.json").exists()


def test_verify_compares_and_exits_with_7_where_the_two_differ(dashcam: Command, tmp_path: Path) -> None:
    assert dashcam("db", "copy", "--to", "sqlite:///moved.db").code == 0
    same = dashcam("db", "copy", "--verify", "--to", "sqlite:///moved.db")
    assert (same.code, same.err.splitlines()[-1]) == (0, "The target has all that the source has.")
    moved = sqlite_at(tmp_path / "moved.db")
    identity = ask(moved, "SELECT max(id) FROM interaction")[0][0]
    ask(moved, "UPDATE interaction SET app = 'another' WHERE id = ?", identity)
    ask(moved, "DELETE FROM interaction WHERE id = (SELECT min(id) FROM interaction)")
    other = dashcam("db", "copy", "--verify", "--to", "sqlite:///moved.db")
    assert other.code == copying.DIFFERS
    assert f"interaction {identity} differs" in other.err
    assert "1 are not in the target" in other.out
    said = json.loads(dashcam("db", "copy", "--verify", "--to", "sqlite:///moved.db", "--json").out)
    assert (said["same"], said["missing"]) == (False, {"interaction": 1})


def test_the_former_record_is_not_copied_again(dashcam: Command, tmp_path: Path) -> None:
    assert dashcam("db", "copy", "--to", "sqlite:///moved.db").code == 0
    found = dashcam("db", "copy", "--to", "sqlite:///third.db")
    assert (found.code, "is in" in found.err, "moved.db" in found.err) == (1, True, True)
    back = dashcam("db", "copy", "--from", "sqlite:///moved.db", "--to", "sqlite:///third.db")
    assert back.code == 0
    doctor = dashcam("doctor", "--offline")
    assert f"the record moved to {tmp_path}/third.db" in doctor.out


def test_commands_say_when_they_read_the_former_record(dashcam: Command) -> None:
    assert dashcam("logs").err == ""
    assert dashcam("db", "copy", "--to", "sqlite:///moved.db").code == 0
    former = dashcam("logs")
    assert (former.code, len(former.lines), "the record moved to" in former.err) == (0, 3, True)
    assert dashcam("logs", "--database-url", "sqlite:///moved.db").err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "from where, or to where?"),
        (("--to", "mysql://somewhere"), 2, "Dashcam keeps its record in SQLite or Postgres"),
        (("--to", "sqlite:///data/dashcam.db"), 2, "source and target are both"),
        (("--from", "sqlite:///nothing.db"), 1, "there is no database at"),
        (("--to", "sqlite:////proc/nowhere/x.db"), 1, "nothing can be written there"),
        (("--to", "postgresql://u:secret@127.0.0.1:1/d"), 1, "cannot be reached"),
    ],
)
def test_what_cannot_be_done_is_told_with_the_next_command(
    dashcam: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found = dashcam("db", "copy", *arguments)
    assert (found.code, said in found.err, "next: " in found.err) == (code, True, True), found.err
    assert "secret" not in found.err


def test_a_file_that_another_dashcam_writes_is_refused(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    lock = RealDisk().lock(tmp_path / "other" / "loader.lock")
    assert lock is not None
    found = dashcam("db", "copy", "--to", "sqlite:///other/dashcam.db")
    os.close(lock)
    assert f"next: give its folder: --data-dir {tmp_path}/other" in found.err


def test_ctrl_c_says_how_to_go_on(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(copying, "_copy", interrupted)
    found = dashcam("db", "copy", "--to", "postgresql://me:secret@127.0.0.1/d")
    assert found.code == 130
    assert "Go on with: dashcam db copy --to postgresql://me:***@127.0.0.1/d" in found.err
