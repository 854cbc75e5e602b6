"""What the doctor thinks of the database."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.cli.doctor import database
from proxy.settings.values import Settings
from proxy.store.engines import sqlite
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Record


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"), run_dir=str(tmp_path / "run"))


def test_a_database_is_sound_or_damaged(settings: Settings, record: Record) -> None:
    record(*(an_entry(request=os.urandom(3000)) for _ in range(40)))
    (found,) = database.soundness(settings)
    assert (found.is_ok, "40 calls" in found.detail, found.detail.endswith("sound")) == (True, True, True)
    damaged = bytearray(settings.database.path.read_bytes())
    # What the last page holds may be nothing that is read.
    half = len(damaged) // 2
    damaged[half:] = b"\xff" * (len(damaged) - half)
    settings.database.path.write_bytes(damaged)
    (found,) = database.soundness(settings)
    assert found.is_ok is False
    assert "damaged" in found.detail or "cannot be used" in found.detail


def test_a_check_that_takes_too_long_is_given_up(
    settings: Settings, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECK_SECONDS", -1.0)
    monkeypatch.setattr(sqlite, "CHECK_STEPS", 10)
    record(*(an_entry(request=os.urandom(3000)) for _ in range(40)))
    (found,) = database.soundness(settings)
    assert found.is_ok
    assert "too large to be checked" in found.detail


def test_calls_of_the_far_future_tell_of_a_wrong_clock(settings: Settings, record: Record) -> None:
    record(an_entry(started_at=4_000_000_000_000))
    *_, found = database.soundness(settings)
    assert (found.subject, found.is_ok) == ("clock", False)


def test_an_index_that_is_still_being_made_is_told(
    settings: Settings, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(database.text_index(settings)) == []
    record(replace(an_entry(), input_text="a refund"))
    assert list(database.text_index(settings)) == []
    monkeypatch.setattr(database, "TAIL", 0)
    (told,) = database.text_index(settings)
    assert (told.is_ok, "1 calls are not in the full-text index yet" in told.detail) == (None, True)
