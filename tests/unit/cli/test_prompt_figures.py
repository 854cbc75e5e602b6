"""``prompts performance``, ``compare`` and ``trends``: a call on average, version by version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.instants import now
from proxy.domain.outcome import Outcome
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record

HOUR, DAY = 3_600_000, 86_400_000


@pytest.fixture
def filled(record: Record) -> None:
    at = now() - HOUR
    first: dict[str, Any] = {"prompt_name": "short", "prompt_version": 1, "output_tokens": 40, "duration_ms": 200.0}
    second: dict[str, Any] = {"prompt_name": "short", "prompt_version": 2, "output_tokens": 10, "duration_ms": 100.0}
    record(
        an_entry(started_at=at, **second, cost_pico_usd=10**12),
        an_entry(started_at=at - DAY, **second, cost_pico_usd=None),
        an_entry(started_at=at - DAY, **first, cost_pico_usd=2 * 10**12),
        an_entry(started_at=at - DAY, **first, cost_pico_usd=None, outcome=Outcome.UPSTREAM_ERROR, success=False),
        an_entry(started_at=at - 60 * DAY, **first),
        an_entry(started_at=at, prompt_name="long", prompt_version=1),
        an_entry(started_at=at),
    )


@pytest.mark.usefixtures("filled")
def test_performance_is_of_a_call_on_average(dashcam: Command) -> None:
    second, first = json.loads(dashcam("prompts", "performance", "short", "--json").out)
    assert (second["version"], second["calls"], second["success_rate"], second["output_tokens"]) == (2, 2, 1.0, 10.0)
    assert (first["version"], first["success_rate"], first["average_ms"], first["cost_usd"]) == (1, 0.5, 200.0, 2.0)
    assert second["cost_usd"] == 1.0
    every = json.loads(dashcam("prompts", "performance", "--json").out)
    assert [(row["prompt"], row["version"]) for row in every] == [("long", 1), ("short", 2), ("short", 1)]
    assert "50.0%" in dashcam("prompts", "performance", "short", is_terminal=True).out
    assert "more; see it with: -n 5" in dashcam("prompts", "performance", "-n", "1", is_terminal=True).err


@pytest.mark.usefixtures("filled")
def test_two_versions_side_by_side(dashcam: Command) -> None:
    told = {row["measure"]: row for row in json.loads(dashcam("prompts", "compare", "short", "1", "2", "--json").out)}
    assert told["output_tokens"] == {"measure": "output_tokens", "short@1": 40.0, "short@2": 10.0, "change": -0.75}
    assert told["score"]["change"] is None
    seen = dashcam("prompts", "compare", "short", "1", "2", is_terminal=True).out
    assert "-75.0%" in seen
    assert "200 ms" in seen
    missing = dashcam("prompts", "compare", "short", "1", "9")
    assert (missing.code, "no call used short@9 in the last 90 days" in missing.err) == (3, True)
    assert dashcam("prompts", "compare", "nowhere", "1", "production").code == 3


@pytest.mark.usefixtures("filled")
def test_trends_go_day_by_day(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads(dashcam("prompts", "trends", "short", "--json").out)
    assert [(row["version"], row["calls"]) for row in told] == [(1, 2), (2, 1), (2, 1)]
    assert [row["day"] for row in told] == sorted(row["day"] for row in told)
    assert len(json.loads(dashcam("prompts", "trends", "short", "--days", "90", "--json").out)) == 4
    monkeypatch.setenv("COLUMNS", "80")
    said = dashcam("prompts", "trends", "short", is_terminal=True)
    assert (said.code, "short@2  " in said.err, "SUCCESS RATE" in said.out) == (0, True, True)


def test_where_there_is_nothing_the_next_command_is_told(dashcam: Command, record: Record) -> None:
    record()
    Path("short.txt").write_text("You write briefly.")
    assert dashcam("prompts", "create", "short", "short.txt").code == 0
    for words in (("performance",), ("performance", "short"), ("trends", "short")):
        said = dashcam("prompts", *words, is_terminal=True)
        assert (said.code, said.out, "Look further back with --days 365" in said.err) == (0, "", True)
        assert json.loads(dashcam("prompts", *words, "--json").out) == []
    for words in (("performance", "shrot"), ("trends", "shrot")):
        said = dashcam("prompts", *words)
        assert (said.code, "no prompt 'shrot' (did you mean short?)" in said.err) == (3, True)
