"""Copies of a database in use: consistent, private, whole; and brought back with what was there set aside."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.settings.database import sqlite_at
from proxy.store.copies.backup import NoRoomError, copy_database
from proxy.store.reading.reader import Reader
from proxy.store.upkeep.restoring import examine, restore
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry


def write(writer: StoreWriter, count: int, states: tuple[SourceState, ...] = ()) -> None:
    entries = [("s", an_entry(request=os.urandom(3000))) for _ in range(count)]
    writer.write(WriteBatch(entries=entries, states=states), lambda _: {})


def calls_in(path: Path) -> int:
    reader = Reader(sqlite_at(path))
    try:
        return int(reader.counts()["interactions"])
    finally:
        reader.close()


def test_a_copy_is_of_one_instant_whatever_is_written_meanwhile(path: Path, file_writer: StoreWriter) -> None:
    write(file_writer, 4000)
    told: list[tuple[str, int, int]] = []

    def tell(what: str, done: int, total: int) -> None:
        told.append((what, done, total))
        write(file_writer, 1)

    target = path.parent / "copies" / "copy.db"
    copy_database(path, target, tell)
    assert len(told) > 2
    assert told[-1][1] == told[-1][2]
    assert examine(target).calls == 4000
    assert calls_in(path) == 4000 + len(told)
    assert target.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in target.parent.iterdir()] == ["copy.db"]


def test_a_file_that_is_there_is_not_replaced(path: Path) -> None:
    target = path.parent / "copy.db"
    target.write_text("mine")
    with pytest.raises(StoreError, match="is there already"):
        copy_database(path, target)
    assert target.read_text() == "mine"


def test_without_room_nothing_is_begun(path: Path) -> None:
    target = path.parent / "copies" / "copy.db"
    with pytest.raises(NoRoomError, match="MB must stay so"):
        copy_database(path, target, spare=1 << 60)
    assert not target.parent.exists()


def test_a_copy_that_is_broken_off_leaves_nothing(path: Path, file_writer: StoreWriter) -> None:
    write(file_writer, 4000)
    target = path.parent / "copies" / "copy.db"

    def break_off(_what: str, _done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_database(path, target, break_off)
    assert list(target.parent.iterdir()) == []


def test_a_copy_comes_back_and_the_old_database_is_set_aside_whole(path: Path, file_writer: StoreWriter) -> None:
    write(file_writer, 3)
    copy = path.parent / "copy.db"
    copy_database(path, copy)
    write(file_writer, 2)
    file_writer.close()
    # As after a kill -9: a write-ahead log lies beside it, with a call in it that is nowhere else.
    left = sqlite3.connect(path)
    left.execute("PRAGMA wal_autocheckpoint=0")
    left.execute("UPDATE interaction SET model = 'in the log'")
    left.commit()
    aside = restore(copy, path, [])
    assert not path.with_name(path.name + "-wal").exists()
    left.close()
    assert aside is not None
    assert (calls_in(path), calls_in(aside)) == (3, 5)
    with sqlite3.connect(aside) as old:
        assert old.execute("SELECT DISTINCT model FROM interaction").fetchall() == [("in the log",)]
    old.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_accounts_of_gateways_that_are_gone_balance_after_a_restore(path: Path, file_writer: StoreWriter) -> None:
    states = (SourceState("gone", 3, 0, accepted=10, dropped={"policy": 1}), SourceState("there", 1, 0, accepted=9))
    file_writer.write(WriteBatch(entries=[("gone", an_entry()), ("there", an_entry())], states=states), lambda _: {})
    copy = path.parent / "copy.db"
    copy_database(path, copy)
    file_writer.close()
    restore(copy, path, ["there"])
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT source, is_closed, accepted, stored, dropped FROM spool_position").fetchall()
    database.close()
    found = {
        source: (closed, accepted, stored, json.loads(dropped)) for source, closed, accepted, stored, dropped in rows
    }
    assert found["gone"] == (1, 10, 1, {"policy": 1, "restored": 8})
    assert found["there"] == (0, 9, 1, {})


def test_a_copy_that_is_none_is_refused_and_nothing_is_changed(path: Path, file_writer: StoreWriter) -> None:
    write(file_writer, 40)
    copy = path.parent / "copy.db"
    copy_database(path, copy)
    damaged = bytearray(copy.read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 9000] = b"\xff" * 9000
    odd = {
        "damaged.db": bytes(damaged),
        "text.db": b"this is a text and no database",
        "empty.db": b"",
    }
    for name, content in odd.items():
        (path.parent / name).write_bytes(content)
        with pytest.raises(StoreError, match=r"is damaged|is no SQLite database|cannot be read"):
            examine(path.parent / name)
    with sqlite3.connect(path.parent / "other.db") as other:
        other.execute("CREATE TABLE moz_places (id INTEGER)")
    other.close()
    with pytest.raises(StoreError, match="is no database of ours"):
        examine(path.parent / "other.db")
    with pytest.raises(StoreError, match="is no file"):
        examine(path.parent)
    assert calls_in(path) == 40


def test_what_copies_left_that_were_killed_is_removed_and_nothing_else(path: Path) -> None:
    """Each is as large as a database, and has a name of its own."""
    folder = path.parent / "copies"
    folder.mkdir()
    names = ("upgrade-0003-20260101T000000Z.db", "backup-0003-20260101T000000Z-2.db", "mine")
    left, under_way, mine = (folder / f".{name}.part" for name in names)
    for item in (left, under_way, mine):
        item.write_bytes(b"a part")
    left.with_name(f"{left.name}-journal").write_bytes(b"its journal")
    with under_way.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        copy_database(path, folder / "copy.db")
    assert sorted(item.name for item in folder.iterdir()) == sorted([under_way.name, mine.name, "copy.db"])
