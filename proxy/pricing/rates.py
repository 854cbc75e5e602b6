"""Unit prices from genai-prices, resolved once per call's kind of question and half hour, and pinned as a ``Price``.

A ``PriceList`` is one state of the price data: what came with the package or what was refreshed since, with the user's
own prices on top. An unknown service tier would silently get the standard price there, and so would a tier whose prices
begin later and a tier of another provider's model: all three have no price here. Long-context prices are a cliff, not a
bracket: they are kept as ``name>start``, and the cost picks one for all tokens. ``None``: nobody published a price.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple

from genai_prices import data_snapshot, types

from proxy.domain.cost import Price
from proxy.pricing import overrides
from proxy.pricing.regions import UPLIFT
from proxy.pricing.units import unit_of

SOURCE = "genai-prices"
BATCH = "batch"
REGIONAL = "regional"
_PROVIDER_IDS = {"xai": "x-ai"}
_STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand"})
_HALF_IN_BATCHES = frozenset({"openai", "azure", "anthropic", "google", "groq", "mistral"})
"""Kinds that publish half the standard price for batches: it counts where a model has no price of its own."""
_HALF = Decimal("0.5")
_TIER_NAMES = ("service_tier", "speed")
"""What the price data calls a tier; Anthropic's fast one is a speed."""
DECISIONS = "openai-decisions"
"""Decisions have prices of their own, for what is asked; what is decided costs nothing."""


class Wanted(NamedTuple):
    """Which price is looked for: ``at`` is an ISO instant, ``is_regional`` asks for the surcharge of a region."""

    kind: str
    model: str
    tier: str
    at: str
    provider: str = ""
    is_batch: bool = False
    is_regional: bool = False


class PriceList:
    """One state of the price data. ``find`` remembers what it found; a new state is a new list."""

    def __init__(
        self,
        providers: Sequence[types.Provider] | None = None,
        release: str | None = None,
        own: overrides.Overrides = overrides.NONE,
    ) -> None:
        self._providers = list(data_snapshot.get_snapshot().providers if providers is None else providers)
        self._by_id = {item.id: item for item in self._providers}
        self.version = release or source_version()
        self.own = own
        self.find = lru_cache(maxsize=8192)(self._find)
        self.find_own = lru_cache(maxsize=8192)(self._find_own)

    def __repr__(self) -> str:
        return f"<PriceList {SOURCE} {self.version} own={len(self.own.rules)}>"

    def _find(self, wanted: Wanted) -> Price | None:
        """Return the published price; the user's own where it is laid over it."""
        found = self._model(wanted)
        if found is None:
            return None
        model, is_own = found
        rates = _rates_of(model, wanted, is_own=is_own)
        if not rates:
            return None
        if wanted.kind == DECISIONS:
            rates.setdefault("output_mtok", "0")
        if wanted.is_regional:
            rates = {name: _scaled(rate, UPLIFT) if "mtok" in name else rate for name, rate in rates.items()}
        return pin(wanted, model.id, _tier_text(wanted), rates, (SOURCE, self.version))

    def _find_own(self, wanted: Wanted) -> Price | None:
        """Return the user's own price for a call; None when no rule is for it."""
        tier = BATCH if wanted.is_batch else (overrides.STANDARD if wanted.tier in _STANDARD_TIERS else wanted.tier)
        rule = self.own.find((wanted.provider, wanted.kind), wanted.model, tier, wanted.at[:10])
        if rule is None:
            return None
        if not rule.extends:
            # What a user says is the price is the whole of it, in a region too.
            wanted = wanted._replace(is_regional=False)
        below = self.find(wanted) if rule.extends else None
        rates = {**(below.rates if below else {}), **dict(rule.rates)}
        return pin(wanted, rule.model, _tier_text(wanted), rates, (rule.source, rule.version), rule.since)

    def is_whole(self, own: Price) -> bool:
        """Return False for a user's own price that only extends the published one."""
        return not any(rule.extends for rule in self.own.rules if rule.model == own.model)

    def _model(self, wanted: Wanted) -> tuple[types.ModelInfo, bool] | None:
        """Return the model, and whether it is the provider's own: Azure falls back to OpenAI's."""
        provider = self._by_id.get(_PROVIDER_IDS.get(wanted.kind, wanted.kind))
        found = provider.find_model(wanted.model.lower(), all_providers=self._providers) if provider else None
        if provider is None or found is None:
            return None
        return found, any(found is model for model in provider.models)

    def models(self) -> Iterable[tuple[str, types.ModelInfo]]:
        """Yield (provider kind, model) of everything that has a price."""
        kinds = {identity: kind for kind, identity in _PROVIDER_IDS.items()}
        for provider in self._providers:
            for model in provider.models:
                yield kinds.get(provider.id, provider.id), model


