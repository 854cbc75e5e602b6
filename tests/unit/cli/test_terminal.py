"""How amounts, times and other people's words look."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.terminal import duration, harmless, local_time, money, tokens


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(None, "-"), (0, "$0"), (0.0000315, "$0.0000315"), (0.25, "$0.250"), (1.5, "$1.50"), (1234.567, "$1234.57"),
     (Decimal("0.000000000001"), "$0.000000000001")],
)  # fmt: skip
def test_money_is_exact_enough_and_unknown_is_never_nothing(amount: float | Decimal | None, shown: str) -> None:
    assert money(amount) == shown


@given(st.text(max_size=50))
def test_nothing_harmful_is_left(text: str) -> None:
    shown = harmless(text)
    assert len(shown) == len(text)
    assert all(letter.isprintable() or letter in "\t\n" or ord(letter) >= 0xA0 for letter in shown)
    assert harmless(shown) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"), [(None, "-"), (0.5, "0.5 ms"), (9.99, "10.0 ms"), (1234, "1,234 ms"), (65_000, "65.0 s")]
)
def test_durations(milliseconds: float | None, shown: str) -> None:
    assert duration(milliseconds) == shown


def test_estimated_counts_carry_a_mark_and_unknown_ones_are_no_zeros() -> None:
    row = {"input_tokens": 3, "output_tokens": None, "usage_source": "reported"}
    assert tokens(row) == "3+?"
    assert tokens({**row, "usage_source": "estimated_chars", "output_tokens": 1}) == "~3+1"
    assert tokens({**row, "input_tokens": None}) == "-"


def test_times_are_local_with_their_offset_or_utc() -> None:
    assert local_time("2026-11-24T10:00:00.123Z", is_utc=True) == "2026-11-24 10:00:00Z"
    assert local_time("2026-11-24T10:00:00.123Z", is_utc=False)[-5] in "+-"
    assert local_time(None, is_utc=True) == "-"
