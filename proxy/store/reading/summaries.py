"""What a span of time came to, put together from a few questions to the rollups: for the admin API and the commands.

Times are those of successful calls, in buckets of 5 %: a percentile is the upper end of its bucket; of a span of over
three days it is that of whole days. What is not known is None, never 0: the cost of calls without a price, a percentile
of no calls.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from proxy.store.reading import analytics
from proxy.store.reading.analytics import MEASURES, TIMES, Grouping, Span, buckets, grouped
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row

TOP = 20
_ALL = 1_000_000
"""What is left out of a sum would be wrong; too many rows take too long, which is told."""
_ADDED = tuple(name for name in MEASURES if name not in ("cost_usd", "average_ms"))
_SHARES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99}
_FIRST_TOKEN = {"ttft_p50_ms": 0.5, "ttft_p95_ms": 0.95}
_MEASURED = {"duration": _SHARES, "ttft": _FIRST_TOKEN}


def summary(reader: Reader, span: Span) -> dict[str, Any]:
    """Return sums, percentiles, the busiest models and providers, outcomes, and how it went over the hours or days."""
    at = "day" if span.is_long else "hour"
    sums = _sums(reader, span, (at, "model", "provider", "outcome"))
    every, of_models = _times(reader, span, sums["model"])
    return {
        **shown_span(span),
        **_sum_of(sums[at]),
        **every,
        "models": [{**row, **of_models[row["model"] or ""]} for row in sums["model"][:TOP]],
        "providers": sums["provider"][:TOP],
        "outcomes": sums["outcome"],
        "series": [_at(row, at) for row in sorted(sums[at], key=lambda row: str(row[at]))],
    }


def _sums(reader: Reader, span: Span, by: Sequence[str]) -> defaultdict[str, list[dict[str, Any]]]:
    """Return sums by each of some things, those with the most calls first: one more than is shown."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in reader.answer(analytics.overall(span, by, TOP + 1)):
        name = row.pop("by")
        found[name].append(_shown({name: row.pop("name"), **row}, (name,)))
    return found


def series(reader: Reader, span: Span) -> list[dict[str, Any]]:
    """Return sums by hour where the span is short, else by day; hours without calls are left out."""
    at = "day" if span.is_long else "hour"
    return [_at(row, at) for row in rows(reader, Grouping(by=(at,), span=span, sort=at, top=_ALL))]


def _at(row: Mapping[str, Any], at: str) -> dict[str, Any]:
    return {"at": row[at], **{name: row[name] for name in ("calls", "errors", "cost_usd")}}


def _sum_of(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what rows of sums come to together."""
    calls = sum(row["calls"] for row in parts)
    costs = [row["cost_usd"] for row in parts if row["cost_usd"] is not None]
    spent = sum((row["average_ms"] or 0) * row["calls"] for row in parts)
    return {
        **{name: sum(row[name] for row in parts) for name in _ADDED},
        "error_rate": round(sum(row["errors"] for row in parts) / calls, 6) if calls else None,
        "cost_usd": round(math.fsum(costs), 12) if costs else None,
        "average_ms": spent / calls if calls else None,
    }


def rows(reader: Reader, wanted: Grouping) -> list[dict[str, Any]]:
    """Return sums as they are answered: what a key has no value for is None, and the share of errors is told."""
    return [_shown(row, wanted.by) for row in reader.answer(grouped(wanted))]


def _shown(row: Row, by: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {
        name: (value if value or name in TIMES or name not in by else None) for name, value in row.items()
    }
    if made["cost_usd"] is not None:
        made["cost_usd"] = float(made["cost_usd"])
    return {**made, "error_rate": round(made["errors"] / made["calls"], 6)}


Times = dict[str, float | None]
Counts = dict[str, list[tuple[float, int]]]


def _times(reader: Reader, span: Span, models: Sequence[Mapping[str, Any]]) -> tuple[Times, defaultdict[str, Times]]:
    """Return how long calls took in all, and by model; where there are few models, one question answers both."""
    names = [str(row["model"] or "") for row in models[:TOP]]
    of_models = _counts(reader, span, "model", names if len(models) > TOP else ())
    every = _counts(reader, span, None, ())[""] if len(models) > TOP else _merged(of_models.values())
    found: defaultdict[str, Times] = defaultdict(lambda: dict.fromkeys((*_SHARES, *_FIRST_TOKEN)))
    for name, counts in of_models.items():
        found[name] = _percentiles(counts)
    return _percentiles(every), found


def _counts(reader: Reader, span: Span, by: str | None, names: Sequence[str]) -> defaultdict[str, Counts]:
    """Return how many calls took up to how long, by name (the empty one where all are meant) and measure."""
    found: defaultdict[str, Counts] = defaultdict(lambda: defaultdict(list))
    for row in reader.answer(buckets(span, by, names)):
        found[row["name"]][row["measure"]].append((row["upper_ms"], row["calls"]))
    return found


def _merged(parts: Iterable[Counts]) -> Counts:
    found: Counts = defaultdict(list)
    for counts in parts:
        for measure, pairs in counts.items():
            found[measure] += pairs
    return {measure: sorted(pairs) for measure, pairs in found.items()}


def _percentiles(counts: Mapping[str, Sequence[tuple[float, int]]]) -> Times:
    return {
        key: percentile(counts.get(measure, ()), share)
        for measure, shares in _MEASURED.items()
        for key, share in shares.items()
    }


def percentile(counts: Iterable[tuple[float, int]], share: float) -> float | None:
    """Return up to how long a share of calls took, of (up to how long, how many) in this order; None for none."""
    pairs = list(counts)
    wanted, reached = share * sum(calls for _, calls in pairs), 0
    for upper, calls in pairs:
        reached += calls
        if calls and reached >= wanted:
            return round(upper, 3)
    return None


def shown_span(span: Span) -> dict[str, str | None]:
    """Return the hours that were counted: the first and the last one, None without a bound."""
    first, last = span.hours()
    return {"from_hour": first, "to_hour": last}
