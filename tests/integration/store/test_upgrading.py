"""Upgrades that go wrong, are ended in the middle, or meet a database of another release; with revisions of our own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import inspect

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.copies.sealed_file import opened
from proxy.store.engines.engine import backend_of
from proxy.store.migrating.migration import How, check, head, revision_of, upgrade
from proxy.store.migrating.upgrading import UpgradeError
from proxy.store.reading.reader import Reader
from tests.support.processes import ROOT
from tests.support.rollups import ask
from tests.support.schemas import folder_with
from tests.support.waiting import wait_until

NEXT = f"{int(head()) + 1:04d}"
AFTER = f"{int(head()) + 2:04d}"
ADDS = f"""
compatible_with = {head()!r}
def upgrade():
    op.add_column('price', sa.Column('note', sa.Text(), nullable=True))
"""
BREAKS = """
compatible_with = '0001'
def upgrade():
    op.execute("CREATE TABLE half_made (a INTEGER)")
    op.execute("INSERT INTO nowhere VALUES (1)")
"""
LOSES = """
compatible_with = '0001'
def upgrade():
    op.execute("DELETE FROM price WHERE id = 'p5'")
"""
# Slow enough to be killed in the middle, and wrong by one in every row that is filled twice.
FILLS = f"""
import time
compatible_with = {head()!r}
def upgrade():
    op.add_column('price', sa.Column('visits', sa.Integer(), nullable=False, server_default='0'))
def fill(connection, after, limit):
    rows = connection.exec_driver_sql(
        "SELECT id FROM price WHERE id > ? ORDER BY id LIMIT ?", (after or '', limit)).scalars().all()
    for row in rows:
        connection.exec_driver_sql("UPDATE price SET visits = visits + 1 WHERE id = ?", (row,))
    time.sleep(0.002)
    return len(rows), rows[-1] if len(rows) == limit else None
