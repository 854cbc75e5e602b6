"""What dashboards read instead of the interaction table: hourly sums and logarithmic latency buckets.

Pure: entries in, deltas out, sorted, so that two hosts that add to the same rows never wait for each other in a circle.
The writer adds them in the rows' transaction, for rows that were really inserted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from proxy.domain.interaction import Interaction
from proxy.store.schema.columns import hour_text
from proxy.store.schema.rows import LARGEST

_GROWTH = math.log(1.05)
_SUMS = 7
Key = tuple[Any, ...]
Sums = Mapping[Key, Sequence[float]]
"""How much more (or less) a key sums up of calls, tokens in, out and cached, cost, unpriced calls and milliseconds."""
Counts = Mapping[Key, int]
"""How many calls more (or fewer) a key counts; none of them is 0."""


def bucket_of(milliseconds: float) -> int:
    """Return the 5 % bucket of a duration; bucket n reaches up to 1.05**n ms."""
    return math.ceil(math.log(max(milliseconds, 0.001)) / _GROWTH - 1e-9)


@lru_cache(maxsize=1024)
def upper_of(bucket: int) -> float:
    """Return the upper bound of a bucket in milliseconds."""
    return float(math.exp(bucket * _GROWTH))


def rollup_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> Sums:
    """Return what hours sum up more when calls are counted as they are now, instead of as they were."""
    before, after = _sums(olds), _sums(news)
    if not before:
        return after
    nothing: list[float] = [0] * _SUMS
    return {
        key: [new - old for new, old in zip(after.get(key, nothing), before.get(key, nothing), strict=True)]
        for key in {**before, **after}
    }


def rollup_rows(changes: Sums) -> list[Key]:
    """Return the rows to add to ``rollup_hourly``, or of days to ``usage_daily``."""
    return [(*key, *map(within, values)) for key, values in sorted(changes.items()) if any(values)]


def within(value: float) -> float:
    """Return what a column has room for: beyond it (9.2 million dollars) a sum stays there."""
    return max(-LARGEST, min(LARGEST, value))


def _sums(items: Sequence[Interaction]) -> dict[Key, list[float]]:
    sums: dict[Key, list[float]] = defaultdict(lambda: [0] * _SUMS)
    for item in items:
        key = (
            hour_text(item.started_at),
            item.provider or "",
            item.model or "",
            item.route or "",
            item.prompt_name or "",
            item.prompt_version or 0,
            item.outcome.value,
        )
        found = sums[key]
        found[0] += 1
        found[1] += item.input_tokens or 0
        found[2] += item.output_tokens or 0
        found[3] += item.cached_tokens or 0
        found[4] += item.cost_pico_usd or 0
        found[5] += item.cost_pico_usd is None
        found[6] += item.duration_ms or 0.0
    return dict(sums)


def difference(before: Counts, after: Counts) -> Counts:
    """Return by how much the second counts differ from the first."""
    if not before:
        return after
    changes = {key: after.get(key, 0) - before.get(key, 0) for key in {**before, **after}}
    return {key: number for key, number in changes.items() if number}


def latency_counts(items: Sequence[Interaction]) -> Counts:
    """Return how many durations and times to first byte of successful calls each bucket of an hour has."""
    counts: dict[Key, int] = defaultdict(int)
    for item in items:
        if not item.success:
            continue
        hour, provider, model = hour_text(item.started_at), item.provider or "", item.model or ""
        if item.duration_ms is not None:
            counts[hour, provider, model, "duration", bucket_of(item.duration_ms)] += 1
        if item.ttft_ms is not None:
            counts[hour, provider, model, "ttft", bucket_of(item.ttft_ms)] += 1
    return counts


def latency_rows(counts: Counts) -> list[Key]:
    """Return the rows to add to ``latency_histogram``."""
    return [(*key, upper_of(key[4]), number) for key, number in sorted(counts.items())]
