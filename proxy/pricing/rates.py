"""Unit prices from genai-prices, resolved once per provider kind, model, tier and half hour, and pinned as a ``Price``.

An unknown service tier would silently get the standard price there, so tiers are compared against the known ones
first. Long-context prices are a cliff, not a bracket: they are kept as ``name>start``, and the cost picks one for all
tokens. ``None`` means that nobody published a price.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version

from genai_prices import data_snapshot, types

from proxy.domain.cost import Price

SOURCE = "genai-prices"
_PROVIDER_IDS = {"xai": "x-ai"}
_STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand"})


@lru_cache(maxsize=1)
def source_version() -> str:
    """Return the release of the price data."""
    return version("genai-prices")


@lru_cache(maxsize=8192)
def find_price(kind: str, model: str, tier: str, at: str) -> Price | None:
    """Return the price at an instant (ISO, UTC), or None when the model or the tier has none."""
    provider = next((item for item in _providers() if item.id == _PROVIDER_IDS.get(kind, kind)), None)
    found = provider.find_model(model.lower(), all_providers=_providers()) if provider else None
    if found is None:
        return None
    known = {variant.when.get("service_tier") for variant in found.price_variants or ()}
    if tier not in known and tier not in _STANDARD_TIERS:
        return None
    context = {"service_tier": tier} if tier in known else None
    rates = _flatten(found.get_prices(datetime.fromisoformat(at).replace(tzinfo=UTC), context))
    return _pin(kind, found.id, tier or "default", rates) if "input_mtok" in rates else None


def _providers() -> list[types.Provider]:
    return data_snapshot.get_snapshot().providers


def _flatten(prices: types.ModelPrice) -> dict[str, str]:
    rates: dict[str, str] = {}
    for name, value in sorted(prices._comparable_values().items()):
        if isinstance(value, types.TieredPrices):
            rates[name] = str(value.base)
            rates.update({f"{name}>{step.start}": str(step.price) for step in value.tiers})
        elif value is not None:
            rates[name] = str(value)
    return rates


def _pin(kind: str, model: str, tier: str, rates: dict[str, str]) -> Price:
    content = json.dumps([kind, model, tier, rates, SOURCE, source_version()], sort_keys=True)
    identity = hashlib.sha256(content.encode()).hexdigest()[:16]
    return Price(
        id=identity,
        provider=kind,
        model=model,
        tier=tier,
        rates=rates,
        source=SOURCE,
        source_version=source_version(),
    )
