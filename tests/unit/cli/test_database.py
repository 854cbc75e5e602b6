"""``dashcam db``, what reads: where it is, what is in it, whether it is sound."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.cli.database import size
from proxy.store.copies.backup import copies_in
from proxy.store.migrating.migration import head
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


def test_the_path_is_told_whether_or_not_it_is_there(dashcam: Command, tmp_path: Path) -> None:
    assert dashcam("db", "path").lines == [str(tmp_path / "data" / "dashcam.db")]
    assert dashcam("db", "path", "--data-dir", "/x").lines == ["/x/dashcam.db"]


@pytest.mark.parametrize(
    "command",
    [("info",), ("check",), ("stats",), ("performance",), ("analyze",), ("optimize",), ("compact",), ("backup",),
     ("migrate", "--dry-run"), ("migrate",)],
)  # fmt: skip
def test_another_database_can_be_said(dashcam: Command, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "folder").mkdir()
    said = dashcam("db", *command, "--database-url", "sqlite:///folder")
    assert said.code == 1
    assert f"{tmp_path}/folder is a folder, and the database should be there" in said.err


def test_info_is_about_this_file(dashcam: Command, record: Record) -> None:
    record(replace(an_entry(), input_text="a refund"))
    found = json.loads(dashcam("db", "info", "--json").out)
    assert (found["interactions"], found["revision"], found["backups"]) == (1, head(), 0)
    assert found["not_indexed"] == 1
    assert "interactions\t1" in dashcam("db", "info").lines
    assert "interactions  1" in dashcam("db", "info", is_terminal=True).lines
    assert found["bytes"] > 0


@pytest.mark.parametrize(
    "command", [("info",), ("check",), ("stats",), ("performance",), ("analyze",), ("compact",), ("backup",)]
)
def test_nothing_is_there_yet(dashcam: Command, command: tuple[str, ...]) -> None:
    said = dashcam("db", *command)
    assert said.code == 1
    assert "there is no database at" in said.err
    assert "next: start Dashcam with: dashcam serve" in said.err


@pytest.mark.parametrize("name", ["check", "integrity-check"])
def test_a_sound_database_is_said_to_be_so(dashcam: Command, record: Record, name: str) -> None:
    record(an_entry())
    said = dashcam("db", name)
    assert said.code == 0
    assert "no problems" in said.out
    found = json.loads(dashcam("db", name, "--json").out)
    assert [item["subject"] for item in found] == [
        "place",
        "revision",
        "tables",
        "views",
        "indexes",
        "text index",
        "rows",
        "rollups",
        "catalogue",
        "pages",
    ]
    assert all(item["ok"] for item in found)


def test_what_is_wrong_is_told_with_the_next_command(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(an_entry())
    with sqlite3.connect(tmp_path / "data" / "dashcam.db") as database:
        database.execute("ALTER TABLE interaction DROP COLUMN quantities")
    database.close()
    said = dashcam("db", "check")
    assert said.code == 7
    assert "table interaction has no column quantities" in said.out
    assert f"next: stop Dashcam, then: sqlite3 {tmp_path}/data/dashcam.db 'ALTER TABLE interaction ADD" in said.out


def test_one_thing_is_one_thing(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "dashcam.db").write_text("a letter " * 100)
    assert dashcam("db", "check").lines[-1] == "1 problem, 0 notes, 1 thing looked at"


def test_the_sizes_of_the_tables_are_told(dashcam: Command, record: Record) -> None:
    record(an_entry(), an_entry())
    found = json.loads(dashcam("db", "stats", "--json").out)
    assert {item["name"]: item["rows"] for item in found["tables"]}["interaction"] == 2
    assert found["calls"] == 2
    lines = dashcam("db", "stats").lines
    assert lines[0] == "name\trows\tbytes\tindex_bytes"
    assert any(line.startswith("interaction\t2\t") for line in lines)
    assert "bodies" in dashcam("db", "stats", is_terminal=True).out


def test_the_usual_questions_are_timed(dashcam: Command, record: Record) -> None:
    record(an_entry())
    found = {item["question"]: item for item in json.loads(dashcam("db", "performance", "--json").out)}
    assert found["newest 20 calls"]["plan"] == "SCAN interaction by index ix_interaction_started_at"
    assert found["one synced write to the data folder"]["median_ms"] > 0
    assert dashcam("db", "performance", is_terminal=True).code == 0


def test_sizes_are_said_as_people_say_them() -> None:
    assert [size(value) for value in (None, 0, 999, 1500, 2_500_000, 3_200_000_000)] == [
        "-", "0 B", "999 B", "1.5 kB", "2.5 MB", "3.2 GB",
    ]  # fmt: skip


def test_the_last_copy_is_one_of_such_a_database(tmp_path: Path) -> None:
    names = ("backup-1.db", "upgrade-2.db.sealed", "backup-3.dump", "aside-4.dump.sealed", "notes.txt")
    for name in names:
        (tmp_path / name).write_bytes(b"")
    of_files, of_postgres = (copies_in(tmp_path, is_postgres=which) for which in (False, True))
    assert {path.name for path in of_files} == set(names[:2])
    assert {path.name for path in of_postgres} == set(names[2:4])
    assert copies_in(tmp_path / "none", is_postgres=False) == []
