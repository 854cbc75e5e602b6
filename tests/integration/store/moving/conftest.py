"""A source and a target for each test of a copy: SQLite here, Postgres there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.settings.database import DatabaseSettings
from tests.support.fresh_sqlite import fresh_sqlite

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A SQLite file with our tables, to be copied."""
    return fresh_sqlite(tmp_path / "template.db").path


@pytest.fixture
def source(tmp_path: Path) -> DatabaseSettings:
    return fresh_sqlite(tmp_path / "source.db")


@pytest.fixture
def target(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.migrated()
    yield made
    postgres.drop(made)
