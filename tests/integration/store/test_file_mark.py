"""Whose content a SQLite file has: what others do through SQLite costs nothing, what is written past it spoils nothing.

Each with calls in the log that no checkpoint has put into the file yet.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.settings.database import sqlite_at
from proxy.store.engines import file_mark
from proxy.store.engines.failures import StoreMovedError
from proxy.store.engines.file_mark import Content, FileMark
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.rollups import ask

_NUMBER_AT = 60
"""Where the header has ``user_version``."""


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is calm sooner than in earnest: here nobody writes for long."""
    monkeypatch.setattr(file_mark, "_CALM_SECONDS", 0.1)
    monkeypatch.setattr(file_mark, "_STEP_SECONDS", 0.02)


@pytest.fixture
def writer(path: Path) -> Iterator[StoreWriter]:
    """A writer that has marked the file, and has three calls in the log."""
    with contextlib.closing(StoreWriter(sqlite_at(path))) as made:
        made.check_place()
        put(made, 3)
        yield made


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """A database with 300 calls of somebody else's."""
    path = tmp_path / "elsewhere" / "other.db"
    with contextlib.closing(StoreWriter(fresh_sqlite(path))) as made:
        put(made, 300)
    return path


@contextlib.contextmanager
def by_hand(path: Path) -> Iterator[sqlite3.Connection]:
    """Open it as somebody's shell does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def put(writer: StoreWriter, calls: int) -> None:
    writer.write(WriteBatch(entries=[("s", an_entry()) for _ in range(calls)]), lambda _: {})


def cp(source: Path, target: Path) -> None:
    inode = target.stat().st_ino
    subprocess.run(["cp", source, target], check=True)
    assert target.stat().st_ino == inode


def calls_in(path: Path) -> int:
    assert ask(sqlite_at(path), "PRAGMA integrity_check") == [("ok",)]
    return int(ask(sqlite_at(path), "SELECT count(*) FROM interaction")[0][0])


def number_in(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[_NUMBER_AT : _NUMBER_AT + 4], "big")


def opened_anew(writer: StoreWriter, path: Path, words: str) -> StoreWriter:
    """Do as the loader does when it is told that the database is another one."""
    with pytest.raises(StoreMovedError, match=words):
        writer.check_place()
    writer.part()
    made = StoreWriter(sqlite_at(path))
    made.check_place()
    return made


# -- through SQLite -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_folded", [False, True], ids=["in the log", "in the file"])
def test_a_number_that_somebody_sets_costs_no_call(
    writer: StoreWriter, path: Path, another: Path, is_folded: bool
) -> None:
    with by_hand(path) as shell:
        shell.execute("PRAGMA user_version=7")
        if is_folded:
            shell.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        assert (number_in(path) == 7) is is_folded
        put_anew = opened_anew(writer, path, "another user_version")
        put(put_anew, 2)
        assert calls_in(path) == 5
        assert number_in(path) != 7
    cp(another, path)
    opened_anew(put_anew, path, "written over").close()


def test_a_database_that_is_brought_through_sqlite_is_whole_with_what_is_in_the_log(
    writer: StoreWriter, path: Path, another: Path
) -> None:
    inode = path.stat().st_ino
    with by_hand(path) as shell, by_hand(another) as source:
        source.backup(shell)
        with contextlib.closing(opened_anew(writer, path, "other content")) as made:
            put(made, 2)
            assert path.stat().st_ino == inode
            # Who brought it may go on.
            shell.execute("DELETE FROM interaction WHERE rowid = 1")
            assert calls_in(path) == 301
            made.check_place()


def is_whole(path: Path, folder: Path) -> bool:
    """Tell whether the file alone is a sound database."""
    alone = folder / "alone.db"
    alone.write_bytes(path.read_bytes())
    with by_hand(alone) as connection, contextlib.suppress(sqlite3.DatabaseError):
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])
    return False


def test_a_database_that_is_brought_and_half_folded_is_whole(
    writer: StoreWriter, path: Path, another: Path, tmp_path: Path
) -> None:
    """The file alone is torn: its first pages are the new ones', and what follows is in the log."""
    with by_hand(path) as shell, by_hand(another) as source:
        source.backup(shell)
        with by_hand(path) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM interaction").fetchall()
            shell.execute("UPDATE interaction SET duration_ms = 7.5")
            shell.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            assert (number_in(path), is_whole(path, tmp_path)) == (number_in(another), False)
            opened_anew(writer, path, "other content").close()
    assert calls_in(path) == 300


def test_a_vacuum_by_others_is_nobodys_else_content(writer: StoreWriter, path: Path) -> None:
    with by_hand(path) as shell:
        for how in ("PASSIVE", "TRUNCATE"):
            shell.execute("VACUUM")
            writer.check_place()
            shell.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
            writer.check_place()
            put(writer, 1)
    assert calls_in(path) == 5


# -- past SQLite --------------------------------------------------------------------------------------------


def test_what_is_copied_over_it_is_whole_without_the_log_of_what_was_there(
    writer: StoreWriter, path: Path, another: Path
) -> None:
    cp(another, path)
    with contextlib.closing(opened_anew(writer, path, "written over")) as made:
        assert calls_in(path) == 300
        put(made, 2)
        assert calls_in(path) == 302
    assert [item.name for item in path.parent.glob("*dashcam*")] == [path.name]


@pytest.mark.parametrize("is_seen", [False, True], ids=["at once", "after a look"])
def test_what_is_copied_over_a_file_whose_log_others_have_folded_is_whole(
    writer: StoreWriter, path: Path, another: Path, is_seen: bool
) -> None:
    with by_hand(path) as shell:
        assert shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    if is_seen:
        writer.check_place()
    cp(another, path)
    with contextlib.closing(opened_anew(writer, path, "written over|other content")):
        assert calls_in(path) == 300


def test_what_is_copied_over_it_after_a_change_by_others_is_whole(
    writer: StoreWriter, path: Path, another: Path
) -> None:
    """Others' commits empty the writer's cache: what it sees then must not come from the file that is doubted."""
    with by_hand(path) as shell:
        assert shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        writer.check_place()
        shell.execute("UPDATE interaction SET app = 'x'")
    writer.check_place()
    cp(another, path)
    with contextlib.closing(opened_anew(writer, path, "written over")):
        assert calls_in(path) == 300


def test_a_copy_that_is_far_smaller_than_what_the_log_belongs_to_is_whole(
    writer: StoreWriter, path: Path, tmp_path: Path
) -> None:
    """SQLite folds no log into a file that is that much too short."""
    small = fresh_sqlite(tmp_path / "elsewhere" / "small.db").path
    put(writer, 400)
    writer.clear_log()
    put(writer, 1)
    cp(small, path)
    with contextlib.closing(opened_anew(writer, path, "written over")) as made:
        put(made, 1)
        assert calls_in(path) == 1


def test_what_is_copied_over_it_by_a_link_is_whole_and_the_link_stays(
    path: Path, another: Path, tmp_path: Path
) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(path)
    with contextlib.closing(StoreWriter(sqlite_at(link))) as writer:
        put(writer, 3)
        writer.check_place()
        cp(another, link)
        opened_anew(writer, link, "written over").close()
    assert link.is_symlink()
    assert calls_in(path) == 300


def test_the_log_is_not_cleared_into_what_was_copied_over_it(writer: StoreWriter, path: Path, another: Path) -> None:
    cp(another, path)
    with pytest.raises(StoreMovedError, match="written over"):
        writer.clear_log()
    writer.part()
    assert calls_in(path) == 300


