"""Prices from the files that others keep: genai-prices' data and LiteLLM's map of models, into documents.

Amounts are read as decimals and never become floats. What a file has that we count nothing of is said in the price's
note; what cannot be a price at all is told by its name, and the rest is taken. A file is only read here: which of its
prices count, and from which day on, is for whoever imports it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from proxy.catalogue.parsing import parse
from proxy.catalogue.plain import below
from proxy.catalogue.price import PriceDocument
from proxy.errors import InvalidError, PriceDataError, Problem
from proxy.pricing import release
from proxy.pricing.overrides import STANDARD
from proxy.pricing.rates import BATCH, PriceList, Wanted, tiers_of
from proxy.pricing.units import UNITS

MAX_BYTES = 16 * 1024 * 1024
GENAI_PRICES, LITELLM = "genai-prices", "litellm"

_KINDS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "deepseek": "deepseek",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "text-completion-openai": "openai",
    "xai": "xai",
}
"""LiteLLM's word for a provider → our kind; what it knows beside these has no kind here."""

_NO_KIND = f"litellm_provider is none of those whose prices are known here: {', '.join(sorted(set(_KINDS.values())))}"
_MILLION, _THOUSAND, _HOUR = Decimal(1_000_000), Decimal(1000), Decimal(3600)
_UNITS = {
    "input_cost_per_token": ("input_mtok", _MILLION),
    "output_cost_per_token": ("output_mtok", _MILLION),
    "cache_read_input_token_cost": ("cache_read_mtok", _MILLION),
    "cache_creation_input_token_cost": ("cache_write_mtok", _MILLION),
    "cache_creation_input_token_cost_above_1hr": ("cache_write_1h_mtok", _MILLION),
    "cache_read_input_audio_token_cost": ("cache_audio_read_mtok", _MILLION),
    "input_cost_per_audio_token": ("input_audio_mtok", _MILLION),
    "output_cost_per_audio_token": ("output_audio_mtok", _MILLION),
    "input_cost_per_image_token": ("input_image_mtok", _MILLION),
    "output_cost_per_image_token": ("output_image_mtok", _MILLION),
    "output_cost_per_reasoning_token": ("output_reasoning_mtok", _MILLION),
    "input_cost_per_character": ("input_mchars", _MILLION),
    "input_cost_per_second": ("audio_hours", _HOUR),
    "output_cost_per_image": ("images_kcount", _THOUSAND),
}
_ENDING = re.compile(r"(?P<name>.+?)(?:_above_(?P<step>\d+)k_tokens)?(?:_(?P<tier>batches|priority|flex))?")
_TIERS = {None: STANDARD, "batches": BATCH, "priority": "priority", "flex": "flex"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFile:
    """What a file has: ``origin`` whose it is, ``prices`` in its order, ``skipped`` what is no price, and why."""

    origin: str
    prices: tuple[PriceDocument, ...]
    skipped: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Gathering:
    origin: str
    since: date | None
    prices: dict[str, PriceDocument] = field(default_factory=dict)
    skipped: list[Problem] = field(default_factory=list)

    def add(self, place: str, values: Mapping[str, Any]) -> None:
        made = {**values, "source": self.origin, "valid_from": self.since.isoformat() if self.since else None}
        try:
            price = parse(PriceDocument, made, place)
        except InvalidError as error:
            self.skipped += error.problems[:1]
            return
        self.prices.setdefault(price.key, price)


def read_price_file(data: bytes, now: datetime, since: date | None = None, only: Iterable[str] = ()) -> PriceFile:
    """Return the prices of a file as they hold ``now``; ``InvalidError`` says why it is none.

    ``since`` is the day that they are to count from, ``only`` are kinds of providers (none said: all of them).
    """
    if len(data) > MAX_BYTES:
        raise InvalidError([Problem("", f"the price file is larger than {MAX_BYTES // 1024 // 1024} MB")])
    try:
        raw = json.loads(data, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise InvalidError([Problem("", f"the price file is no JSON: {str(error)[:200]}")]) from None
    kinds = frozenset(only)
    found = _Gathering(GENAI_PRICES if isinstance(raw, list) else LITELLM, since)
    if isinstance(raw, list):
        _read_genai_prices(data, now, found, kinds)
    elif isinstance(raw, dict):
        for name, values in raw.items():
            _read_litellm(name, values, found, kinds)
    if not found.prices:
        hint = "give the file data.json of genai-prices, or LiteLLM's model_prices_and_context_window.json"
        raise InvalidError([Problem("", "the file has no price that can be taken"), *found.skipped[:20]], hint=hint)
    return PriceFile(origin=found.origin, prices=tuple(found.prices.values()), skipped=tuple(found.skipped))


# -- genai-prices -------------------------------------------------------------------------------------------


def _read_genai_prices(data: bytes, now: datetime, found: _Gathering, kinds: frozenset[str]) -> None:
    try:
        prices = PriceList(release.read(data), release="imported")
    except PriceDataError as error:
        raise InvalidError([Problem("", error.message)], hint=error.hint) from None
    at = now.replace(tzinfo=None).isoformat(timespec="seconds")
    for kind, model in prices.models():
        if kinds and kind not in kinds:
            continue
        for tier in tiers_of(model):
            wanted = Wanted(kind, model.id, "" if tier == BATCH else tier, at, is_batch=tier == BATCH)
            price = prices.find(wanted)
            if price is None:
                continue
            counted = {name: rate for name, rate in price.rates.items() if name.partition(">")[0] in UNITS}
            note = _note(name for name in price.rates if name not in counted)
            values = {"provider": kind, "model": model.id, "tier": tier, "rates": counted, "note": note}
            found.add(below(kind, model.id), values)


# -- LiteLLM ------------------------------------------------------------------------------------------------


def _read_litellm(name: str, values: object, found: _Gathering, kinds: frozenset[str]) -> None:
    if not isinstance(values, dict) or name == "sample_spec":
        return
    said = values.get("litellm_provider")
    kind = _KINDS.get(said) if isinstance(said, str) else None
    if kind is None:
        if not kinds:
            found.skipped.append(Problem(below("", name), _NO_KIND))
        return
    if kinds and kind not in kinds:
        return
    tiers, unknown = _rates(values)
    if not tiers:
        found.skipped.append(Problem(below("", name), "says no price that is counted here"))
    for tier, rates in tiers.items():
        said_model = name.removeprefix(f"{said}/")
        price = {"provider": kind, "model": said_model, "tier": tier, "rates": rates, "note": _note(unknown)}
        found.add(below("", name), price)


def _rates(values: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the rates of a model by tier, and the fields of costs that are not counted here."""
    tiers: dict[str, dict[str, Any]] = {}
    unknown: list[str] = []
    for name, amount in values.items():
        if "cost" not in name or amount is None:
            continue
        unit = _unit(name, values.get("mode"))
        if unit is None:
            unknown.append(name)
        else:
            tier, rate, factor = unit
            tiers.setdefault(tier, {})[rate] = _scaled(amount, factor)
    return tiers, unknown


def _unit(name: str, mode: object) -> tuple[str, str, Decimal] | None:
    """Return (tier, our rate's name, what to multiply with) of a field of LiteLLM's, None where we count no such."""
    if name in _UNITS:
        unit, factor = _UNITS[name]
        # Seconds of a video are no hours of audio.
        is_meant = unit != "audio_hours" or mode == "audio_transcription"
        return (STANDARD, unit, factor) if is_meant else None
    parts = _ENDING.fullmatch(name)
    if parts is None or parts["name"] not in _UNITS:
        return None
    unit, factor = _UNITS[parts["name"]]
    step = f">{int(parts['step']) * 1000}" if parts["step"] else ""
    return _TIERS[parts["tier"]], unit + step, factor


def _scaled(amount: object, factor: Decimal) -> object:
    """Return an amount for our unit; what is no number stays, to be told with its field."""
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        return amount if isinstance(amount, str) else str(type(amount).__name__)
    try:
        return format((Decimal(amount) * factor).normalize(), "f")
    except InvalidOperation:
        return str(amount)[:40]


def _note(names: Iterable[str]) -> str:
    told: Iterator[str] = iter(sorted(names))
    text = ", ".join(told)
    return f"not counted here: {text}"[:1000] if text else ""
