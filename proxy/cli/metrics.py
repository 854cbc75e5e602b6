"""``dashcam metrics``: what the running instance counts, as a table; or totals of all that is on record."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson

from proxy.cli.database import calls, size
from proxy.cli.instance import fetch, find
from proxy.cli.opened import opened
from proxy.cli.rows import number, print_rows, shown
from proxy.cli.terminal import duration, json_text, money
from proxy.domain.cost import from_pico
from proxy.errors import NotAllowedError, UnreachableError
from proxy.settings.credentials import read_secret
from proxy.settings.values import Settings
from proxy.store.sums.usage_figures import ModelFigures, model_figures
from proxy.telemetry.exposition import Reading, read

_SECONDS = 10.0
_PREFIX = "dashcam_"
_NOT_FOR_US = (401, 403, 429)


def running(settings: Settings, form: str) -> None:
    """Print the metrics of the running instance; ``form`` is raw, json or table."""
    text = _scrape(settings)
    if form == "raw":
        sys.stdout.write(text)
        return
    readings = read(text)
    if form == "json":
        print(json_text([asdict(item) for item in readings], orjson.OPT_INDENT_2))
        return
    is_terminal = sys.stdout.isatty()
    rows = [_row(item, is_terminal=is_terminal) for item in readings]
    columns: dict[str, Callable[[Any], str]] = dict.fromkeys(
        ("metric", "labels", "value", "count", "p50", "p95"), shown
    )
    print_rows(rows, columns, as_json=False, shed=("p50", "p95", "count"))


def _row(item: Reading, *, is_terminal: bool) -> dict[str, Any]:
    labels = " ".join(f"{name}={value}" for name, value in sorted(item.labels.items()))
    if not is_terminal:
        return {"metric": item.name, "labels": labels, "value": item.value, "count": item.count, "p50": item.p50,
                "p95": item.p95}  # fmt: skip
    said = _unit(item.name)
    return {
        "metric": item.name.removeprefix(_PREFIX), "labels": " ".join(map(str, item.labels.values())),
        "value": said(item.value), "count": None if item.count is None else number(round(item.count)),
        "p50": None if item.p50 is None else said(item.p50), "p95": None if item.p95 is None else said(item.p95),
    }  # fmt: skip


def _unit(name: str) -> Callable[[float], str]:
    if name.endswith("_seconds"):
        return lambda value: duration(value * 1000)
    if name.endswith("_bytes"):
        return lambda value: size(round(value))
    return money if name.endswith("_usd_total") else lambda value: f"{value:,.0f}"


def _scrape(settings: Settings) -> str:
    url = find(settings)
    if url is None:
        raise UnreachableError(
            "no Dashcam runs for this data folder",
            hint="dashcam serve; or totals of what is on record: dashcam metrics --database",
        )
    token = read_secret("DASHCAM_METRICS_TOKEN") or read_secret("DASHCAM_ADMIN_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return fetch(urllib.request.Request(f"{url}/metrics", headers=headers), _SECONDS).decode()  # noqa: S310 - our own address
    except urllib.error.HTTPError as error:
        if error.code in _NOT_FOR_US:
            raise NotAllowedError(
                "the running Dashcam shows its metrics to who has a token only",
                hint="set DASHCAM_METRICS_TOKEN or DASHCAM_ADMIN_TOKEN here too",
            ) from error
        raise UnreachableError(f"the metrics at {url} cannot be had: {error}", hint="dashcam doctor") from error
    except OSError as error:
        raise UnreachableError(f"the metrics at {url} cannot be had: {error}", hint="dashcam doctor") from error


def recorded(settings: Settings, *, as_json: bool) -> None:
    """Print totals of all that is on record, by provider and model."""
    with opened(settings) as (_, engine), engine.connect() as connection:
        found = model_figures(connection)
    rows = [_figures(item) for item in found]
    columns: dict[str, Callable[[Any], str]] = {
        "provider": shown, "model": shown, "calls": number, "errors": number, "input_tokens": number,
        "output_tokens": number, "cached_tokens": number, "cost_usd": money, "unpriced": number, "p50_ms": duration,
        "p95_ms": duration,
    }  # fmt: skip
    print_rows(rows, columns, as_json=as_json, shed=("cached_tokens", "p50_ms", "unpriced", "p95_ms", "errors"))
    if not as_json:
        count, cost = sum(item.calls for item in found), sum(item.cost_pico_usd for item in found)
        print(f"{calls(count)} on record, {money(from_pico(cost))} in all", file=sys.stderr)


def _figures(item: ModelFigures) -> dict[str, Any]:
    values = asdict(item)
    cost = format(from_pico(values.pop("cost_pico_usd")).normalize(), "f")
    # As text: a JSON number would be read as a float.
    return {**values, "cost_usd": cost}
