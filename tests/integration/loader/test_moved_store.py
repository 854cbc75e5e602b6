"""A SQLite file that is moved, removed or replaced under the loader: noticed and told, and what is left goes on."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.settings.database import sqlite_at
from proxy.settings.values import Settings
from proxy.store.engines.failures import StoreMovedError
from proxy.store.engines.sqlite import Sqlite
from proxy.store.migrating.migration import upgrade
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.integration.loader.conftest import Bench
from tests.support.entries import an_entry
from tests.support.rollups import ask
from tests.support.spooling import SpoolingGateway, settings_in

COUNT = "SELECT count(*) FROM interaction"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "data" / "dashcam.db"
    upgrade(sqlite_at(found))
    return found


@pytest.fixture
def settings(tmp_path: Path, path: Path) -> Settings:
    return settings_in(tmp_path, database=sqlite_at(path))


@pytest.fixture
def small(settings: Settings) -> Iterator[SpoolingGateway]:
    """A gateway with a segment for every call or two."""
    made = SpoolingGateway(settings, segment_bytes=500)
    yield made
    made.die()


def record(gateway: SpoolingGateway, calls: int) -> None:
    for _ in range(calls):
        gateway.call()
        gateway.writer.syncing.round(0.0)


def calls_in(path: Path) -> int:
    return int(ask(sqlite_at(path), COUNT)[0][0])


def removed(path: Path) -> None:
    for found in path.parent.glob(f"{path.name}*"):
        found.unlink()


def anew(bench: Bench) -> None:
    """Be a control that opens what is there now."""
    with pytest.raises(StoreMovedError):
        bench.loader.round()
    bench.loader.run()
    upgrade(bench.settings.database)
    bench.loader_anew()


def test_it_is_noticed_without_a_call(bench: Bench, path: Path) -> None:
    bench.load()
    path.rename(path.with_name("away.db"))
    thread = threading.Thread(target=bench.loader.run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_a_file_that_is_moved_away_takes_all_its_calls_along(
    bench: Bench, gateway: SpoolingGateway, path: Path
) -> None:
    for _ in range(5):
        gateway.call()
    bench.load()
    away = path.with_name("away.db")
    path.rename(away)
    anew(bench)
    assert calls_in(away) == 5


def another(folder: Path) -> Path:
    """Make a database that somebody else has recorded 300 calls in."""
    path = folder / "other.db"
    upgrade(sqlite_at(path))
    writer = StoreWriter(sqlite_at(path))
    writer.write(WriteBatch(entries=[("s", an_entry()) for _ in range(300)]), lambda _: {})
    writer.close()
    return path


def test_what_is_put_in_its_place_is_not_spoiled_by_what_was_there(
    bench: Bench, small: SpoolingGateway, path: Path, tmp_path: Path
) -> None:
    other = another(tmp_path)
    record(small, 5)
    bench.load()
    shutil.move(other, path)
    anew(bench)
    left = bench.load()["stored"]
    assert 0 < left < 5
    assert calls_in(path) == 300 + left
    assert ask(sqlite_at(path), "PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_is_written_over_in_its_place_is_not_spoiled_by_the_log_of_what_was_there(
    bench: Bench, small: SpoolingGateway, path: Path, tmp_path: Path
) -> None:
    other = another(tmp_path)
    record(small, 5)
    bench.load()
    inode = path.stat().st_ino
    shutil.copyfile(other, path)
    assert path.stat().st_ino == inode
    anew(bench)
    assert not list(path.parent.glob(".*.apart"))
    left = bench.load()["stored"]
    assert 0 < left < 5
    record(small, 3)
    bench.load()
    assert calls_in(path) == 300 + left + 3
    assert ask(sqlite_at(path), "PRAGMA integrity_check") == [("ok",)]


@contextlib.contextmanager
def by_hand(path: Path) -> Iterator[sqlite3.Connection]:
    """Open it as somebody's shell does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_a_number_that_somebody_sets_costs_no_call(bench: Bench, small: SpoolingGateway, path: Path) -> None:
    record(small, 5)
    bench.load()
    with by_hand(path) as shell:
        shell.execute("PRAGMA user_version=7")
        anew(bench)
        record(small, 3)
        ledger = bench.load()
    assert (ledger["stored"], ledger["dropped"], ledger["balanced"]) == (8, {}, True)
    assert calls_in(path) == 8
    bench.load()


