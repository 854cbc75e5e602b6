"""``dashcam reinterpret``: differences by column with a few ids, and nothing written without --yes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.identity import IdentityMint
from proxy.interpret.entry import interpret
from proxy.pricing.cost import cost_of
from proxy.settings.database import sqlite_at
from tests.support.recorded import recorded
from tests.support.rollups import ask, assert_rollups_equal_the_rows
from tests.unit.cli.conftest import Command, Record

ANSWER = b'{"model":"gpt-4o-mini","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],' \
         b'"usage":{"prompt_tokens":11,"completion_tokens":3}}'  # fmt: skip


@pytest.fixture
def path(tmp_path: Path, record: Record) -> Path:
    mint = IdentityMint()
    calls = [replace(recorded(ANSWER), id=mint.mint()) for _ in range(5)]
    calls.append(replace(recorded(ANSWER, content="off"), id=mint.mint()))
    record(*[interpret(call, cost_of) for call in calls])
    return tmp_path / "data" / "dashcam.db"


def spoil(path: Path) -> None:
    import sqlite3

    database = sqlite3.connect(path)
    database.execute("UPDATE interaction SET output_tokens = NULL WHERE content_state = 'stored'")
    for table in ("rollup_hourly", "usage_daily"):
        database.execute(f"UPDATE {table} SET output_tokens = 3")
    database.commit()
    database.close()


def test_what_reads_the_same_is_left_alone(dashcam: Command, path: Path) -> None:
    found = dashcam("reinterpret", "--yes")
    assert (found.code, found.out) == (0, "")
    assert "Passed over, since their bytes were not kept: 1 call." in found.err
    assert "Nothing to change: 6 calls" in found.err
    assert ask(sqlite_at(path), "SELECT count(*) FROM amendment") == [(0,)]


def test_differences_are_shown_by_column_and_written_only_with_yes(dashcam: Command, path: Path) -> None:
    spoil(path)
    dry = json.loads(dashcam("reinterpret", "--json").out)
    assert (dry["calls"], dry["changed"], dry["no_bytes"], dry["written"]) == (6, 5, 1, 0)
    assert [(item["column"], item["calls"], len(item["for_example"])) for item in dry["columns"]] == [
        ("output_tokens", 5, 3)
    ]
    assert ask(sqlite_at(path), "SELECT sum(output_tokens) FROM interaction") == [(3,)]
    found = dashcam("reinterpret", "--yes", is_terminal=True)
    assert found.lines[1].split()[:2] == ["output_tokens", "5"]
    assert "5 of 6 calls changed" in found.err
    assert ask(sqlite_at(path), "SELECT sum(output_tokens) FROM interaction") == [(18,)]
    assert_rollups_equal_the_rows(sqlite_at(path))
