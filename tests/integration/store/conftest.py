"""A writer and a reader of a database that has our tables, on each engine in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.reading.reader import Reader
from proxy.store.writing.writer import StoreWriter
from tests.support.fresh_sqlite import fresh_sqlite

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture
def writer(store: DatabaseSettings) -> Iterator[StoreWriter]:
    made = StoreWriter(store)
    yield made
    made.close()


@pytest.fixture
def reader(store: DatabaseSettings, writer: StoreWriter) -> Iterator[Reader]:
    made = Reader(store)
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A SQLite file with our tables and nothing in them."""
    found = tmp_path / "dashcam.db"
    fresh_sqlite(found)
    return found


@pytest.fixture
def file_writer(path: Path) -> Iterator[StoreWriter]:
    """The writer of that file."""
    made = StoreWriter(sqlite_at(path))
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgres"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseSettings]:
    """A database whose tables a test may change, on each engine in turn."""
    if request.param == "sqlite":
        yield fresh_sqlite(tmp_path / "data" / "dashcam.db")
        return
    databases: Databases = request.getfixturevalue("postgres")
    made = databases.migrated()
    yield made
    databases.drop(made)
