"""``dashcam try``: the row is waited for, also where nobody has made a database yet."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from proxy.cli import trying
from proxy.errors import StoreError
from proxy.settings.values import Settings
from proxy.store.schema.decoding import Row
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Record


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"), run_dir=str(tmp_path / "run"))


def test_a_row_is_waited_for_while_there_is_no_database(settings: Settings, record: Record) -> None:
    entry, found = an_entry(), list[Row]()
    waiting = threading.Thread(target=lambda: found.append(trying.wait_for_row(settings, entry.interaction.id)))
    waiting.start()
    record(entry)
    waiting.join()
    assert [row["id"] for row in found] == [entry.interaction.id]


def test_a_database_that_never_comes_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "ROW_SECONDS", 0.0)
    with pytest.raises(StoreError, match="there is no database"):
        trying.wait_for_row(settings, an_entry().interaction.id)
