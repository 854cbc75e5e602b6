"""New prices among old ones: no day has two, none is lost that still holds, and twice is once."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.checking import checked
from proxy.catalogue.price import PriceDocument
from proxy.catalogue.succession import succeeded
from proxy.catalogue.surroundings import Surroundings

DAYS = [date(2026, 11, day) for day in range(1, 6)]
PRICES = st.builds(
    PriceDocument,
    model=st.sampled_from(["m", "n"]),
    valid_from=st.none() | st.sampled_from(DAYS),
    rates=st.fixed_dictionaries({"input_mtok": st.sampled_from(["1", "2", "3"])}),
)


def price(since: int | None, rate: str, until: int | None = None) -> PriceDocument:
    days = [date(2026, 11, day) if day else None for day in (since, until)]
    return PriceDocument(model="m", valid_from=days[0], valid_until=days[1], rates={"input_mtok": rate})


def held(catalogue: Catalogue, model: str, day: date) -> list[str]:
    return [
        item.rates["input_mtok"]
        for item in catalogue.prices.values()
        if item.model == model
        and (item.valid_from or date.min) <= day
        and (item.valid_until is None or day < item.valid_until)
    ]


@settings(max_examples=150)
@given(st.lists(PRICES, max_size=6))
def test_on_each_day_the_price_holds_that_began_last_and_none_beside_it(given_prices: list[PriceDocument]) -> None:
    catalogue = Catalogue()
    for item in given_prices:
        catalogue = succeeded(catalogue, [item])
        assert held(catalogue, item.model, item.valid_from or date.min) == [item.rates["input_mtok"]]
        assert succeeded(catalogue, [item]) == catalogue
    assert checked(catalogue, Surroundings()) == []
    assert all(len(held(catalogue, model, day)) <= 1 for model in "mn" for day in DAYS)


def test_what_held_before_ends_where_the_new_one_begins() -> None:
    catalogue = succeeded(Catalogue().put(price(None, "1"), price(4, "4")), [price(2, "2")])
    assert sorted(catalogue.prices.values(), key=lambda item: item.valid_from or date.min) == [
        price(None, "1", 2), price(2, "2", 4), price(4, "4")]  # fmt: skip


def test_a_price_that_says_what_holds_changes_nothing() -> None:
    before = Catalogue().put(price(1, "1"))
    assert succeeded(before, [price(3, "1")]) == before
