"""What a span of time came to, put together from a few questions to the rollups: for the admin API and the commands.

Times are those of successful calls, in buckets of 5 %: a percentile is the upper end of its bucket. What is not known
is None, never 0: the cost of calls without a price, a percentile of no calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from proxy.store.analytics import MEASURES, TIMES, Grouping, Span, buckets, grouped
from proxy.store.reading import Reader, Row

TOP = 10
_HOURS_SHOWN = 72 * 3_600_000
_NOTHING: dict[str, Any] = {**dict.fromkeys(MEASURES, 0), "cost_usd": None, "average_ms": None}
_SHARES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99}
_FIRST_TOKEN = {"ttft_p50_ms": 0.5, "ttft_p95_ms": 0.95}


def summary(reader: Reader, span: Span) -> dict[str, Any]:
    """Return sums, percentiles, the busiest models and providers, outcomes, and how it went over the hours or days."""
    every = rows(reader, Grouping(span=span))
    times = _percentiles_of(reader, span, None, ())[""]
    return {
        **shown_span(span),
        **(every[0] if every else {**_NOTHING, "error_rate": None}),
        **times,
        "models": with_percentiles(reader, span, "model", rows(reader, Grouping(by=("model",), span=span, top=TOP))),
        "providers": rows(reader, Grouping(by=("provider",), span=span, top=TOP)),
        "outcomes": rows(reader, Grouping(by=("outcome",), span=span)),
        "series": series(reader, span),
    }


def series(reader: Reader, span: Span) -> list[dict[str, Any]]:
    """Return sums by hour where the span is short, else by day; hours without calls are left out."""
    since, until = span.since, span.until
    is_short = since is not None and until is not None and until - since <= _HOURS_SHOWN
    by = "hour" if is_short else "day"
    found = rows(reader, Grouping(by=(by,), span=span, sort=by, top=4000))
    return [{"at": row[by], **{name: row[name] for name in ("calls", "errors", "cost_usd")}} for row in found]


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


def with_percentiles(reader: Reader, span: Span, by: str, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return sums by model or provider with how long the successful calls took."""
    names = [str(row[by] or "") for row in found]
    times = _percentiles_of(reader, span, by, names) if names else {}
    return [{**row, **times[name]} for name, row in zip(names, found, strict=True)]


def _percentiles_of(
    reader: Reader, span: Span, by: str | None, names: Sequence[str]
) -> defaultdict[str, dict[str, float | None]]:
    """Return percentiles by name, the empty one where all are meant."""
    found: defaultdict[str, dict[str, float | None]] = defaultdict(lambda: dict.fromkeys((*_SHARES, *_FIRST_TOKEN)))
    for measure, shares in (("duration", _SHARES), ("ttft", _FIRST_TOKEN)):
        counts: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for row in reader.answer(buckets(measure, span, by, names)):
            counts[row["name"]].append((row["upper_ms"], row["calls"]))
        for name, pairs in counts.items():
            for key, share in shares.items():
                found[name][key] = percentile(pairs, share)
    return found


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
