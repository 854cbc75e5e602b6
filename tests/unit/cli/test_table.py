"""Tables: they fit the terminal, keep their columns, and name calls so that they can be asked for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from proxy.cli.table import Table
from proxy.cli.terminal import width_of
from proxy.domain.outcome import Outcome
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


def a_row(**changes: Any) -> dict[str, Any]:
    row = asdict(an_entry(**changes).interaction)
    return {**row, "started_at": "2026-11-18T11:06:40.000Z", "cost_usd": 0.0000025}


def printed(capsys: pytest.CaptureFixture[str], *batches: list[dict[str, Any]]) -> list[str]:
    table = Table(None, is_utc=True, has_headers=True)
    for rows in batches:
        table.print(rows)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_no_line_wraps(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    long = a_row(model="anthropic/claude-sonnet-4.5-20250929", outcome=Outcome.UPSTREAM_UNREACHABLE, success=False)
    lines = printed(capsys, [long])
    assert max(map(len, lines)) <= columns
    assert {"ID", "MODEL", "OUTCOME"} <= set(lines[0].split())


def test_columns_that_were_asked_for_stay(dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    record(an_entry())
    said = dashcam("logs", "--utc", "--fields", "started_at,model,outcome,ttft_ms", is_terminal=True)
    assert said.lines[0].split() == ["\x1b[2mTIME", "MODEL", "OUTCOME", "FIRST", "TOKEN\x1b[0m"]
    assert "2026-11-18 11:06:40Z" in said.lines[1]


def test_later_rows_stand_below_earlier_ones_and_headings_come_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, [], [a_row(model="a-rather-long-name")], [a_row(model="o4")])
    assert [line.find("completed") for line in lines[1:]] == [lines[0].index("OUTCOME")] * 2


def test_calls_of_one_millisecond_can_be_told_apart(dashcam: Command, record: Record) -> None:
    record(an_entry(), an_entry())
    said = dashcam("logs", "--utc", is_terminal=True)
    for line in said.lines[1:]:
        assert dashcam("show", line.split()[2]).code == 0


def test_a_call_without_a_model_says_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert "(models)" in printed(capsys, [a_row(model=None, operation="models")])[1]


def test_what_was_asked_stands_at_the_end_where_there_is_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        a_row(input_preview="Is it raining in Bern today, and will it tomorrow?"),
        a_row(input_preview="返金したい。" * 20),
    ]
    for columns, is_there in ((80, False), (140, True), (200, True)):
        monkeypatch.setenv("COLUMNS", str(columns))
        heading, *lines = printed(capsys, rows)
        assert ("ASKED" in heading, "Is it raining" in lines[0], "返金" in lines[1]) == (is_there,) * 3
        assert max(map(width_of, lines)) <= columns
    assert "ASKED" not in printed(capsys, [a_row(input_preview=None)])[0]
    assert "FIRST TOKEN" not in printed(capsys, [a_row(input_preview="Hi", ttft_ms=None)])[0]
    assert "FIRST TOKEN" in printed(capsys, [a_row(input_preview="Hi", ttft_ms=9.0)])[0]


def test_amounts_and_durations_stand_below_each_other_by_their_last_digit(dashcam: Command, record: Record) -> None:
    record(an_entry(duration_ms=5.0), an_entry(duration_ms=1500.0))
    lines = dashcam("logs", "--fields", "duration_ms,model", is_terminal=True).lines[1:]
    assert [line[:8] for line in lines] == ["  5.0 ms", "1,500 ms"]


def test_of_a_stored_prompt_it_is_said_what_was_filled_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    row = a_row(input_preview=None, prompt_name="short", prompt_version=2, prompt_variables={"text": "Hi", "n": 3})
    assert printed(capsys, [row])[1].endswith("  short@2: text=Hi, n=3")
