"""Patterns of a user's own: the engine is linear, and what is wrong with one is told."""

from __future__ import annotations

import pytest

from proxy.domain.redaction import OwnPattern
from proxy.redaction.own import MAX_OWN, check_own, compiled, reasons_against

TICKET = OwnPattern(name="ticket", pattern=r"TICKET-\d{4,}")


def test_it_finds_what_it_says() -> None:
    text = "see TICKET-1234 ünd TICKET-12".encode()
    assert [text[start:end] for start, end in compiled(TICKET).find(text)] == [b"TICKET-1234"]


@pytest.mark.parametrize(
    ("name", "pattern", "complaint"),
    [
        ("x", "(", "no pattern of RE2"),
        ("x", r"(?<=a)b", "no pattern of RE2"),
        ("x", r"(a)\1", "no pattern of RE2"),
        ("x", "a*", "matches nothing at all"),
        ("x", "a" * 1001, "at most 1000"),
        ("email", "x", "built-in"),
        ("unreadable", "x", "built-in"),
        ("Upper", "x", "lower case"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(name: str, pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        compiled(OwnPattern(name=name, pattern=pattern))


def test_the_first_mistake_is_told_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"^own\.bad: this is no pattern"):
        check_own([TICKET, OwnPattern(name="bad", pattern="[")])
    with pytest.raises(ValueError, match="at most"):
        check_own([TICKET] * (MAX_OWN + 1))


def test_a_name_that_no_pattern_has_is_refused_with_those_there_are() -> None:
    assert list(reasons_against(["email", "ticket"], ["ticket"])) == []
    ((position, reason),) = reasons_against(["email", "emails"], ["ticket"])
    assert position == 1
    assert reason.startswith("there is no pattern 'emails'; there are: api_key, email")
    assert reason.endswith("ticket")


def test_a_pattern_that_would_hang_a_backtracking_engine_does_not() -> None:
    """The engine guarantees time linear in the text; Python's own would take longer than the universe lasts."""
    assert list(compiled(OwnPattern(name="evil", pattern=r"(a+)+b")).find(b"a" * 100_000)) == []
