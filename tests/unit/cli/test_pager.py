"""The pager gets the whole page with its colours, and nobody else ever waits for one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from proxy.cli.pager import command_of
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


@pytest.mark.parametrize(
    ("pager", "command"),
    [
        (None, ["less", "-FRX"]),
        ("", []),
        ("cat", []),
        ("most -s", ["most", "-s"]),
        ("'unclosed", []),
    ],
)
def test_the_pager_is_what_the_variable_says(pager: str | None, command: list[str]) -> None:
    assert command_of(pager) == command


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a pager puts what it gets."""
    keeper = tmp_path / "keep"
    keeper.write_text(f"#!/bin/sh\ncat > {tmp_path}/page\n")
    keeper.chmod(0o755)
    monkeypatch.setenv("PAGER", str(keeper))
    return tmp_path / "page"


def test_a_page_on_a_terminal_goes_through_it_in_colours(dashcam: Command, record: Record, page: Path) -> None:
    record(an_entry())
    said = dashcam("show", is_terminal=True)
    assert (said.code, said.out) == (0, "")
    text = page.read_text()
    assert "\x1b[1mgpt-5" in text
    assert "tokens" in text


@pytest.mark.parametrize(
    ("arguments", "is_terminal", "term"),
    [(("show", "--no-pager"), True, "xterm"), (("show",), False, "xterm"), (("show",), True, "dumb"),
     (("logs",), True, "xterm")],
)  # fmt: skip
def test_where_it_helps_nobody_there_is_none(
    dashcam: Command, record: Record, page: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], is_terminal: bool, term: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("TERM", term)
    record(an_entry())
    assert "gpt-5" in dashcam(*arguments, is_terminal=is_terminal).out
    assert not page.exists()


@pytest.mark.parametrize("pager", ["/nowhere/pager", f"{sys.executable} -c 'raise SystemExit(3)'"])
def test_a_pager_that_fails_or_leaves_early_is_no_failure(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, pager: str
) -> None:
    monkeypatch.setenv("PAGER", pager)
    record(an_entry())
    said = dashcam("show", is_terminal=True)
    assert (said.code, said.err) == (0, "")
    assert ("gpt-5" in said.out) == ("nowhere" in pager)