def test_a_database_that_is_restored_through_sqlite_is_gone_on_with(
    bench: Bench, small: SpoolingGateway, path: Path, tmp_path: Path
) -> None:
    """What it lacks is stored again as far as the spool has it, and the rest told."""
    other = another(tmp_path)
    record(small, 5)
    bench.load()
    with by_hand(path) as shell, by_hand(other) as source:
        source.backup(shell)
        anew(bench)
        left = bench.load()["stored"]
        record(small, 3)
        ledger = bench.load()
    assert (ledger["stored"], ledger["balanced"]) == (left + 3, True)
    assert ledger["dropped"] == {"store_moved": 5 - left}
    assert calls_in(path) == 300 + left + 3
    assert ask(sqlite_at(path), "PRAGMA integrity_check") == [("ok",)]


def test_checkpoints_of_our_own_and_commands_that_write_are_nobodys_else(bench: Bench, path: Path) -> None:
    writer = StoreWriter(sqlite_at(path))
    for _ in range(3):
        writer.write(WriteBatch(entries=[("s", an_entry())]), lambda _: {})
        with contextlib.closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        writer.check_place()
    writer.maintain("compact")
    writer.check_place()
    writer.close()


def test_a_file_that_a_checkpoint_has_written_to_half_is_nobodys_else(path: Path) -> None:
    """Its first page counts pages that are in the log alone, as of a row that changed behind a reader's moment."""
    backend = Sqlite(sqlite_at(path))
    writer = backend.writer()
    backend.check_place()
    with writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE later (said BLOB)")
        connection.exec_driver_sql("INSERT INTO later VALUES (zeroblob(100000))")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN").execute("SELECT count(*) FROM later").fetchall()
        with writer.begin() as connection:
            connection.exec_driver_sql("UPDATE later SET said = randomblob(100000)")
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        with contextlib.closing(writer.raw_connection()) as lent:
            _, logged, folded = lent.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        assert 0 < folded < logged
        assert path.stat().st_size < pages * 8192
        backend.check_place()
    writer.dispose()


def test_what_went_into_a_file_that_lost_its_name_is_not_taken_for_stored(path: Path) -> None:
    writer = StoreWriter(sqlite_at(path))

    def remove(_entries: object) -> dict[tuple[str, str], float]:
        removed(path)
        return {}

    with pytest.raises(StoreMovedError):
        writer.write(WriteBatch(entries=[("s", an_entry())]), remove)
    writer.close()


def test_the_account_says_which_calls_went_with_it(bench: Bench, small: SpoolingGateway, path: Path) -> None:
    record(small, 6)
    small.begin()
    assert bench.load()["stored"] == 6
    removed(path)
    anew(bench)
    ledger = bench.load()
    gone = 6 - ledger["stored"]
    assert gone > 0
    assert (ledger["dropped"], ledger["balanced"]) == ({"store_moved": gone}, True)
    record(small, 3)
    bench.load()
    bench.loader_anew()
    ledger = bench.load()
    assert (ledger["dropped"], ledger["balanced"]) == ({"store_moved": gone}, True)
    small.die()
    ledger = bench.load()
    assert (ledger["accepted"], ledger["dropped"], ledger["balanced"]) == (10, {"store_moved": gone}, True)


def test_a_file_that_is_put_back_has_its_account_again(bench: Bench, small: SpoolingGateway, path: Path) -> None:
    record(small, 4)
    bench.load()
    away = path.with_name("away.db")
    path.rename(away)
    anew(bench)
    record(small, 4)
    bench.load()
    away.rename(path)
    anew(bench)
    ledger = bench.load()
    gone = 8 - ledger["stored"]
    assert 0 < gone <= 4
    assert (ledger["dropped"], ledger["balanced"]) == ({"store_moved": gone}, True)
