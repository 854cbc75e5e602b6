"""A part of a line around what was found in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.query.excerpts import excerpt
from proxy.query.words import Phrase, folded, phrase_of, places


def phrase(text: str) -> Phrase:
    found = phrase_of(text)
    assert found is not None
    return found


@given(st.text(max_size=300), st.sampled_from(["a", "0", "Ä", "退", "ab"]), st.integers(20, 100))
def test_an_excerpt_fits_and_shows_the_match(text: str, word: str, width: int) -> None:
    wanted = [phrase(word)]
    shown = excerpt(text, wanted, width)
    assert len(shown.text) <= width
    if len(text) <= width:
        assert shown.text == text
    elif not places(text, wanted):
        assert (shown.text, shown.marks) == (f"{text[: width - 1]}…", ())
    else:
        assert shown.marks
    for start, end in shown.marks:
        assert 0 <= start < end <= len(shown.text)


def test_what_lies_far_behind_is_shown_and_marked() -> None:
    line = "a" * 500 + " Ein Zähler, " + "b" * 500
    shown = excerpt(line, [phrase("zahler")], 40)
    assert shown.text.startswith("…")
    assert [shown.text[start:end] for start, end in shown.marks] == ["Zähler"]


def test_marks_are_apart_and_in_order() -> None:
    line = "A refund, a late refund: refunds."
    shown = excerpt(line, [phrase("late refund"), phrase("refund")], 80)
    assert [shown.text[start:end] for start, end in shown.marks] == ["refund", "late refund"]
    assert folded(shown.text) == line.lower()
