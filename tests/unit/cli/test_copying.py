"""``dashcam db copy``: what is typed, what is said, which mistakes are told. The copy itself is tested elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from proxy.cli import copying
from proxy.settings.database import sqlite_at
from proxy.spool.disk import RealDisk
from proxy.supervisor import instance
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
    again = dashcam("db", "copy", "--to", "sqlite:///moved.db", "--json")
    assert again.err.startswith("The record is in")
    assert (again.code, json.loads(again.out)["state"]) == (0, "complete")
    assert (tmp_path / "moved.db").stat().st_mode & 0o777 == 0o600


def test_json_is_one_document(dashcam: Command) -> None:
    found = dashcam("db", "copy", "--to", "sqlite:///moved.db", "--json")
    said = json.loads(found.out)
    assert (said["state"], said["rows"]["interaction"], said["left"], said["mended"]) == ("complete", 2, 0, 0)
    assert said["hashes"].keys() == said["rows"].keys()
    assert {len(digest) for digest in said["hashes"].values()} == {32}
    assert said["left_behind"] == []


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


def test_commands_say_when_they_read_the_former_record(dashcam: Command, tmp_path: Path) -> None:
    assert dashcam("logs").err == ""
    assert dashcam("db", "copy", "--to", "sqlite:///moved.db").code == 0
    former = dashcam("logs")
    assert (former.code, len(former.lines), "the record moved to" in former.err) == (0, 3, True)
    assert f"next: export DASHCAM_DATABASE_URL=sqlite:///{tmp_path}/moved.db\n" in former.err
    assert dashcam("logs", "--database-url", "sqlite:///moved.db").err == ""
    (tmp_path / "by-another-name.db").symlink_to("moved.db")
    assert dashcam("logs", "--database-url", "sqlite:///by-another-name.db").err == ""


def test_commands_say_when_who_runs_here_records_elsewhere(dashcam: Command, tmp_path: Path) -> None:
    lock = instance.lock(tmp_path / "data")
    assert lock is not None
    instance.announce(tmp_path / "data", {"pid": 7, "database": "postgresql://db/dashcam"})
    elsewhere = dashcam("logs")
    assert (elsewhere.code, len(elsewhere.lines)) == (0, 3)
    assert (
        "(pid 7) records into postgresql://db/dashcam\n  next: export DASHCAM_DATABASE_URL=postgresql://db/dash"
        in elsewhere.err
    )
    os.close(lock)
    assert dashcam("logs").err == ""


def test_what_is_left_behind_is_said(dashcam: Command, tmp_path: Path) -> None:
    ask(sqlite_at(tmp_path / "data" / "dashcam.db"), "CREATE TABLE notes (word text)")
    found = dashcam("db", "copy", "--to", "sqlite:///moved.db", "--json")
    assert json.loads(found.out)["left_behind"] == ["notes"]
    assert "Not ours, and left behind: notes." in found.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "from where, or to where?"),
        (("--to", "mysql://somewhere"), 2, "Dashcam keeps its record in SQLite or Postgres"),
        (("--to", "sqlite:///data/dashcam.db"), 2, "source and target are both"),
        (("--to", "sqlite:///../{name}/data/dashcam.db"), 2, "source and target are both"),
        (("--from", "sqlite:///nothing.db"), 1, "source: there is no database at"),
        (("--to", "sqlite:////proc/nowhere/x.db"), 1, "target: the database /proc/nowhere/x.db cannot be made"),
        (("--to", "sqlite:////dev/zero"), 1, "target: /dev/zero is no ordinary file"),
        (
            ("--to", "postgresql://u:secret@127.0.0.1:1/d"),
            1,
            "target: the database postgresql://u:***@127.0.0.1:1/d cannot be",
        ),
    ],
)
def test_what_cannot_be_done_is_told_with_the_next_command(
    dashcam: Command, arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    found = dashcam("db", "copy", *(word.format(name=tmp_path.name) for word in arguments))
    assert (found.code, said in found.err, "next: " in found.err) == (code, True, True), found.err
    assert "secret" not in found.err


def test_a_file_that_another_dashcam_writes_is_refused(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    lock = RealDisk().lock(tmp_path / "other" / "loader.lock")
    assert lock is not None
    found = dashcam("db", "copy", "--to", "sqlite:///other/dashcam.db")
    os.close(lock)
    assert f"next: give its folder: --data-dir {tmp_path}/other" in found.err


def test_ctrl_c_says_how_to_go_on(dashcam: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(copying, "_copy", interrupted)
    to = ("--to", "postgresql://me:secret@127.0.0.1/d")
    found = dashcam("db", "copy", *to)
    assert found.code == 130
    assert found.err.endswith("Go on with: dashcam db copy --to postgresql://me:***@127.0.0.1/d\n")
    found = dashcam("db", "copy", "--from", f"sqlite:///{tmp_path}/data/dashcam.db", *to, "--stay")
    assert f"copy --from sqlite:///{tmp_path}/data/dashcam.db --to postgresql://me:***@127.0.0.1/d --stay" in found.err
