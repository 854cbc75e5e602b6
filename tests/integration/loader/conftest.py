"""A store with a loader in front of it, and a gateway's spool to load."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.identity import id_text
from proxy.domain.interaction import Entry
from proxy.loader.loading import Loader
from proxy.settings.values import Settings
from proxy.store.migration import upgrade
from proxy.store.reading import Reader
from proxy.store.statements import Filters
from proxy.telemetry.families import Totals
from tests.support.spooling import SpoolingGateway, settings_in

TOO_LARGE = 2**63


class Bench:
    """A store, and loaders one after the other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.totals = Totals()
        self.announced: list[Entry] = []
        upgrade(settings.database_path)
        self.loader = self.loader_anew()

    def loader_anew(self) -> Loader:
        """Return a loader as a restarted control would make it."""
        self.loader = Loader(self.settings, self.totals, self.announced.append)
        return self.loader

    def load(self) -> dict[str, Any]:
        """Do rounds until nothing is left to do; return the ledger."""
        for _ in range(3):
            while self.loader.round():
                pass
        return self.loader.ledger()

    def rows(self) -> list[dict[str, Any]]:
        reader = Reader(self.settings.database_path)
        try:
            return reader.list_interactions(Filters(), 1000)[::-1]
        finally:
            reader.close()

    def body(self, identity: bytes, side: str) -> bytes:
        reader = Reader(self.settings.database_path)
        found = reader.body(id_text(identity), side)
        reader.close()
        assert found is not None
        return found.content

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.settings.database_path)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def bench(settings: Settings) -> Bench:
    return Bench(settings)


@pytest.fixture
def gateway(settings: Settings) -> Iterator[SpoolingGateway]:
    made = SpoolingGateway(settings)
    yield made
    made.die()
