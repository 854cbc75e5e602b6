"""``dashcam redaction``: which patterns there are, and what they take out of a text."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tests.support.redacting import CANARIES
from tests.unit.cli.conftest import Command


def test_all_patterns_are_listed_with_those_that_are_on(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    said = dashcam("redaction", "list", is_terminal=True)
    assert [line.split()[0] for line in said.lines[1:]] == list(CANARIES)
    assert max(map(len, said.lines[1:])) <= 80
    assert "Turn some on" in said.err
    monkeypatch.setenv("DASHCAM_REDACTION__PATTERNS", "email,ticket")
    monkeypatch.setenv("DASHCAM_REDACTION__OWN__TICKET", "T-[0-9]+")
    rows = json.loads(dashcam("redaction", "list", "--json").out)
    assert [row["name"] for row in rows if row["is_on"]] == ["email", "ticket"]
    assert rows[-1]["is_own"]


def test_a_text_is_shown_as_it_would_be_on_record(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"to {CANARIES['email']}, T-12"
    said = dashcam("redaction", "test", text, "--pattern", "email", "--own", "ticket=T-[0-9]+")
    assert said.out == "to [redacted:email], [redacted:ticket]\n"
    assert f"email: {CANARIES['email']}\nticket: T-12\n2 taken out in " in said.err
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    told = json.loads(dashcam("redaction", "test", "-", "--pattern", "email", "--json").out)
    assert told["text"] == "to [redacted:email], T-12"
    assert told["taken"] == [{"pattern": "email", "text": CANARIES["email"]}]


def test_with_nothing_on_it_is_shown_what_could_be(dashcam: Command) -> None:
    said = dashcam("redaction", "test", CANARIES["email"])
    assert said.out == "[redacted:email]\n"
    assert "looked for api_key, email," in said.err
    assert "None of them is on: DASHCAM_REDACTION__PATTERNS=" in said.err
    assert "None of them" not in dashcam("redaction", "test", "hi", "--pattern", "email").err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--pattern", "nothing"), "there is no pattern 'nothing'"),
        (("--own", "nothing"), "is no NAME=RE"),
        (("--own", "x=("), "this is no pattern of RE2"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(dashcam: Command, arguments: tuple[str, ...], complaint: str) -> None:
    said = dashcam("redaction", "test", "x", *arguments)
    assert said.code == 2
    assert complaint in said.err


def test_a_bad_pattern_is_refused_with_its_place_before_anything_starts(
    dashcam: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_REDACTION__OWN__TICKET", "(")
    said = dashcam("config", "check")
    assert said.code == 4
    assert "environment: redaction: own.ticket: this is no pattern of RE2" in said.err
    monkeypatch.setenv("DASHCAM_REDACTION__OWN__TICKET", "T")
    monkeypatch.setenv("DASHCAM_REDACTION__PATTERNS", "emails")
    assert "redaction: patterns.0: there is no pattern 'emails'" in dashcam("config", "check").err
