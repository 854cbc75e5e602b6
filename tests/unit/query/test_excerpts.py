"""A part of a line around what was found in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.query.excerpts import any_of, excerpt


@given(st.text(max_size=300), st.text(min_size=1, max_size=5), st.integers(20, 100))
def test_an_excerpt_fits_and_shows_the_match(text: str, word: str, width: int) -> None:
    pattern = any_of([word])
    shown = excerpt(text, pattern, width)
    assert len(shown) <= width
    if len(text) <= width:
        assert shown == text
    elif not pattern.search(text):
        assert shown == f"{text[: width - 1]}…"


def test_what_lies_far_behind_is_shown() -> None:
    line = "a" * 500 + " Refund " + "b" * 500
    assert "Refund" in excerpt(line, any_of(["", "refund", "ref"]), 40)
    assert excerpt(line, any_of(["refund"]), 40).startswith("…")