"""
CHILD = """
import sys
from pathlib import Path
from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import How, upgrade
upgrade(DatabaseSettings(url=sys.argv[1]), How(folder=Path(sys.argv[2]), batch_rows=5))
"""
PRICES = 2000
_PRICE = (
    "INSERT INTO price (id, provider, model, tier, rates, source, source_version) "
    "VALUES (?, 'openai', 'm', 'standard', '{}', 's', '1')"
)


@pytest.fixture
def database(own: DatabaseSettings) -> DatabaseSettings:
    """A database at our newest revision, with prices in it."""
    engine = backend_of(own).writer()
    with engine.begin() as connection:
        connection.exec_driver_sql(_PRICE, [(f"p{n}",) for n in range(PRICES)])
    engine.dispose()
    return own


@pytest.fixture
def file(tmp_path: Path) -> DatabaseSettings:
    """The same as a SQLite file."""
    made = sqlite_at(tmp_path / "data" / "dashcam.db")
    upgrade(made)
    return made


def tables_of(database: DatabaseSettings, table: str) -> tuple[list[str], set[str]]:
    """Return all tables, and the columns of one."""
    engine = backend_of(database).examiner()
    with engine.connect() as connection:
        found = inspect(connection)
        names, columns = found.get_table_names(), {item["name"] for item in found.get_columns(table)}
    engine.dispose()
    return names, columns


def test_a_copy_of_a_file_is_made_first_and_only_the_newest_few_are_kept(
    file: DatabaseSettings, tmp_path: Path
) -> None:
    folder = file.path.parent / "backups"
    folder.mkdir()
    for day in (1, 2, 3):
        old = folder / f"upgrade-0001-2026010{day}T000000Z.db"
        old.write_bytes(b"old")
        # As if the clock had been set back since.
        os.utime(old, (time.time() + 86_400 * day,) * 2)
    (folder / "backup-0001-20260101T000000Z.db").write_bytes(b"a person's own")
    ask(file, _PRICE, "p1")
    done = upgrade(file, How(folder=folder_with(tmp_path, {f"{NEXT}_adds": ADDS}), keep_backups=2))
    assert done.backup is not None
    assert done.backup.name.startswith(f"upgrade-{head()}-")
    assert done.backup.stat().st_mode & 0o777 == 0o600
    assert ask(sqlite_at(done.backup), "SELECT count(*) FROM price") == [(1,)]
    assert revision_of(sqlite_at(done.backup)) == head()
    assert len(list(folder.glob("upgrade-*.db"))) == 2
    assert len(list(folder.glob("backup-*"))) == 1
    assert list(folder.glob(".*")) == []


def test_a_copy_is_sealed_on_wish_and_counted_with_the_others(file: DatabaseSettings, tmp_path: Path) -> None:
    folder, master = file.path.parent / "backups", bytes(range(32))
    folder.mkdir()
    for day in (1, 2):
        (folder / f"upgrade-0001-2026010{day}T000000Z.db.sealed").write_bytes(b"old")
    ask(file, _PRICE, "p1")
    how = How(folder=folder_with(tmp_path, {f"{NEXT}_adds": ADDS}), keep_backups=2, master_key=master)
    assert str(master) not in repr(how)
    done = upgrade(file, how)
    assert done.backup is not None
    assert done.backup.name.startswith(f"upgrade-{head()}-")
    assert done.backup.stat().st_mode & 0o777 == 0o600
    assert len(list(folder.iterdir())) == 2
    content = b"".join(opened(done.backup, [master]))
    (tmp_path / "opened.db").write_bytes(content)
    assert ask(sqlite_at(tmp_path / "opened.db"), "SELECT count(*) FROM price") == [(1,)]
    assert content[:16] not in done.backup.read_bytes()


def test_a_failure_takes_everything_back_and_says_so(database: DatabaseSettings, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {f"{NEXT}_adds": ADDS, f"{AFTER}_breaks": BREAKS})
    with pytest.raises(UpgradeError) as failed:
        upgrade(database, How(folder=folder))
    assert f"failed behind {NEXT}: " in failed.value.message
    assert "nowhere" in failed.value.message
    assert f"it was rolled back, and the database is as it was (revision {head()})" in failed.value.message
    assert ("backups/upgrade-" in str(failed.value.hint)) != database.is_postgres
    assert revision_of(database) == head()
    names, columns = tables_of(database, "price")
    assert ("half_made" in names, "note" in columns) == (False, False)
    assert upgrade(database).after == head()


def test_a_revision_that_loses_rows_is_taken_back_unless_it_is_forced(
    database: DatabaseSettings, tmp_path: Path
) -> None:
    folder = folder_with(tmp_path, {f"{NEXT}_loses": LOSES})
    with pytest.raises(UpgradeError, match="price has 1999 rows, it had 2000"):
        upgrade(database, How(folder=folder))
    assert ask(database, "SELECT count(*) FROM price") == [(PRICES,)]
    done = upgrade(database, How(folder=folder, is_forced=True))
    assert (done.after, done.backup) == (NEXT, None)
    assert ask(database, "SELECT count(*) FROM price") == [(PRICES - 1,)]


def filled(database: DatabaseSettings) -> int:
    found = ask(database, "SELECT filled_rows FROM schema_revision WHERE revision = ?", NEXT)
    return int(found[0][0]) if found else 0


def test_a_data_step_that_is_killed_goes_on_where_it_was(database: DatabaseSettings, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {f"{NEXT}_fills": FILLS})
    process = subprocess.Popen([sys.executable, "-c", CHILD, database.url, str(folder)], cwd=ROOT)
    wait_until(lambda: filled(database) >= 100, "a hundred rows are filled")
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    wait_until(lambda: filled(database) == filled(database), "the killed session's transaction is over")
    before = filled(database)
    assert 100 <= before < PRICES
    done = upgrade(database, How(folder=folder, batch_rows=50))
    assert (done.before, done.after, done.backup) == (NEXT, NEXT, None)
    assert before + done.filled_rows == PRICES
    assert ask(database, "SELECT min(visits), max(visits) FROM price") == [(1, 1)]
    assert ask(database, "SELECT is_filled, filled_to FROM schema_revision WHERE revision = ?", NEXT) == [(1, None)]
    assert upgrade(database, How(folder=folder)).filled_rows == 0


def test_a_data_step_that_fails_keeps_what_it_has_done(database: DatabaseSettings, tmp_path: Path) -> None:
    odd = "    if after and after > 'p19': raise ValueError('an odd row')\n    time.sleep"
    folder = folder_with(tmp_path, {f"{NEXT}_fills": FILLS.replace("    time.sleep", odd)})
    with pytest.raises(UpgradeError, match=r"stopped after .* rows: an odd row; those stay"):
        upgrade(database, How(folder=folder, batch_rows=100))
    done = ask(database, "SELECT count(*) FROM price WHERE visits = 1")[0][0]
    assert 0 < done < PRICES
    assert filled(database) == done


def test_whoever_leaves_ends_between_two_batches(database: DatabaseSettings, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {f"{NEXT}_fills": FILLS})
    asked = iter([False, False, True])
    done = upgrade(database, How(folder=folder, batch_rows=10, is_leaving=lambda: next(asked)))
    assert (done.is_whole, done.filled_rows, filled(database)) == (False, 20, 20)


def test_a_newer_database_of_the_same_series_is_worked_with_and_left_as_it_is(
    database: DatabaseSettings, tmp_path: Path
) -> None:
    upgrade(database, How(folder=folder_with(tmp_path, {f"{NEXT}_fills": FILLS})))
    done = upgrade(database)
    assert (done.before, done.after, done.backup) == (NEXT, NEXT, None)
    assert check(database) == NEXT


@pytest.mark.parametrize("attribute", [f"compatible_with = {NEXT!r}", ""], ids=["said", "not said"])
def test_a_newer_database_that_old_programs_would_spoil_is_refused(
    database: DatabaseSettings, tmp_path: Path, attribute: str
) -> None:
    body = ADDS.replace(f"compatible_with = {head()!r}", attribute)
    upgrade(database, How(folder=folder_with(tmp_path, {f"{NEXT}_adds": body})))
    for look in (upgrade, check):
        with pytest.raises(StoreError, match=f"works with programs from revision {NEXT} on") as refused:
            look(database)
        assert "start the newer Dashcam" in str(refused.value.hint)
    assert revision_of(database) == NEXT


def test_a_refused_file_is_left_to_the_byte(file: DatabaseSettings, tmp_path: Path) -> None:
    upgrade(file, How(folder=folder_with(tmp_path, {f"{NEXT}_adds": ADDS.replace(head(), NEXT)})))
    before = file.path.read_bytes()
    with pytest.raises(StoreError):
        upgrade(file)
    assert file.path.read_bytes() == before


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE moz_places (id INTEGER)")
    made.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program's: it has a table moz_places"):
        upgrade(sqlite_at(path))
    assert path.read_bytes() == before


def test_no_room_for_the_copy_stops_the_upgrade_before_anything_is_changed(
    file: DatabaseSettings, tmp_path: Path
) -> None:
    folder = folder_with(tmp_path, {f"{NEXT}_adds": ADDS})
    with pytest.raises(StoreError, match=r"needs .* MB in .*; nothing was changed") as refused:
        upgrade(file, How(folder=folder, spare_bytes=1 << 60))
    assert "dashcam db migrate --force" in str(refused.value.hint)
    assert revision_of(file) == head()
    assert upgrade(file, How(folder=folder, is_forced=True)).after == NEXT


def test_tables_that_were_altered_by_hand_are_named_before_anything_is_written(own: DatabaseSettings) -> None:
    ask(own, "ALTER TABLE amendment DROP COLUMN reason")
    ask(own, "DROP TABLE price")
    words = r"altered by hand: table amendment has no column reason \(and 1 more\)"
    for look in (upgrade, check):
        with pytest.raises(StoreError, match=words) as refused:
            look(own)
        assert refused.value.hint == "dashcam db check says what to do"
    reader = Reader(own)
    assert reader.totals() == {}
    reader.close()


def test_what_a_writer_left_half_done_that_died_is_rolled_back_first(tmp_path: Path) -> None:
    """Before it has its write-ahead log, a file has a journal beside it that only writers may use."""
    upgrade(sqlite_at(tmp_path / "dashcam.db"))
    died = tmp_path / "died"
    died.mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "dashcam.db", isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode=DELETE; PRAGMA cache_size=1; BEGIN; CREATE TABLE half (a)")
        connection.execute("INSERT INTO half VALUES (randomblob(1000000))")
        for path in tmp_path.glob("dashcam.db*"):
            shutil.copy(path, died)
    assert (died / "dashcam.db-journal").stat().st_size > 0
    with pytest.raises(StoreError, match="readonly"):
        revision_of(sqlite_at(died / "dashcam.db"))
    assert upgrade(sqlite_at(died / "dashcam.db")).before == head()
    assert ask(sqlite_at(died / "dashcam.db"), "SELECT name FROM sqlite_schema WHERE name = 'half'") == []
