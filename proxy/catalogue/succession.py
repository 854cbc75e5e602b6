"""New prices among those that are there: what held before ends where they begin, and they end where a later one begins.

A price that says what already holds on its first day changes nothing, so that importing a file twice is importing it
once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.price import PriceDocument


def succeeded(catalogue: Catalogue, prices: Iterable[PriceDocument]) -> Catalogue:
    """Return the catalogue with these prices in their places of time."""
    made = dict(catalogue.prices)
    groups: dict[tuple[str, str, str], list[PriceDocument]] = {}
    for price in made.values():
        groups.setdefault(_matter(price), []).append(price)
    for price in prices:
        group = groups.setdefault(_matter(price), [])
        changed = _placed(price, group)
        made.update({item.key: item for item in changed})
        kept = {item.key: item for item in group} | {item.key: item for item in changed}
        groups[_matter(price)] = list(kept.values())
    return catalogue.put(*(item for key, item in made.items() if catalogue.prices.get(key) != item))


def _matter(price: PriceDocument) -> tuple[str, str, str]:
    return price.provider, price.model, price.tier


def _start(price: PriceDocument) -> date:
    return price.valid_from or date.min


def _placed(price: PriceDocument, group: list[PriceDocument]) -> list[PriceDocument]:
    """Return what is new or changed when a price takes its place among those of the same matter."""
    others = [item for item in group if item.key != price.key]
    earlier = [item for item in group if _start(item) <= _start(price)]
    holding = max(earlier, key=_start, default=None)
    if holding is not None and not _has_ended(holding, price) and _says_the_same(holding, price):
        return []
    changed = [
        _with(item, valid_until=price.valid_from)
        for item in others
        if _start(item) < _start(price) and not _has_ended(item, price)
    ]
    later = min((_start(item) for item in others if _start(item) > _start(price)), default=None)
    if later is not None and (price.valid_until is None or price.valid_until > later):
        price = _with(price, valid_until=later)
    return [*changed, price]


def _has_ended(item: PriceDocument, price: PriceDocument) -> bool:
    return item.valid_until is not None and item.valid_until <= _start(price)


def _says_the_same(item: PriceDocument, price: PriceDocument) -> bool:
    return (item.rates, item.extends, price.valid_until) == (price.rates, price.extends, None)


def _with(price: PriceDocument, **values: Any) -> PriceDocument:
    return price.model_copy(update=values)
