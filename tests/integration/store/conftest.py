"""A writer and a reader of a database that has our tables, on each engine in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.settings.database import DatabaseSettings
from proxy.store.reading import Reader
from proxy.store.writing import StoreWriter


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
