"""Calls as providers answer them, priced by hand (tests/data/prices): from the wire's bytes to the row's columns."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.domain.cost import to_pico
from tests.support.priced_cases import Case, cases, priced, worked_out

CASES = cases()


def test_there_are_enough_of_them_and_each_has_a_name() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_arithmetic_adds_up(case: Case) -> None:
    if case["arithmetic"]:
        assert round(worked_out(case)) == case["pico_usd"]
    else:
        assert case["status"] in ("unpriced", "local", "free", "reported")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_row_says_what_was_worked_out(case: Case) -> None:
    entry, cost = priced(case)
    row = entry.interaction
    assert (row.cost_pico_usd, row.cost_status) == (case["pico_usd"], case["status"])
    assert row.price_id == (entry.price.id if entry.price else None)
    assert (cost.price is not None) == bool(case["arithmetic"])
    if cost.lines:
        assert to_pico(sum((amount for *_, amount in cost.lines), Decimal(0))) == case["pico_usd"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_no_amount_is_a_float(case: Case) -> None:
    _, cost = priced(case)
    assert all(type(value) in (int, type(None)) for value in (cost.pico_usd, cost.input_pico_usd, cost.output_pico_usd))
    assert all(
        (type(number), type(rate), type(amount)) == (int, Decimal, Decimal) for _, number, rate, amount in cost.lines
    )
