"""``dashcam sql``: one statement and its rows; without one, what there is to ask of."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


def test_sql_answers_as_a_table_lines_or_json(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(an_entry(app="x"))
    assert dashcam("sql", "SELECT app, 1 AS n FROM interaction").out == "app\tn\nx\t1\n"
    assert json.loads(dashcam("sql", "SELECT x'ff' AS b, NULL AS a", "--json").out) == [{"b": "\\xff", "a": None}]
    assert "first 1;" in dashcam("sql", "SELECT 1 UNION SELECT 2", "-n", "1").err
    monkeypatch.setattr(sys, "stdin", io.StringIO(" SELECT 3 AS three\n"))
    assert dashcam("sql").out == "three\n3\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "v_daily_cost\tview" in dashcam("sql").out
    said = dashcam("sql", "DELETE FROM interaction")
    assert (said.code, "it would change the record\n  next: erase calls with: dashcam purge" in said.err) == (2, True)


def test_a_statement_may_begin_with_a_comment(dashcam: Command, record: Record) -> None:
    record(an_entry())
    for line in (
        ("-- one\nSELECT 1 AS n", "--json"),
        ("--json", "--\tone\nSELECT 1 AS n"),
        ("--json", "--", "-- 1\nSELECT 1 AS n"),
    ):
        assert json.loads(dashcam("sql", *line).out) == [{"n": 1}]
    assert "No such option: --jason" in dashcam("sql", "SELECT 1", "--jason").err


def test_what_is_wider_than_the_terminal_is_told_column_by_column(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(an_entry(app="x"), an_entry(app="y"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = dashcam("sql", "SELECT * FROM interaction ORDER BY app", is_terminal=True).out.splitlines()
    assert [line.split() for line in lines if line.startswith("app ")] == [["app", "x"], ["app", "y"]]
    assert [line for line in lines if line.startswith("row ")] == ["row 1", "row 2"]
    assert dashcam("sql", "SELECT app FROM interaction ORDER BY 1", is_terminal=True).lines == ["APP", "x", "y"]
