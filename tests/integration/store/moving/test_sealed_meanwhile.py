"""What is sealed with another key while it is copied is sealed so in the target, too: the former key may go then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.moving.procedure import copy
from tests.integration.store.test_resealing import check, fill, reseal
from tests.integration.store.test_sealing import MASTER, OTHER
from tests.support.copying_in_any_order import assert_same
from tests.support.moving import AWAY, HOME, OURS, WATCH


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)
    monkeypatch.setattr("proxy.store.schema.sealing._ring._masters", {})


@pytest.mark.parametrize("way", ["away", "home"])
def test_a_record_that_is_sealed_anew_behind_the_comparison(
    way: str, source: DatabaseSettings, target: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, renaming = (source, target, AWAY) if way == "away" else (target, sqlite_at(tmp_path / "t.db"), HOME)
    here, there = replace(here, seal=True), replace(there, seal=True)
    calls = fill(here)
    with copy(here, there, OURS, WATCH) as copying:
        copying.fill()
        copying.compare()
        monkeypatch.setenv("DASHCAM_MASTER_KEY", f"{OTHER},{MASTER}")
        assert reseal(here) > 0
        copying.catch_up()
        copying.finish(renaming)
    monkeypatch.setenv("DASHCAM_MASTER_KEY", OTHER)
    check(there, calls)
    assert_same(here, there)
