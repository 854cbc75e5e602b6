"""A source and a target for each test of a copy: SQLite here, Postgres there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.migration import upgrade

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables, to be copied: quicker than making them."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    upgrade(sqlite_at(path))
    return path


@pytest.fixture
def source(template: Path, tmp_path: Path) -> DatabaseSettings:
    return sqlite_at(shutil.copy(template, tmp_path / "source.db"))


@pytest.fixture
def target(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.migrated()
    yield made
    postgres.drop(made)
