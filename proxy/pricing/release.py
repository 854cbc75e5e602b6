"""Refreshed price data in the data folder: checked, kept under its SHA-256, made active in one step.

The store has what counts, as a revision that all hosts share; here lies this host's copy, so that pricing waits for
nobody. ``prices/<sha256>.json`` is the data as it came, ``prices/active.json`` says which one counts, since when, from
where, and ``prices/applied`` the revision's number. A file that was active once stays, so that a pinned price can be
traced to its source. Nothing here asks the network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import orjson
import pydantic
from genai_prices import types

from proxy.errors import PriceDataError
from proxy.settings.private_file import replace_file

MAX_BYTES = 64 * 1024 * 1024
ACTIVE = "active.json"
_APPLIED = "applied"
_NEEDED = "openai"
_HINT = "take the file data.json of genai-prices (folder prices/new_data/v2)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Price data that was refreshed: its digest, a version for people, when (ISO, UTC) and from where it came."""

    sha256: str
    version: str
    refreshed_at: str
    origin: str
    providers: int
    models: int


def read(data: bytes) -> list[types.Provider]:
    """Return the providers of genai-prices' JSON data; ``PriceDataError`` says why it is none."""
    if len(data) > MAX_BYTES:
        raise PriceDataError(f"the price data is larger than {MAX_BYTES // 1024 // 1024} MB", hint=_HINT)
    try:
        # Amounts never become floats: 0.1 is a tenth.
        raw = json.loads(data, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise PriceDataError(f"the price data is no JSON: {error}", hint=_HINT) from error
    if not isinstance(raw, list) or not raw:
        raise PriceDataError("the price data is no list of providers", hint=_HINT)
    try:
        # What the package's own updater reads such a file with; it has no public name.
        providers = types._providers_from_raw(raw)
    except (pydantic.ValidationError, ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise PriceDataError(
            f"the price data does not have the shape of genai-prices: {_first(error)}", hint=_HINT
        ) from error
    _check(providers)
    return providers


def _first(error: Exception) -> str:
    if isinstance(error, pydantic.ValidationError):
        found = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"[:300]
    return f"{type(error).__name__}: {error}"[:300]


def _check(providers: list[types.Provider]) -> None:
    """Refuse amounts that cannot be, doubled names, and data without the provider that everybody uses."""
    names = [provider.id for provider in providers]
    if _NEEDED not in names:
        raise PriceDataError(f"the price data does not know the provider {_NEEDED}", hint=_HINT)
    if len(set(names)) != len(names):
        raise PriceDataError("the price data names a provider twice", hint=_HINT)
    for provider in providers:
        for model in provider.models:
            for prices in _all_prices(model):
                _check_amounts(f"{provider.id}/{model.id}", prices)


def _all_prices(model: types.ModelInfo) -> list[types.ModelPrice]:
    stated = [item.prices for item in model.prices] if isinstance(model.prices, list) else [model.prices]
    return [*stated, *(variant.prices for variant in model.price_variants or ())]


def _check_amounts(place: str, prices: types.ModelPrice) -> None:
    for name, value in prices._comparable_values().items():
        steps = (
            [value.base, *(step.price for step in value.tiers)] if isinstance(value, types.TieredPrices) else [value]
        )
        for amount in steps:
            if not isinstance(amount, Decimal) or not amount.is_finite() or amount < 0:
                raise PriceDataError(
                    f"the price data has a price that cannot be: {place}: {name} = {amount}", hint=_HINT
                )


def describe(data: bytes, origin: str, at: datetime) -> Release:
    """Check price data and return what to call it; ``PriceDataError`` says why it is none."""
    providers = read(data)
    digest = hashlib.sha256(data).hexdigest()
    return Release(
        sha256=digest,
        version=f"{at.astimezone(UTC):%Y-%m-%d}+{digest[:12]}",
        refreshed_at=at.astimezone(UTC).isoformat(timespec="seconds"),
        origin=origin[:500],
        providers=len(providers),
        models=sum(len(provider.models) for provider in providers),
    )


def from_document(values: Mapping[str, Any]) -> Release:
    """Return a release as it stands in the store or in a file; ``PriceDataError`` when it is none."""
    try:
        return Release(**{item.name: values[item.name] for item in fields(Release)})
    except (KeyError, TypeError) as error:
        raise PriceDataError(f"the price data lacks {error}", hint="dashcam prices refresh") from error


def put(folder: Path, release: Release, data: bytes, number: int) -> None:
    """Store checked price data and make it active, as the revision with this number of the shared configuration."""
    if hashlib.sha256(data).hexdigest() != release.sha256:
        raise PriceDataError("the price data is not what was checked", hint="dashcam prices refresh")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(folder / f"{release.sha256}.json", data, is_lasting=True)
    replace_file(folder / ACTIVE, orjson.dumps(asdict(release), option=orjson.OPT_INDENT_2), is_lasting=True)
    replace_file(folder / _APPLIED, str(number).encode(), is_lasting=True)


def applied(folder: Path) -> int:
    """Return the number of the revision that is active, 0 where there is none or nobody can tell."""
    try:
        return int((folder / _APPLIED).read_bytes())
    except (OSError, ValueError):
        return 0


def active(folder: Path) -> Release | None:
    """Return which refreshed data counts, None when there is none; ``PriceDataError`` when nobody can tell."""
    try:
        return from_document(orjson.loads((folder / ACTIVE).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, PriceDataError) as error:
        raise PriceDataError(f"{folder / ACTIVE} cannot be read: {error}", hint="dashcam prices refresh") from error


def load(folder: Path, release: Release) -> list[types.Provider]:
    """Return the providers of stored data; ``PriceDataError`` when it is not what was stored."""
    path = folder / f"{release.sha256}.json"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PriceDataError(f"{path} cannot be read: {error.strerror}", hint="dashcam prices refresh") from error
    if hashlib.sha256(data).hexdigest() != release.sha256:
        raise PriceDataError(f"{path} is not what was stored", hint="dashcam prices refresh")
    return read(data)
