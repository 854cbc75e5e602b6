"""Money is exact: decimals in, integers stored, the same decimals out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.cost import MAX_PICO, from_pico, to_pico


@given(st.integers(0, MAX_PICO))
def test_pico_dollars_survive_the_way_to_decimals_and_back(pico: int) -> None:
    assert to_pico(from_pico(pico)) == pico


def test_the_smallest_real_charge_is_exact() -> None:
    assert to_pico(Decimal("0.0000002")) == 200_000
    assert from_pico(9_060_000_000) == Decimal("0.00906")


def test_half_a_pico_dollar_rounds_to_even() -> None:
    assert to_pico(Decimal("0.0000000000005")) == 0
    assert to_pico(Decimal("0.0000000000015")) == 2


@pytest.mark.parametrize("amount", ["-0.01", "10000000"])
def test_what_does_not_fit_is_refused_and_never_wrapped(amount: str) -> None:
    with pytest.raises(OverflowError):
        to_pico(Decimal(amount))
