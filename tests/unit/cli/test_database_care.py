"""``dashcam db``, what writes: upgrades and maintenance, where no server runs and beside one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.loader.errands import WaitingErrands
from proxy.settings.database import sqlite_at
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.migrating.migration import head, known_revisions
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.revisions import bring_to
from tests.support.schemas import fill_every_table
from tests.unit.cli.conftest import Command, Record

BEFORE = known_revisions()[-2]


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A database of an earlier revision, with a row in every table."""
    path = tmp_path / "data" / "dashcam.db"
    bring_to(sqlite_at(path), BEFORE)
    fill_every_table(sqlite_at(path))
    return path


@pytest.fixture
def held(tmp_path: Path) -> Iterator[None]:
    """The loader's lock, as a running control holds it."""
    RealDisk().make_folder(tmp_path / "data")
    lock = RealDisk().lock(tmp_path / "data" / "loader.lock")
    assert lock is not None
    yield
    RealDisk().close(lock)


def revision_of(path: Path) -> str:
    database = sqlite3.connect(path)
    try:
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    finally:
        database.close()


def test_a_dry_run_prints_the_sql_and_does_nothing(dashcam: Command, older: Path) -> None:
    said = dashcam("db", "migrate", "--dry-run")
    assert said.code == 0
    assert f"UPDATE alembic_version SET version_num='{head()}'" in said.out
    assert f"Nothing was done. This is the upgrade from {BEFORE} to {head()}." in said.err
    assert revision_of(older) == BEFORE
    script = said.out
    with sqlite3.connect(older.with_name("by-hand.db")) as copy, sqlite3.connect(older) as source:
        source.backup(copy)
        copy.executescript(script)
    source.close()
    copy.close()
    assert revision_of(older.with_name("by-hand.db")) == head()


def test_an_upgrade_tells_what_it_did_and_where_the_copy_is(dashcam: Command, older: Path) -> None:
    said = dashcam("db", "migrate", "--json")
    found = json.loads(said.out)
    assert (found["before"], found["after"], found["filled_rows"]) == (BEFORE, head(), 1)
    assert revision_of(Path(found["backup"])) == BEFORE
    assert revision_of(older) == head()
    assert dashcam("db", "migrate").out == f"The database is at revision {head()}: there was nothing to do.\n"
    assert json.loads(dashcam("db", "info", "--json").out)["backups"] == 1


def test_force_leaves_the_copy_out_and_says_so(dashcam: Command, older: Path) -> None:
    said = dashcam("db", "migrate", "--force")
    assert "--force: no copy is made, and the result is not checked" in said.err
    assert f"The database is at revision {head()} now; it was {BEFORE}." in said.out
    assert not (older.parent / "backups").exists()


def test_what_a_running_server_has_open_is_not_upgraded_beside_it(
    dashcam: Command, older: Path, held: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.cli.database_care._PATIENCE_SECONDS", 0.0)
    said = dashcam("db", "migrate")
    assert said.code == 6
    assert "a running Dashcam has the database" in said.err
    assert revision_of(older) == BEFORE


def test_beside_a_running_server_an_up_to_date_database_needs_nothing(
    dashcam: Command, record: Record, held: None
) -> None:
    record()
    assert dashcam("db", "migrate").out == f"The database is at revision {head()}: there was nothing to do.\n"


def test_a_view_that_was_dropped_is_made_anew_and_the_check_names_the_command(
    dashcam: Command, record: Record, tmp_path: Path
) -> None:
    record()
    drop_view(tmp_path)
    assert "stop Dashcam, if it runs, then: dashcam db migrate" in dashcam("db", "check").out
    shown = dashcam("db", "migrate", "--dry-run")
    assert (shown.out.startswith("CREATE VIEW v_users AS"), "Nothing was done" in shown.err) == (True, True)
    assert dashcam("db", "migrate").out == "Made anew what was missing: v_users.\n"
    assert dashcam("db", "check").code == 0
    assert dashcam("sql", "SELECT count(*) FROM v_users").code == 0


def test_beside_a_running_server_no_view_is_made(
    dashcam: Command, record: Record, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    record()
    drop_view(tmp_path)
    request.getfixturevalue("held")
    said = dashcam("db", "migrate")
    assert (said.code, "stop it, then: dashcam db migrate" in said.err) == (6, True)


def drop_view(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "dashcam.db")) as database:
        database.execute("DROP VIEW v_users")


def test_a_new_database_can_be_made_by_hand(dashcam: Command, tmp_path: Path) -> None:
    assert dashcam("db", "migrate").out == f"The database is at revision {head()} now; it was empty.\n"


@pytest.mark.parametrize(
    ("task", "words"),
    [("analyze", "The statistics are new"), ("optimize", "Statistics are new"), ("compact", "Compacted: ")],
)
def test_maintenance_says_what_came_of_it(dashcam: Command, record: Record, task: str, words: str) -> None:
    record(an_entry())
    assert dashcam("db", task).out.startswith(words)
    found = json.loads(dashcam("db", task, "--json").out)
    assert (found["task"], found["is_whole"]) == (task, True)


def test_rollups_are_counted_anew_from_a_day_on(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(an_entry(), an_entry(started_at=STARTED_AT + 86_400_000))
    assert "Counted 2 calls of 2 days anew: all were right" in dashcam("db", "rebuild-rollups").out
    with sqlite3.connect(tmp_path / "data" / "dashcam.db") as database:
        database.execute("UPDATE rollup_hourly SET calls = 9")
    database.close()
    found = json.loads(dashcam("db", "rebuild-rollups", "--since", "last", "--json").out)
    assert (found["days"], found["calls"], len(found["mended_days"])) == (1, 1, 1)
    assert "2 rows were wrong, of 1 day;" in dashcam("db", "rebuild-rollups").out


def test_rollups_are_counted_anew_by_a_running_server(
    dashcam: Command, record: Record, held: None, tmp_path: Path
) -> None:
    """The command only hands each day over; here the loader's side answers in its place."""
    record(an_entry())
    settings = Settings(data_dir=str(tmp_path / "data"), run_dir=str(tmp_path / "run"))
    writer = StoreWriter(settings.database)
    waiting, is_over = WaitingErrands(settings.errands_dir), threading.Event()

    def work() -> None:
        while not is_over.wait(0.01):
            waiting.do_next(writer, bool)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert "Counted 1 call of 1 day anew" in dashcam("db", "rebuild-rollups").out
    finally:
        is_over.set()
        thread.join()
        writer.close()
