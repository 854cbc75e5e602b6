"""Patterns that are chosen, and tried on a text."""

from __future__ import annotations

import pytest

from proxy.domain.redaction import OwnPattern, RedactionRules
from proxy.redaction.trial import chosen, known_patterns, tried
from tests.support.redacting import CANARIES

OWN = OwnPattern(name="ticket", pattern="T-[0-9]+")
RULES = RedactionRules(patterns=("email",), own=(OWN,), max_bytes=100)


def test_those_that_are_named_take_the_place_of_those_of_all_calls() -> None:
    assert chosen(RULES).names == ("email",)
    assert chosen(RULES, ["phone", "ticket"]).names == ("phone", "ticket")
    assert chosen(RULES, own=[OwnPattern(name="other", pattern="x")]).names == ("other",)
    assert known_patterns(RULES).keys() == {*CANARIES, "ticket"}


def test_what_cannot_be_chosen_is_told() -> None:
    with pytest.raises(ValueError, match="there is no pattern 'nothing'"):
        chosen(RULES, ["nothing"])
    with pytest.raises(ValueError, match="no pattern of RE2"):
        chosen(RULES, own=[OwnPattern(name="x", pattern="(")])


def test_a_text_is_shown_with_what_was_taken_out() -> None:
    found = tried(chosen(RULES), f"<{CANARIES['email']}>")
    assert (found.text, found.taken) == ("<[redacted:email]>", (("email", CANARIES["email"]),))
    assert tried(chosen(RULES), "x" * 101).text is None
    assert tried(chosen(RULES, max_bytes=200), "x" * 101).text == "x" * 101
