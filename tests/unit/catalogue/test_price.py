"""A price's document: exact amounts, and the same rules as in the user's own file."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogue.parsing import parse
from proxy.catalogue.price import PriceDocument
from proxy.errors import InvalidError
from proxy.pricing import overrides


def price(**values: Any) -> PriceDocument:
    return parse(PriceDocument, {"model": "m", "rates": {"input_mtok": "1"}, **values})


@given(st.decimals(0, 999_999_999, places=12, allow_nan=False, allow_infinity=False))
def test_an_amount_stays_exact_in_every_spelling(amount: Decimal) -> None:
    for spelling in (str(amount), format(amount, "f"), f"{amount:E}"):
        assert Decimal(price(rates={"input_mtok": spelling}).rates["input_mtok"]) == amount


@given(st.floats(0, 1000))
def test_a_number_is_what_was_written(amount: float) -> None:
    if amount == 0 or amount >= 1e-14:
        assert float(price(rates={"input_mtok": amount}).rates["input_mtok"]) == amount


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"rates": {}}, "rates"),
        ({"rates": {"input_mtok": -1}}, "rates.input_mtok"),
        ({"rates": {"input_mtok": "NaN"}}, "rates.input_mtok"),
        ({"rates": {"input_mtok": "1e9"}}, "rates.input_mtok"),
        ({"rates": {"input_mtok": "1e-20"}}, "rates.input_mtok"),
        ({"rates": {"input_mtok": True}}, "rates.input_mtok"),
        ({"rates": {"input_mtok": "1_0"}}, "rates.input_mtok"),
        ({"rates": {"input_mtok": [1]}}, "rates.input_mtok"),
        ({"rates": {"tokens": 1}}, "rates.tokens"),
        ({"rates": {"input_mtok>": 1}}, "rates.input_mtok>"),
        ({"rates": {"input_mtok>5": 1}}, "rates"),
        ({"rates": {"output_mtok": 1}}, "rates"),
        ({"valid_from": "2026-11-01", "valid_until": "2026-11-01"}, "valid_until"),
        ({"valid_from": "yesterday"}, "valid_from"),
        ({"model": "a*b"}, "model"),
        ({"provider": "No One"}, "provider"),
    ],
)
def test_what_is_no_price_names_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        price(**values)
    assert caught.value.problems[0].field == field


def test_its_key_is_what_it_is_for() -> None:
    one = price(valid_from="2026-11-01")
    assert one.key == price(valid_from="2026-11-01", rates={"input_mtok": 9}, valid_until="2027-01-01", note="x").key
    others = [price(), price(valid_from="2026-11-01", tier="batch"), price(valid_from="2026-11-01", provider="acme")]
    assert len({one.key, *(item.key for item in others)}) == 4


def test_it_says_the_same_as_a_table_of_the_users_own_file() -> None:
    text = '[[price]]\nmodel = "M-*"\nprovider = "acme"\nfrom = 2026-11-01\nextends = true\noutput_mtok = 1.50\n'
    (rule,) = overrides.parse(text.encode(), "prices.toml").rules
    said = {"model": "M-*", "provider": "acme", "valid_from": "2026-11-01", "extends": True}
    assert price(**said, rates={"output_mtok": 1.5}).to_override(1).rank == rule.rank
    assert price(**said, rates={"output_mtok": "1.50"}).to_override(1) == replace(rule, source="", version="")
