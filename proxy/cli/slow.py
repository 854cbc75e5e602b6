"""``dashcam slow``: the calls that took longest; without a span of time from the view that keeps them at hand."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from proxy.cli.figures import Asked, record, tell
from proxy.cli.rows import Show, number, print_rows, shown
from proxy.cli.terminal import duration, local_time, short_id
from proxy.settings.values import Settings
from proxy.store.filters.statements import Filters, Order
from proxy.store.reading.analytics import slowest
from proxy.store.reading.reader import Reader

_COLUMNS = ("duration_ms", "ttft_ms", "started_at", "id", "provider", "model", "operation", "output_tokens", "outcome")


def slow(settings: Settings, asked: Asked) -> None:
    """Print them, the slowest first."""
    with record(settings) as reader:
        found = _slowest(reader, asked)
    rows = [{name: row[name] for name in _COLUMNS} for row in found]
    special: dict[str, Show] = {
        "duration_ms": duration, "ttft_ms": duration, "id": short_id, "output_tokens": number,
        "started_at": partial(local_time, is_utc=asked.is_utc),
    }  # fmt: skip
    if rows or asked.as_json or not sys.stdout.isatty():
        columns = {name: special.get(name, shown) for name in _COLUMNS}
        print_rows(rows, columns, as_json=asked.as_json, shed=("operation", "provider", "ttft_ms", "started_at"))
    if not rows:
        tell(f"No calls {asked.words}. List all with: dashcam logs")
        return
    tell(f"See one with: dashcam show {short_id(rows[0]['id'])}; by model: dashcam stats{asked.flag}")


def _slowest(reader: Reader, asked: Asked) -> list[dict[str, Any]]:
    if asked.since is None and asked.until is None:
        return list(reader.answer(slowest(asked.limit)))
    span = asked.span(reader)
    filters = Filters(since=span.since, until=span.until)
    found = reader.list_interactions(filters, asked.limit, Order("duration_ms"))
    return [row for row in found if row["duration_ms"] is not None]
