"""How far back a list by some column looks, where nobody says: no index knows the order of every column.

To find the largest of a million calls all of them would be read. So only the latest are, whole hours of them, as the
rollups count them; whoever asks for a time, or for calls that an index finds, gets what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from proxy.store.filters.statements import Filters, Order
from proxy.store.filters.terms import INDEXED_FROM

MOST = 100_000
"""So many calls are looked at, and the rest of the hour in which the last of them is."""
_NARROWING = {"since", "until", "user", "session", "prompt", "tags", "metadata", "terms", "others", "texts"}
_IN_TIME = ("id", "started_at")
_PAGE = 1000
_HOURS = "SELECT hour, sum(calls) AS calls FROM rollup_hourly WHERE hour < ? GROUP BY hour ORDER BY hour DESC LIMIT ?"
Answer = Callable[[tuple[str, Sequence[Any]]], list[dict[str, Any]]]


def looks_back_to(filters: Filters, order: Order, answer: Answer) -> int | None:
    """Return since when calls are looked at, in Unix milliseconds; None: all that match."""
    is_found = order.column in _IN_TIME or (order.is_largest_first and order.column in INDEXED_FROM)
    if is_found or any(getattr(filters, item.name) for item in fields(filters) if item.name in _NARROWING):
        return None
    calls, behind = 0, "9999"
    while hours := answer((_HOURS, (behind, _PAGE))):
        for row in hours:
            calls += int(row["calls"])
            if calls >= MOST:
                return _begin(row["hour"]) if answer((_HOURS, (row["hour"], 1))) else None
        behind = hours[-1]["hour"]
    return None


def _begin(hour: str) -> int:
    return int(datetime.fromisoformat(f"{hour}:00:00").replace(tzinfo=UTC).timestamp() * 1000)
