"""What control says of a database that it has not opened yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.control import services
from tests.support.spooling import settings_in


def test_a_database_that_does_not_answer_for_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = services.Services(settings_in(tmp_path), lambda _line: None)
    assert waiting.ledger()["last_error"] is None
    monkeypatch.setattr(services, "_LONG_SECONDS", -1.0)
    assert waiting.last_error == f"the database {waiting.settings.database.shown} is not open after 0 s"
