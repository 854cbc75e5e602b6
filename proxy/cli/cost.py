"""What a call cost, line by line: counts times the rates that were pinned to it.

The lines are computed again from the row; where they do not add up to what is on record, only the rates are shown.
"""

from __future__ import annotations

from decimal import Decimal

from proxy.domain.cost import Price
from proxy.pricing.amount import multiply
from proxy.pricing.cost import is_sum
from proxy.pricing.units import UNITS, unit_of
from proxy.store.changes.usage import usage_of
from proxy.store.schema.decoding import Row


def lines_of(row: Row, price: Row | None) -> list[str]:
    """Return the lines below the amount: what, how many, at which rate, how much; then the source."""
    if price is None:
        return []
    pinned = Price(**price)
    cost = multiply(pinned, usage_of(row), is_sum=is_sum(row["operation"]))
    source = f"{pinned.model}, {pinned.tier} tier, prices of {pinned.source} {pinned.source_version}"
    if cost.pico_usd != row["cost_pico_usd"]:
        return [_rates(pinned), source]
    return [*_table([_cells(*line) for line in cost.lines]), source]


def _cells(name: str, count: int, rate: Decimal, amount: Decimal) -> tuple[str, ...]:
    unit = unit_of(name)
    return f"{count:,}", unit.words or name, f"at ${_plain(rate)}/{unit.each}", f"${_plain(amount)}"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows as aligned lines, the counts to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{count:>{widths[0]}} {name:<{widths[1]}}  {rate:<{widths[2]}}  {amount}" for count, name, rate, amount in rows
    ]


def _plain(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rates(price: Price) -> str:
    named = [f"{unit_of(key).words} ${rate}/{unit_of(key).each}" for key, rate in price.rates.items() if key in UNITS]
    return ", ".join(named)
