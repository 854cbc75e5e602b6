"""What control says of a database that it has not opened yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.control import services
from proxy.spool.page import Page
from proxy.spool.trouble import Trouble
from tests.support.spooling import SpoolingGateway, settings_in


def test_a_database_that_does_not_answer_for_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = services.Services(settings_in(tmp_path), lambda _line: None)
    assert waiting.ledger()["last_error"] is None
    monkeypatch.setattr(services, "_LONG_SECONDS", -1.0)
    assert waiting.last_error == f"the database {waiting.settings.database.shown} is not open after 0 s"


def test_before_a_database_is_open_troubles_are_those_of_gateways_that_run(tmp_path: Path) -> None:
    waiting = services.Services(settings_in(tmp_path), lambda _line: None)
    dead, living = (SpoolingGateway(waiting.settings, boot=boot) for boot in ("first", "second"))
    for gateway in (dead, living):
        gateway.call()
    dead.page.set(Page.TROUBLE, Trouble.DISK_LOW)
    assert [item["name"] for item in waiting.ledger()["troubles"]] == ["disk_low"]  # type: ignore[attr-defined]
    dead.die()
    found = waiting.ledger()
    assert (found["troubles"], found["accepted"]) == ([], 2)
    assert len(waiting.pages()) == 1
    living.die()


def test_a_gateway_that_begins_is_there_before_it_has_a_segment(tmp_path: Path) -> None:
    waiting = services.Services(settings_in(tmp_path), lambda _line: None)
    folder = waiting.settings.spool_dir / "boot-0"
    Page.create(waiting.settings.pages_dir / "boot-0.page", "boot", 0).close()
    assert waiting.pages() == []
    folder.mkdir(parents=True)
    assert len(waiting.pages()) == 1
