"""Rows of named columns in three forms; what somebody else wrote cannot pose as a row."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from proxy.cli.rows import number, print_rows, shown
from proxy.cli.terminal import settle_colours

ROWS: list[dict[str, Any]] = [{"model": "a\nb\x1b[31m", "calls": 1234}, {"model": None, "calls": 5}]
COLUMNS = {"model": shown, "calls": number}


def test_on_a_terminal_columns_are_aligned(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    settle_colours("never")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_rows(ROWS, COLUMNS, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("MODEL")
    assert {len(line) for line in lines} == {len(lines[0])}
    assert [line.split()[-1] for line in lines] == ["CALLS", "1,234", "5"]
    assert "\x1b" not in lines[1]
    settle_colours("auto")


def test_where_there_is_no_room_what_matters_least_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    rows = [{"model": "m" * 20, "calls": 1, "source": "s" * 20, "note": "n" * 20}]
    columns = {"model": shown, "calls": number, "source": shown, "note": shown}
    seen = []
    for width in (80, 60, 20):
        monkeypatch.setenv("COLUMNS", str(width))
        print_rows(rows, columns, as_json=False, shed=("of_another_listing", "note", "source"))
        seen.append(capsys.readouterr().out.splitlines()[0].split())
    assert seen == [["MODEL", "CALLS", "SOURCE", "NOTE"], ["MODEL", "CALLS", "SOURCE"], ["MODEL", "CALLS"]]


def test_a_text_that_may_be_cut_goes_on_as_far_as_there_is_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    rows = [{"name": "n" * 10, "author": "a" * 10, "changes": "c" * 40}]
    columns = {"name": shown, "author": shown, "changes": shown}
    seen = []
    for width in (64, 50, 39, 20):
        monkeypatch.setenv("COLUMNS", str(width))
        print_rows(rows, columns, as_json=False, shed=("author",), cutting="changes")
        seen.append(capsys.readouterr().out.splitlines()[1].split())
    name, author = "n" * 10, "a" * 10
    assert seen == [
        [name, author, "c" * 40], [name, author, "c" * 25 + "…"], [name, "c" * 26 + "…"], [name, "c" * 15 + "…"],
    ]  # fmt: skip


def test_in_a_pipe_values_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, COLUMNS, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2], len(lines)) == ("model\tcalls", "\t5", 3)


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, COLUMNS, as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS
