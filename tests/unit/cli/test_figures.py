"""``stats``, ``costs``, ``errors``, ``slow``, ``sessions``: on a terminal, in a pipe, as JSON, and of nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.cli.instants import now
from proxy.domain.outcome import Outcome
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record

HOUR, DAY = 3_600_000, 86_400_000
COMMANDS = ("stats", "costs", "errors", "slow", "sessions")


@pytest.fixture
def filled(record: Record) -> None:
    at = now() - HOUR
    record(
        an_entry(model="gpt-5", session_id="s1", user_id="kim", started_at=at, cost_pico_usd=2 * 10**12, ttft_ms=90.0),
        an_entry(model="gpt-5", session_id="s1", user_id="kim", started_at=at - 2 * DAY, duration_ms=5000.0),
        an_entry(model="o4", user_id="lee", started_at=at - 3 * DAY, cost_pico_usd=None, http_status=429,
                 outcome=Outcome.UPSTREAM_ERROR, success=False, error_code="rate_limit"),
        an_entry(model="old", started_at=at - 20 * DAY),
    )  # fmt: skip


@pytest.mark.usefixtures("filled")
def test_stats(dashcam: Command) -> None:
    told = json.loads(dashcam("stats", "--json").out)
    assert (told["calls"], told["errors"], [row["model"] for row in told["models"]]) == (3, 1, ["gpt-5", "o4"])
    lines = dashcam("stats", "--days", "30").lines
    assert "calls\t4" in lines
    assert not [line for line in lines if line.startswith("models")]
    said = dashcam("stats", is_terminal=True)
    assert "█" in said.out
    assert "1 (33.3%)" in said.out
    assert "(1 without a price)" in said.out
    assert "1 upstream_error" in said.out
    assert "dashcam costs --since 7d" in said.err


@pytest.mark.usefixtures("filled")
def test_costs(dashcam: Command) -> None:
    dearest, other = json.loads(dashcam("costs", "--json", "--days", "7").out)
    assert (dearest["model"], round(dearest["share"], 2), other["cost_usd"]) == ("gpt-5", 1.0, None)
    assert [row["user"] for row in json.loads(dashcam("costs", "--by", "user", "--json").out)] == ["kim", "lee"]
    days = [row["day"] for row in json.loads(dashcam("costs", "--by", "day", "--json").out)]
    assert (len(days), days) == (4, sorted(days))
    (latest,) = json.loads(dashcam("costs", "--by", "day", "-n", "1", "--json").out)
    assert latest["day"] == days[-1]
    assert "earlier days; see them with: -n 5" in dashcam("costs", "--by", "day", "-n", "1", is_terminal=True).err
    said = dashcam("costs", is_terminal=True)
    assert "$2.00 in all in the last 30 days" in said.err
    assert "1 call without a price: dashcam prices unpriced" in said.err
    assert "more; see it with: -n 5" in dashcam("costs", "-n", "1", is_terminal=True).err
    wrong = dashcam("costs", "--by", "modle")
    assert (wrong.code, "did you mean model?" in wrong.err) == (2, True)


def test_what_failed_for_nothing_is_not_what_calls_without_a_price_cost(dashcam: Command, record: Record) -> None:
    failed: dict[str, Any] = {"outcome": Outcome.UPSTREAM_ERROR, "success": False, "cost_pico_usd": 0}
    record(an_entry(started_at=now() - HOUR, cost_pico_usd=None), an_entry(started_at=now() - HOUR, **failed))
    for command in ("stats", "costs"):
        said = dashcam(command, is_terminal=True)
        assert "$0" not in said.out + said.err, command
    assert "- in all in the last 30 days" in dashcam("costs", is_terminal=True).err
    assert "- (1 without a price)" in dashcam("stats", is_terminal=True).out
    (row,) = json.loads(dashcam("costs", "--json").out)
    assert (row["cost_usd"], row["unpriced_calls"]) == (0.0, 1)
    record(an_entry(started_at=now() - HOUR, model="free", cost_pico_usd=0))
    assert "$0" in dashcam("costs", is_terminal=True).out


@pytest.mark.usefixtures("filled")
def test_errors(dashcam: Command) -> None:
    (kind,) = json.loads(dashcam("errors", "--json").out)
    assert (kind["error_code"], kind["http_status"], kind["calls"], kind["share"]) == ("rate_limit", 429, 1, 1.0)
    assert json.loads(dashcam("show", kind["sample_id"], "--json").out)["model"] == "o4"
    said = dashcam("errors", is_terminal=True)
    assert "100.0%" in said.out
    assert "dashcam show" in said.err
    assert json.loads(dashcam("errors", "--json", "--since", "1d").out) == []


@pytest.mark.usefixtures("filled")
def test_slow(dashcam: Command) -> None:
    assert [row["duration_ms"] for row in json.loads(dashcam("slow", "--json", "-n", "2").out)] == [5000.0, 1200.5]
    assert [row["model"] for row in json.loads(dashcam("slow", "--json", "--days", "1").out)] == ["gpt-5"]
    assert "5,000 ms" in dashcam("slow", is_terminal=True).out


@pytest.mark.usefixtures("filled")
def test_sessions(dashcam: Command) -> None:
    (session,) = json.loads(dashcam("sessions", "--json").out)
    assert (session["session_id"], session["calls"], session["errors"]) == ("s1", 2, 0)
    assert "dashcam logs --session s1" in dashcam("sessions", is_terminal=True).err


def test_kinds_of_failures_differ_on_a_narrow_terminal(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: dict[str, Any] = {
        "outcome": Outcome.UPSTREAM_ERROR,
        "success": False,
        "error_code": "server_error",
        "model": "gpt-4o-mini",
    }
    record(*(an_entry(started_at=now() - HOUR, http_status=status, **failed) for status in (500, 503)))
    monkeypatch.setenv("COLUMNS", "80")
    lines = dashcam("errors", is_terminal=True).out.splitlines()
    assert (max(map(len, lines)) <= 80, "500" in "".join(lines), "503" in "".join(lines)) == (True, True, True)


def test_a_type_stands_for_a_code_that_nobody_gave_on_a_narrow_terminal(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: dict[str, Any] = {"outcome": Outcome.UPSTREAM_ERROR, "success": False, "model": "text-embedding-3-small"}
    record(an_entry(started_at=now() - HOUR, http_status=500, error_type="server_error", error_code=None, **failed))
    monkeypatch.setenv("COLUMNS", "60")
    assert "server_error" in dashcam("errors", is_terminal=True).out
    assert json.loads(dashcam("errors", "--json").out)[0]["error_code"] is None


def test_bars_end_where_the_terminal_does(dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    record(*(an_entry(started_at=now() - hours * HOUR) for hours in range(60)))
    monkeypatch.setenv("COLUMNS", "80")
    for words in (("stats",), ("costs",), ("costs", "--by", "hour")):
        said = dashcam(*words, "--days", "3", is_terminal=True)
        bars = [line for line in (said.out + said.err).replace("\x1b[0m", "").splitlines() if "█" in line]
        assert bars
        assert max(len(line.removeprefix("\x1b[2m")) for line in bars) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_of_nothing_the_next_command_is_named(dashcam: Command, record: Record, command: str) -> None:
    record()
    said = dashcam(command, is_terminal=True)
    assert (said.code, said.out) == (0, "")
    assert "dashcam" in said.err
    assert "\x1b" not in dashcam(command).out
    assert not any(isinstance(item, dict) for item in json.loads(dashcam(command, "--json").out))


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_gets_neither_bars_nor_hints(dashcam: Command, command: str) -> None:
    said = dashcam(command)
    assert said.err == ""
    assert all("\t" in line for line in said.lines)
    assert not set("▁▂▃▄▅▆▇█") & set(said.out)
