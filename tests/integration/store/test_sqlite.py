"""What only a SQLite file can do or suffer: names of folders, rights, locks, damage, and which index it takes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxy.domain.interaction import Entry
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.engines.engine import backend_of
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.filters.statements import Filters, Order, listing, listing_largest, slice_of
from proxy.store.migrating.migration import upgrade
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.rollups import ask


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "dashcam.db"
    upgrade(sqlite_at(path))
    return path


@pytest.fixture
def store(path: Path) -> DatabaseSettings:
    return sqlite_at(path)


def write(writer: StoreWriter, *entries: Entry) -> int:
    return len(writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {}).inserted)


@pytest.mark.parametrize("name", ["my data", "a#b", "a?b", "a%41b", "ünï", "a?mode=memory"])
def test_the_database_lies_where_its_path_says_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "dashcam.db"
    upgrade(sqlite_at(path))
    writer = StoreWriter(sqlite_at(path))
    assert write(writer, an_entry()) == 1
    reader = Reader(sqlite_at(path))
    assert reader.counts()["interactions"] == 1
    reader.close()
    writer.close()
    assert [item.name for item in tmp_path.iterdir()] == [name]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_locked_database_is_told_apart_from_a_bad_row(path: Path) -> None:
    writer = StoreWriter(sqlite_at(path))
    other = sqlite3.connect(path, isolation_level=None)
    writer._engine.raw_connection().execute("PRAGMA busy_timeout=10")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailableError):
        write(writer, an_entry())
    other.execute("ROLLBACK")
    other.close()
    assert write(writer, an_entry()) == 1
    writer.close()


def test_files_are_private(path: Path, writer: StoreWriter) -> None:
    write(writer, an_entry())
    assert {item.stat().st_mode & 0o077 for item in path.parent.iterdir()} == {0}


def test_a_damaged_database_is_the_fault_of_no_row(path: Path, writer: StoreWriter) -> None:
    write(writer, *(an_entry() for _ in range(50)))
    writer.close()
    database = sqlite3.connect(path)
    (size,) = database.execute("PRAGMA page_size").fetchone()
    (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name LIKE 'ix_interaction_model%'").fetchone()
    database.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xa5" * size)
    with pytest.raises(StoreUnavailableError, match="damaged"):
        write(StoreWriter(sqlite_at(path)), an_entry())


COMMON = (
    Filters(),
    Filters(model="gpt-5"),
    Filters(outcome="completed"),
    Filters(provider="openai"),
    Filters(since=STARTED_AT, until=STARTED_AT + 1),
    Filters(model="gpt-5", outcome="completed", since=STARTED_AT),
)


@pytest.mark.parametrize("filters", COMMON)
def test_no_list_sorts_all_that_it_could_show(
    store: DatabaseSettings, reader: Reader, writer: StoreWriter, filters: Filters
) -> None:
    write(writer, an_entry(), an_entry(model="other"))
    sql, values = listing(filters, 20)
    with backend_of(store).reader().begin() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert len(reader.list_interactions(filters, 20)) > 0
    # Only calls of the same millisecond may have to be put in order, the "last term" or "right part".
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    assert any("USING INDEX" in step for step in plan)


@pytest.mark.parametrize("filters", COMMON)
def test_no_slice_sorts_all_that_is_left(
    store: DatabaseSettings, reader: Reader, writer: StoreWriter, filters: Filters
) -> None:
    write(writer, an_entry(), an_entry(model="other"))
    sql, values = slice_of("", filters, 200)
    with backend_of(store).reader().begin() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert not [step for step in plan if "TEMP B-TREE" in step], plan
    assert len(reader.slice_after("", filters, 200)) == len(reader.list_interactions(filters, 200))


def test_the_slowest_are_found_by_the_index_that_holds_them_alone(store: DatabaseSettings, writer: StoreWriter) -> None:
    write(writer, an_entry(duration_ms=40_000.0), an_entry())
    question = listing_largest(Filters(), 20, Order("duration_ms"))
    assert question is not None
    with backend_of(store).reader().begin() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question[0]}", question[1])]
    assert any("ix_interaction_duration_ms" in step for step in plan)


def test_no_database_yet_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Reader(sqlite_at(tmp_path / "none.db"))
    assert "dashcam serve" in str(caught.value.hint)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER mine BEFORE INSERT ON interaction BEGIN SELECT RAISE(ABORT, 'not here'); END",
        "CREATE UNIQUE INDEX mine ON interaction (outcome)",
        "CREATE UNIQUE INDEX mine ON interaction (lower(outcome))",
        "DROP TABLE interaction_text",
        "DROP INDEX uq_body_chunk_day_sha256",
    ],
)
def test_what_was_added_or_taken_away_by_hand_is_the_fault_of_no_row(
    store: DatabaseSettings, writer: StoreWriter, statement: str
) -> None:
    write(writer, an_entry())
    ask(store, statement)
    with pytest.raises(StoreUnavailableError) as refused:
        write(writer, an_entry(request=b"a" * 9000))
    assert refused.value.hint == "dashcam db check"


def test_a_table_altered_by_hand_is_the_fault_of_no_row(store: DatabaseSettings, writer: StoreWriter) -> None:
    ask(store, "ALTER TABLE interaction ADD COLUMN mine TEXT NOT NULL DEFAULT 'x'")
    assert write(writer, an_entry()) == 1
    ask(store, "DROP TABLE interaction_text")
    columns = "interaction_id TEXT, input_text TEXT, output_text TEXT, mine TEXT NOT NULL"
    ask(store, f"CREATE TABLE interaction_text ({columns})")
    with pytest.raises(StoreUnavailableError, match=r"was altered by hand: .* interaction_text\.mine") as refused:
        write(writer, an_entry())
    assert refused.value.hint == "dashcam db check"
