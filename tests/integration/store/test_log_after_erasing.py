"""What is erased leaves the log of a SQLite file as well, though nobody asked for it, and though somebody reads it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.domain.feedback import Feedback, FeedbackKind, FeedbackSource
from proxy.loader.side_work import SideWork
from proxy.settings.values import Settings
from proxy.store.care.text_indexing import index_next
from proxy.store.changes import feedback
from proxy.store.erasure.erasing import strip
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.fresh_sqlite import fresh_sqlite

CANARY = b"the canary sings at dawn"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    database = fresh_sqlite(tmp_path / "dashcam.db")
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=database)


@pytest.fixture
def writer(settings: Settings) -> Iterator[StoreWriter]:
    with contextlib.closing(StoreWriter(settings.database)) as made:
        yield made


def files_with(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and CANARY in path.read_bytes())


def look_after(settings: Settings, writer: StoreWriter) -> None:
    SideWork(settings, lambda *_: False).do_next(writer, lambda: False, is_idle=True)


def a_call(writer: StoreWriter) -> str:
    entry = an_entry(b'{"messages": [{"role": "user", "content": "%b"}]}' % CANARY)
    writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {})
    return entry.interaction.id


def test_who_reads_keeps_it_for_as_long_as_he_reads(settings: Settings, writer: StoreWriter, tmp_path: Path) -> None:
    call = a_call(writer)
    with contextlib.closing(sqlite3.connect(tmp_path / "dashcam.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM interaction").fetchall()
        with writer.transaction() as connection:
            strip(connection, [call])
        writer.clear_log()
        look_after(settings, writer)
        assert files_with(tmp_path) == ["dashcam.db-wal"]
    look_after(settings, writer)
    assert files_with(tmp_path) == []


def test_what_nobody_asked_for_leaves_it_too(settings: Settings, writer: StoreWriter, tmp_path: Path) -> None:
    call = a_call(writer)
    look_after(settings, writer)
    # As retention does, by the age of a call.
    with writer.transaction() as connection:
        strip(connection, [call], keeps_facts=True)
    assert files_with(tmp_path) != []
    look_after(settings, writer)
    assert files_with(tmp_path) == []


def test_feedback_that_is_taken_away_leaves_it(settings: Settings, writer: StoreWriter, tmp_path: Path) -> None:
    said = Feedback(
        id="f", name="n", kind=FeedbackKind.TEXT, source=FeedbackSource.USER, words=CANARY.decode(), session_id="s"
    )
    with writer.transaction() as connection:
        feedback.put(connection, writer.backend, said)
    look_after(settings, writer)
    with writer.transaction() as connection:
        feedback.remove(connection, writer.backend, "f")
    look_after(settings, writer)
    assert files_with(tmp_path) == []


def test_words_that_the_index_had_left_leave_it_too(settings: Settings, writer: StoreWriter, tmp_path: Path) -> None:
    """An older SQLite merges them out of the index in a transaction of their own, behind the erasing."""
    entry = an_entry(b"{}")
    entry.input_text = "zebracanary"
    other = an_entry(b"{}")
    other.input_text = "other"
    writer.write(WriteBatch(entries=[("s", entry), ("s", other)]), lambda _: {})
    index(writer)
    look_after(settings, writer)
    with writer.transaction() as connection:
        strip(connection, [entry.interaction.id])
    look_after(settings, writer)
    index(writer)
    look_after(settings, writer)
    assert [path.name for path in tmp_path.iterdir() if path.is_file() and b"zebra" in path.read_bytes()] == []


def index(writer: StoreWriter) -> None:
    has_more: str | None = ""
    while has_more is not None:
        with writer.transaction() as connection:
            has_more = index_next(connection)


def test_a_log_without_anything_erased_is_left_alone(settings: Settings, writer: StoreWriter, tmp_path: Path) -> None:
    look_after(settings, writer)
    a_call(writer)
    look_after(settings, writer)
    assert (tmp_path / "dashcam.db-wal").stat().st_size > 0
