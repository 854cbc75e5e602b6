"""Pricing stored calls again with the prices of now, from the usage that was stored: rows in, changes out.

A charge that a provider reported stays. Where there is no price now, an amount that is there stays, too: something
known is never replaced by nothing. A row whose amounts would be the same is left alone, though the price data be newer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.domain.cost import Cost
from proxy.domain.outcome import CostStatus, Outcome
from proxy.domain.provider import KNOWN_KINDS, LOCAL_KINDS
from proxy.loader.amendments import BATCH
from proxy.pricing.cost import BROKEN, cost_of
from proxy.pricing.rates import PriceList
from proxy.settings.snapshot import load_or_none
from proxy.settings.values import Settings
from proxy.store.changes.amending import Change
from proxy.store.changes.usage import usage_of
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.columns import milliseconds_of
from proxy.store.schema.decoding import Row

COLUMNS = ("cost_pico_usd", "input_cost_pico_usd", "output_cost_pico_usd", "cost_status", "price_id")
_AMOUNTS = COLUMNS[:4]


@dataclass(frozen=True, slots=True)
class Looked:
    """A row that was looked at: what it says and would say; ``change`` is None where it stays as it is.

    ``is_kept`` says that it stays because there is no price for it now.
    """

    row: Row
    new_pico_usd: int | None
    change: Change | None = None
    is_kept: bool = False


class Recosting:
    """Goes through stored calls; ``kinds`` maps configured providers to what they are."""

    def __init__(self, price_list: PriceList, kinds: Mapping[str, str]) -> None:
        self._price_list = price_list
        self._kinds = kinds

    def batches(self, reader: Reader, filters: Filters) -> Iterator[list[Looked]]:
        """Yield the rows in the order of their ids, a batch at a time."""
        after = ""
        while rows := reader.slice_after(after, filters, BATCH):
            after = rows[-1]["id"]
            yield [self.look(row) for row in rows]

    def look(self, row: Row) -> Looked:
        """Return what becomes of one row."""
        old = row["cost_pico_usd"]
        if row["cost_status"] == CostStatus.REPORTED:
            return Looked(row, old)
        cost = self._price(row)
        if cost.pico_usd is None and old is not None:
            return Looked(row, old, is_kept=True)
        before = {name: row[name] for name in COLUMNS}
        after = columns_of(cost)
        if all(before[name] == after[name] for name in _AMOUNTS):
            return Looked(row, old)
        return Looked(row, cost.pico_usd, Change(id=row["id"], before=before, after=after, price=cost.price))

    def _price(self, row: Row) -> Cost:
        provider, outcome = row["provider"] or "", Outcome(row["outcome"])
        kind = kind_of(provider, self._kinds)
        return cost_of(
            kind=kind,
            provider=provider,
            operation=row["operation"],
            model=row["model"],
            tier=row["service_tier"],
            usage=usage_of(row),
            outcome=outcome,
            at_ms=milliseconds_of(row["started_at"]),
            # Of an answer that broke off an exact amount says that its counts were the final ones.
            is_whole=outcome not in BROKEN or row["cost_status"] == CostStatus.COMPUTED,
            is_remote=kind in LOCAL_KINDS and row["cost_status"] == CostStatus.UNPRICED,
            upstream=row["upstream"] or "",
            price_list=self._price_list,
        )


def columns_of(cost: Cost) -> dict[str, Any]:
    """Return a cost as the row's columns."""
    return {
        "cost_pico_usd": cost.pico_usd,
        "input_cost_pico_usd": cost.input_pico_usd,
        "output_cost_pico_usd": cost.output_pico_usd,
        "cost_status": cost.status.value,
        "price_id": cost.price.id if cost.price else None,
    }


def kinds_of(settings: Settings) -> dict[str, str]:
    """Return the kinds of the providers by their names: those that were served last, then those of these settings.

    A server may have been started with flags that the command was not given.
    """
    served = load_or_none(settings.snapshot_path)
    known = (*settings.providers, *(served.providers if served else ()))
    return {provider.name: provider.kind for provider in known}


def kind_of(provider: str, kinds: Mapping[str, str]) -> str:
    """Return a provider's kind: as configured, else the kind of that name, else one that nothing is known of."""
    return kinds.get(provider) or (provider if provider in KNOWN_KINDS else "custom")
