"""Who only reads asks the replica; who writes, and what is read in order to write, never does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.sql import ask
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture
def store(postgres: Databases) -> Iterator[DatabaseSettings]:
    """A primary, and a database that stands for its replica and is behind for ever."""
    primary, behind = postgres.migrated(), postgres.migrated()
    yield replace(primary, read_url=behind.url)
    postgres.drop(primary)
    postgres.drop(behind)


def test_reading_goes_to_the_replica_and_writing_to_the_primary(store: DatabaseSettings) -> None:
    writer = StoreWriter(store)
    writer.write(WriteBatch(entries=[("s", an_entry())]), lambda _: {})
    writer.close()
    for is_primary, count in ((True, 1), (False, 0)):
        reader = Reader(store, is_primary=is_primary)
        assert len(reader.list_interactions(Filters(), 5)) == count
        reader.close()


def test_a_replica_that_is_away_is_told_as_one(store: DatabaseSettings) -> None:
    away = urlunsplit(urlsplit(store.read_url)._replace(netloc="postgres@127.0.0.1:1"))
    reader = Reader(replace(store, read_url=away))
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        reader.counts()
    assert "database.read_url" in str(caught.value.hint)
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        ask(replace(store, read_url=away), "SELECT 1", 1, 5.0)
    assert "database.read_url" in str(caught.value.hint)
    reader = Reader(replace(store, read_url=away), is_primary=True)
    assert reader.counts()["interactions"] == 0
    reader.close()


def test_a_reader_changes_nothing(store: DatabaseSettings) -> None:
    reader = Reader(store, is_primary=True)
    with pytest.raises(StoreError, match="read-only"):
        reader._rows("DELETE FROM interaction RETURNING id", ())
    reader.close()