@lru_cache(maxsize=1)
def bundled() -> PriceList:
    """Return the prices that came with the package."""
    return PriceList()


@lru_cache(maxsize=1)
def source_version() -> str:
    """Return the release of the price data that came with the package."""
    return version("genai-prices")


def tiers_of(model: types.ModelInfo) -> list[str]:
    """Return the service tiers a model has prices for, the standard one first, ``batch`` last."""
    named = [
        tier for variant in model.price_variants or () for name, tier in variant.when.items() if name in _TIER_NAMES
    ]
    has_batch = any(variant.when == {"processing": "batch"} for variant in model.price_variants or ())
    return list(dict.fromkeys(["default", *named, *([BATCH] if has_batch else [])]))


def _tier_text(wanted: Wanted) -> str:
    tier = BATCH if wanted.is_batch else wanted.tier or "default"
    return f"{tier}/{REGIONAL}" if wanted.is_regional else tier


def _rates_of(model: types.ModelInfo, wanted: Wanted, *, is_own: bool) -> dict[str, str] | None:
    """Return the unit prices that hold for a call; None for a tier nobody published a price of."""
    at = datetime.fromisoformat(wanted.at).replace(tzinfo=UTC)
    # What holds for OpenAI's tiers on OpenAI says nothing of the same model elsewhere.
    variants = [item for item in (model.price_variants or ()) if is_own]
    active = [item for item in variants if item.constraint is None or item.constraint.active(at)]
    if wanted.is_batch:
        if any(item.when == {"processing": "batch"} for item in active):
            return _flatten(model.get_prices(at, {"processing": "batch"}))
        if wanted.kind not in _HALF_IN_BATCHES:
            return None
        rates = _flatten(model.get_prices(at))
        return {name: _scaled(rate, _HALF) if "mtok" in name else rate for name, rate in rates.items()}
    for name in _TIER_NAMES:
        if any(item.when == {name: wanted.tier} for item in active):
            return _flatten(model.get_prices(at, {name: wanted.tier}))
    return _flatten(model.get_prices(at)) if wanted.tier in _STANDARD_TIERS else None


_LONGEST_MODEL, _LONGEST_TIER = 200, 50


def _scaled(rate: str, factor: Decimal) -> str:
    return format((Decimal(rate) * factor).normalize(), "f")


def _flatten(prices: types.ModelPrice) -> dict[str, str]:
    rates: dict[str, str] = {}
    for name, value in sorted(prices._comparable_values().items()):
        if isinstance(value, types.TieredPrices):
            rates[name] = str(value.base)
            rates.update({f"{name}>{step.start}": str(step.price) for step in value.tiers})
        elif value is not None:
            rates[name] = str(value)
    return rates


def pin(
    wanted: Wanted, model: str, tier: str, rates: dict[str, str], origin: tuple[str, str], since: str = ""
) -> Price:
    """Return unit prices as a value whose id is the digest of what they say."""
    rates = {name: rate for name, rate in rates.items() if unit_of(name).name or Decimal(rate)}
    return Price(
        id=_digest(wanted.kind, model, tier, rates, *origin),
        provider=wanted.kind,
        model=model[:_LONGEST_MODEL],
        tier=tier[:_LONGEST_TIER],
        rates=rates,
        source=origin[0],
        source_version=origin[1],
        valid_from=since or None,
    )


def says_what_it_is(price: Price) -> bool:
    """Return True where a price's id is the digest of what it says; names that were cut off are not looked at."""
    if len(price.model) >= _LONGEST_MODEL or len(price.tier) >= _LONGEST_TIER:
        return True
    said = (price.provider, price.model, price.tier, dict(price.rates), price.source, price.source_version)
    return price.id == _digest(*said)


def _digest(*said: object) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
