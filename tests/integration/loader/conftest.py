"""A store with a loader in front of it, and a gateway's spool to load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.identity import id_text
from proxy.domain.interaction import Entry
from proxy.loader.loading import Loader
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.telemetry.families import Totals
from tests.support.rollups import ask
from tests.support.spooling import SpoolingGateway, settings_in

TOO_LARGE = 2**63


class Bench:
    """A store, and loaders one after the other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.totals = Totals()
        self.announced: list[Entry] = []
        self.loader = self._loader()

    def loader_anew(self) -> Loader:
        """Return a loader as a restarted control would make it."""
        self.loader.close()
        self.loader = self._loader()
        return self.loader

    def _loader(self) -> Loader:
        return Loader(self.settings, self.totals, self.announced.append)

    def load(self) -> dict[str, Any]:
        """Do rounds until nothing is left to do; return the ledger."""
        for _ in range(3):
            while self.loader.round():
                pass
        return self.loader.ledger()

    def rows(self) -> list[dict[str, Any]]:
        reader = Reader(self.settings.database)
        try:
            return reader.list_interactions(Filters(), 1000)[::-1]
        finally:
            reader.close()

    def body(self, identity: bytes, side: str) -> bytes:
        reader = Reader(self.settings.database)
        found = reader.body(id_text(identity), side)
        reader.close()
        assert found is not None
        return found.content

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return ask(self.settings.database, statement)


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return settings_in(tmp_path, database=store)


@pytest.fixture
def bench(settings: Settings) -> Iterator[Bench]:
    made = Bench(settings)
    yield made
    made.loader.close()


@pytest.fixture
def gateway(settings: Settings) -> Iterator[SpoolingGateway]:
    made = SpoolingGateway(settings)
    yield made
    made.die()
