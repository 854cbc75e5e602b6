"""``dashcam prices``: what counts now, getting new ones, and which calls have none."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import orjson

from proxy.cli.instants import check_span, instant_of
from proxy.cli.rows import number, print_rows, shown
from proxy.cli.served_prices import served_price_list
from proxy.cli.terminal import json_text, local_time, on_one_line
from proxy.domain.cost import Price
from proxy.errors import NotFoundError
from proxy.pricing import release
from proxy.pricing.rates import SOURCE, PriceList, Wanted, tiers_of
from proxy.pricing.units import unit_of
from proxy.settings.values import Settings
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader

_LISTED = ("input_mtok", "cache_read_mtok", "output_mtok")


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")


def list_prices(settings: Settings, *, model: str | None, provider: str | None, as_json: bool) -> None:
    """List the standard prices of now, the user's own first."""
    price_list = served_price_list(settings)
    rows = [*_own_rows(price_list), *_published_rows(price_list)]
    found = [row for row in rows if _is_wanted(row, model, provider)]
    if not found:
        raise NotFoundError("no price matches", hint="dashcam prices list --model 'gpt-*'")
    columns = {
        "provider": shown, "model": shown, "tier": shown, "input_mtok": shown, "cache_read_mtok": shown,
        "output_mtok": shown, "other": shown, "source": shown,
    }  # fmt: skip
    print_rows(found, columns, as_json=as_json, shed=("source", "other", "tier"))
    if not as_json:
        source = _described(settings, price_list)
        print(f"USD per million tokens; {source}. All units of one: dashcam prices show MODEL", file=sys.stderr)


def _is_wanted(row: dict[str, Any], model: str | None, provider: str | None) -> bool:
    is_model = model is None or fnmatchcase(str(row["model"]).lower(), model.lower())
    return is_model and (provider is None or row["provider"] == provider)


def _own_rows(price_list: PriceList) -> list[dict[str, Any]]:
    return [
        _row(rule.provider or "any", rule.model, rule.tier, dict(rule.rates), rule.source)
        for rule in price_list.own.rules
    ]


def _published_rows(price_list: PriceList) -> list[dict[str, Any]]:
    at, rows = _now(), []
    for kind, model in price_list.models():
        price = price_list.find(Wanted(kind, model.id, "", at))
        if price is not None:
            rows.append(_row(kind, model.id, price.tier, dict(price.rates), f"{SOURCE} {price_list.version}"))
    return rows


def _row(provider: str, model: str, tier: str, rates: dict[str, str], source: str) -> dict[str, Any]:
    others = sorted({name.partition(">")[0] for name in rates} - set(_LISTED))
    shown_rates = {name: rates.get(name) for name in _LISTED}
    return {
        "provider": provider,
        "model": model,
        "tier": tier,
        **shown_rates,
        "other": " ".join(others),
        "source": source,
    }


def _described(settings: Settings, price_list: PriceList) -> str:
    found = release.active(settings.prices_dir)
    if found is None:
        return f"{SOURCE} {price_list.version}, as it came with Dashcam"
    return f"{SOURCE} {found.version}, refreshed {found.refreshed_at} from {on_one_line(found.origin)}"


def show_price(settings: Settings, model: str, *, provider: str | None, as_json: bool) -> None:
    """Show all unit prices of a model, tier by tier, as a call of now would be priced."""
    price_list = served_price_list(settings)
    kinds = [provider] if provider else _asked_at(settings, price_list)
    found = [price for kind in kinds for price in _prices_of(price_list, kind, model)]
    if not found:
        others = sorted({kind for kind, item in price_list.models() if item.is_match(model)})
        hint = (
            f"it has one at {', '.join(others)}: dashcam prices show {model} --provider {others[0]}" if others else None
        )
        raise NotFoundError(f"{model!r} has no price at {', '.join(kinds)}", hint=hint or "dashcam prices list")
    if as_json:
        print(json_text([_document(price) for price in found], orjson.OPT_INDENT_2))
        return
    for price in found:
        print(f"{price.provider} {price.model}, {price.tier} tier: {price.source} {price.source_version}")
        for name, rate in _once(price.rates).items():
            _, mark, step = name.partition(">")
            beyond = f", beyond {int(step):,} input tokens" if mark else ""
            unit = unit_of(name)
            print(f"  {(unit.words or name) + beyond:<45}  ${rate}/{unit.each}")


def _asked_at(settings: Settings, price_list: PriceList) -> list[str]:
    """Return whose prices are looked at where nobody says a provider: the settings', and those of one's own prices."""
    own = (rule.provider for rule in price_list.own.rules if rule.provider)
    return list(dict.fromkeys([*(item.kind for item in settings.providers), *own]))


def _prices_of(price_list: PriceList, kind: str, model: str) -> list[Price]:
    at = _now()
    listed = next((item for found, item in price_list.models() if found == kind and item.is_match(model)), None)
    tiers = tiers_of(listed) if listed is not None else ["default"]
    found = []
    for tier in tiers:
        wanted = Wanted(kind, model, "" if tier in ("default", "batch") else tier, at, kind, tier == "batch")
        price = price_list.find_own(wanted) or price_list.find(wanted._replace(provider=""))
        if price is not None:
            found.append(price)
    return found


def _once(rates: Mapping[str, str]) -> Mapping[str, str]:
    """Leave out the second name that the price data has for the length of audio."""
    return {name: rate for name, rate in rates.items() if name != "audio_hours" or "input_audio_hours" not in rates}


def _document(price: Price) -> dict[str, Any]:
    return {
        "provider": price.provider, "model": price.model, "tier": price.tier, "rates": dict(price.rates),
        "source": price.source, "source_version": price.source_version, "id": price.id,
    }  # fmt: skip


def unpriced(settings: Settings, *, since: str | None, until: str | None, is_utc: bool, as_json: bool) -> None:
    """List the calls whose price nobody knew, by provider and model."""
    reader = Reader(settings.database)
    try:
        since_ms, until_ms = instant_of(since, "--since", reader), instant_of(until, "--until", reader)
        check_span(since_ms, until_ms)
        filters = Filters(since=since_ms, until=until_ms)
        rows = reader.unpriced(filters)
    finally:
        reader.close()
    columns = {
        "provider": shown, "model": shown, "service_tier": shown, "calls": number, "uncounted": number,
        "input_tokens": number, "output_tokens": number, "last_seen": lambda text: local_time(text, is_utc=is_utc),
    }  # fmt: skip
    if rows or as_json:
        print_rows(rows, columns, as_json=as_json, shed=("input_tokens", "last_seen", "uncounted"))
    if not as_json:
        print(_next(rows), file=sys.stderr)


def _next(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Every call has a price."
    uncounted = sum(row["uncounted"] for row in rows)
    said = _UNCOUNTED.format(uncounted) if uncounted else ""
    lacking = next((row for row in rows if row["calls"] > row["uncounted"]), None)
    if lacking is None:
        return said
    model = lacking["model"] or "MODEL"
    return (
        "Get newer prices with: dashcam prices refresh, or say your own in the file of the setting prices.file; "
        f"then: dashcam recost --model '{on_one_line(model)}' --yes" + (f"\n{said}" if said else "")
    )


_UNCOUNTED = (
    "{:,} calls reported nothing that a price could be for. What a background answer, a batch or a run costs is with "
    "the call that first read it complete."
)
