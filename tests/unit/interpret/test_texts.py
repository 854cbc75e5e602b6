"""Texts leave as every engine stores them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.interpret.texts import clean, plain, preview, storable

_ANY = st.text(st.characters(exclude_categories=()), max_size=300)


@given(_ANY, st.integers(1, 300))
def test_cleaned_text_can_be_written(value: str, limit: int) -> None:
    cleaned = clean(value, limit)
    assert cleaned is not None
    assert "\0" not in cleaned
    assert len(cleaned) <= limit
    cleaned.encode()


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), ("", None), ("a\n\n b\tc", "a b c"), (" \n ", None), ("x" * 999, "x" * 200)]
)
def test_a_preview_is_one_short_line(value: str | None, expected: str | None) -> None:
    assert preview(value) == expected


def test_halves_of_a_character_are_joined() -> None:
    assert clean("a\ud83d\ude00b", 9) == "a\U0001f600b"
    assert clean("\ude00\ud83d", 9) == "\ufffd\ufffd"


def test_plain_text_is_cut_at_a_character() -> None:
    said = plain("é" * 5000)
    assert said == "é" * 2048
    assert plain("") is None


def test_what_json_columns_do_not_take_is_spelt_out() -> None:
    assert storable({"a": 1}) == {"a": 1}
    assert storable({"a": "\ud83d"}) == {"text": '{"a": "\\ud83d"}'}
    assert storable({"a": 10**30}) == {"text": '{"a": 1000000000000000000000000000000}'}
    assert storable({"a": "\0"}) == {"text": '{"a":"\\u0000"}'}
