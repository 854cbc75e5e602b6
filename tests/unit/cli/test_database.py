"""``dashcam db``: where it is and what is in it."""

from __future__ import annotations

import json
from pathlib import Path

from proxy.store.migration import head
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


def test_the_path_is_told_whether_or_not_it_is_there(dashcam: Command, tmp_path: Path) -> None:
    assert dashcam("db", "path").lines == [str(tmp_path / "data" / "dashcam.db")]
    assert dashcam("db", "path", "--data-dir", "/x").lines == ["/x/dashcam.db"]


def test_info_is_about_this_file(dashcam: Command, record: Record) -> None:
    record(an_entry())
    found = json.loads(dashcam("db", "info", "--json").out)
    assert (found["interactions"], found["revision"]) == (1, head())
    assert "interactions\t1" in dashcam("db", "info").lines
    assert "interactions  1" in dashcam("db", "info", is_terminal=True).lines
    assert found["bytes"] > 0


def test_nothing_is_there_yet(dashcam: Command) -> None:
    said = dashcam("db", "info")
    assert said.code == 1
    assert "there is no database at" in said.err
