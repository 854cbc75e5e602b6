"""What dashboards read instead of the interaction table: hourly sums and logarithmic latency buckets.

Pure: entries in, deltas out, sorted, so that two hosts that add to the same rows never wait for each other in a circle.
The writer adds them in the rows' transaction, for rows that were really inserted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from proxy.domain.interaction import Interaction
from proxy.store.columns import hour_text
from proxy.store.rows import LARGEST

_GROWTH = math.log(1.05)
_SUMS = 7


def bucket_of(milliseconds: float) -> int:
    """Return the 5 % bucket of a duration; bucket n reaches up to 1.05**n ms."""
    return math.ceil(math.log(max(milliseconds, 0.001)) / _GROWTH - 1e-9)


def upper_of(bucket: int) -> float:
    """Return the upper bound of a bucket in milliseconds."""
    return float(math.exp(bucket * _GROWTH))


def rollup_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> list[tuple[Any, ...]]:
    """Return the rows to add to ``rollup_hourly`` when calls are counted as they are now, instead of as they were."""
    before, after = _sums(olds), _sums(news)
    nothing: list[float] = [0] * _SUMS
    changes = {
        key: [new - old for new, old in zip(after.get(key, nothing), before.get(key, nothing), strict=True)]
        for key in {**before, **after}
    }
    return [(*key, *map(within, values)) for key, values in sorted(changes.items()) if any(values)]


def within(value: float) -> float:
    """Return what a column has room for: beyond it (9.2 million dollars) a sum stays there."""
    return max(-LARGEST, min(LARGEST, value))


def _sums(items: Sequence[Interaction]) -> dict[tuple[Any, ...], list[float]]:
    sums: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0] * _SUMS)
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


def latency_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> list[tuple[Any, ...]]:
    """Return the rows to add to ``latency_histogram`` when calls are counted as they are now."""
    before, after = _counts(olds), _counts(news)
    changes = {key: after.get(key, 0) - before.get(key, 0) for key in {**before, **after}}
    return [(*key, upper_of(key[4]), number) for key, number in sorted(changes.items()) if number]


def _counts(items: Sequence[Interaction]) -> dict[tuple[str, str, str, str, int], int]:
    counts: dict[tuple[str, str, str, str, int], int] = defaultdict(int)
    for item in items:
        place = (hour_text(item.started_at), item.provider or "", item.model or "")
        for measure, value in (("duration", item.duration_ms), ("ttft", item.ttft_ms)):
            if value is not None and item.success:
                counts[(*place, measure, bucket_of(value))] += 1
    return dict(counts)