JUNK = {"a text": b"junk\n", "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2000, "nothing": b""}


@pytest.mark.parametrize("is_folded", [False, True], ids=["calls in the log", "log folded by others"])
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_what_is_no_database_is_noticed_and_left_as_it_is(
    writer: StoreWriter, path: Path, tmp_path: Path, junk: bytes, is_folded: bool
) -> None:
    if is_folded:
        with by_hand(path) as shell:
            shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    source = tmp_path / "junk"
    source.write_bytes(junk)
    cp(source, path)
    with pytest.raises(StoreMovedError):
        writer.check_place()
    writer.part()
    assert path.read_bytes() == junk
    assert [item.name for item in path.parent.glob("*dashcam*")] == [path.name]


# -- for a moment only --------------------------------------------------------------------------------------


def test_what_passes_by_itself_costs_nothing(path: Path) -> None:
    ours = b""

    def put_back(_path: Path) -> None:
        path.write_bytes(ours)

    with by_hand(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        mark = FileMark(path, put_back)
        assert mark.look(path.stat(), connection) is Content.OURS
        ours = path.read_bytes()
        for passing in (b"junk", b"", ours[:_NUMBER_AT] + b"\0\0\0\7" + ours[_NUMBER_AT + 4 :]):
            path.write_bytes(passing)
            assert mark.look(path.stat(), connection) is Content.OURS
            assert path.read_bytes() == ours


def test_what_was_there_before_and_is_back_when_it_is_parted_from_keeps_its_log(
    writer: StoreWriter, path: Path, another: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.db"
    kept.write_bytes(path.read_bytes())
    cp(another, path)
    with pytest.raises(StoreMovedError, match="written over"):
        writer.check_place()
    cp(kept, path)
    writer.part()
    assert calls_in(path) == 3


def test_a_number_that_a_reader_keeps_in_the_log_is_not_missed_in_the_file(path: Path) -> None:
    """What the file bears then may be any older number, as those of writers that were killed."""
    with by_hand(path) as shell:
        shell.execute("PRAGMA journal_mode=WAL")
        shell.execute("PRAGMA user_version=5")
        before = number_in(path)
        with by_hand(path) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM interaction").fetchall()
            with contextlib.closing(StoreWriter(sqlite_at(path))) as writer:
                put(writer, 3)
                assert number_in(path) == before
                writer.check_place()
                reader.execute("COMMIT")
                writer.clear_log()
                writer.check_place()
                assert number_in(path) not in (before, 5)
    assert calls_in(path) == 3


def test_what_is_copied_over_a_file_that_a_reader_keeps_our_number_from_is_whole(path: Path, another: Path) -> None:
    with by_hand(path) as reader, contextlib.closing(StoreWriter(sqlite_at(path))) as writer:
        reader.execute("PRAGMA journal_mode=WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM interaction").fetchall()
        before = number_in(path)
        put(writer, 3)
        writer.check_place()
        assert number_in(path) == before
        cp(another, path)
        opened_anew(writer, path, "written over").close()
        assert calls_in(path) == 300


# -- the log of a file that was moved -----------------------------------------------------------------------


def moved(writer: StoreWriter, path: Path, another: Path) -> Path:
    away = path.with_name("away.db")
    path.rename(away)
    another.rename(path)
    with pytest.raises(StoreMovedError, match="moved"):
        writer.check_place()
    return away


def test_a_log_that_came_with_the_new_file_is_left_to_it(writer: StoreWriter, path: Path, another: Path) -> None:
    """Also while nothing is in it yet."""
    log, index = Path(f"{path}-wal"), Path(f"{path}-shm")
    away = moved(writer, path, another)
    log.unlink()
    index.unlink()
    with by_hand(path) as shell:
        shell.execute("PRAGMA journal_mode=WAL")
        shell.execute("SELECT count(*) FROM interaction").fetchall()
        assert log.stat().st_size == 0
        writer.part()
        shell.execute("UPDATE interaction SET app = 'mine'")
        assert log.stat().st_size > 0
        assert calls_in(path) == 300
    assert calls_in(away) == 3


def test_the_log_that_was_left_behind_goes_into_the_file_it_belongs_to(
    writer: StoreWriter, path: Path, another: Path
) -> None:
    away = moved(writer, path, another)
    writer.part()
    assert not Path(f"{path}-wal").exists()
    assert (calls_in(away), calls_in(path)) == (3, 300)
