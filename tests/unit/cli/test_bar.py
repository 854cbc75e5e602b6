"""How far a long step has come is for people who watch, and leaves nothing behind."""

from __future__ import annotations

import sys

import pytest

from proxy.cli.bar import Bar


def test_it_is_for_terminals_only(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("recost") as bar:
        bar.tell("looked at", 5, 0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [(0, 0, "looked at"), (1005, 0, "looked at: 1,005"), (5, 10, "looked at ████████████░░░░░░░░░░░░  50 %")],
)
def test_it_tells_what_it_knows_and_takes_its_line_away(
    done: int, total: int, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar("recost") as bar:
        bar.tell("looked at", done, total)
        assert capsys.readouterr().err.startswith(f"\r\x1b[Krecost: {shown}  ")
    assert capsys.readouterr().err == "\r\x1b[K"
