"""An empty database on each engine in turn, and what brings it to any revision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.settings.database import DatabaseSettings, sqlite_at

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseSettings]:
    if request.param == "sqlite":
        yield sqlite_at(tmp_path / "d.db")
        return
    databases: Databases = request.getfixturevalue("postgres")
    made = databases.empty()
    yield made
    databases.drop(made)
