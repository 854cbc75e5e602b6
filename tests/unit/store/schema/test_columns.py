"""Instants as text: a day and an hour are how the instant begins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.store.schema.columns import day_text, hour_text, instant_text


@given(st.integers(0, 4_102_444_800_000))
def test_an_instant_begins_with_its_day_and_its_hour(milliseconds: int) -> None:
    text = instant_text(milliseconds)
    assert day_text(milliseconds) == text[:10]
    assert hour_text(milliseconds) == text[:13]
