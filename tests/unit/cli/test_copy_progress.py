"""How far a copy is: lines where there is no terminal, a bar where there is one."""

from __future__ import annotations

import sys

import pytest

from proxy.cli.copy_progress import CopyProgress


def test_lines_tell_step_rows_and_what_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("proxy.cli.copy_progress.time.monotonic", lambda: now[0])
    with CopyProgress() as watch:
        watch.step("copying", 1000)
        watch.rows("", 200)
        for _ in range(4):
            now[0] += 2.0
            watch.rows("interaction", 100)
        for _ in range(3):
            watch.waiting("the database is away")
        watch.rows("interaction", 500)
        watch.waiting("the database is away")
    assert capsys.readouterr().err.splitlines() == [
        "copying …",
        "copying: 500 of 1,000 rows, 50 rows/s, about 10 s left",
        "waiting, and trying again: the database is away",
        "waiting, and trying again: the database is away",
        "copying: 1,100 of 1,100 rows, 112 rows/s",
    ]


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with CopyProgress() as watch:
        watch.step("copying", 10)
        watch.rows("interaction", 5)
        watch.waiting("the database [is] away")
    said = capsys.readouterr().err
    assert "copying" in said
    assert "trying again: the database [is] away" in said
    assert "5/10" in said


def test_before_its_first_step_a_bar_says_what_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with CopyProgress():
        pass
    assert "opening both" in capsys.readouterr().err


def test_a_step_that_is_over_is_shown_to_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with CopyProgress() as watch:
        watch.step("copying", 3)
        watch.rows("interaction", 3)
        watch.step("verifying", 3)
    assert "3/3" in capsys.readouterr().err
