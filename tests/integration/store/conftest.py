"""A migrated database in a temporary folder, with its writer and a reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.store.migration import upgrade
from proxy.store.reading import Reader
from proxy.store.writing import StoreWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "dashcam.db"
    upgrade(path)
    return path


@pytest.fixture
def writer(path: Path) -> Iterator[StoreWriter]:
    made = StoreWriter(path)
    yield made
    made.close()


@pytest.fixture
def reader(path: Path, writer: StoreWriter) -> Iterator[Reader]:
    made = Reader(path)
    yield made
    made.close()
