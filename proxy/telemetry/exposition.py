"""Reading what ``/metrics`` says, for people: samples as they are, histograms as count, mean and percentiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of one family; of a histogram ``value`` is the mean, and the rest is there."""

    name: str
    labels: Labels
    value: float
    count: float | None = None
    p50: float | None = None
    p95: float | None = None


def read(text: str) -> list[Reading]:
    """Return the readings of an exposition in its order; ``ValueError`` when it is none."""
    return [item for family in text_string_to_metric_families(text) for item in _readings(family)]


def _readings(family: Metric) -> Iterator[Reading]:
    if family.type != "histogram":
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield Reading(sample.name, sample.labels, sample.value)
        return
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in family.samples:
        rest = tuple(item for item in sample.labels.items() if item[0] != "le")
        if sample.name.endswith("_bucket"):
            series.setdefault(rest, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[rest] = sample.value
    for rest, buckets in series.items():
        count = buckets[-1][1]
        mean = sums.get(rest, 0.0) / count if count else 0.0
        yield Reading(family.name, dict(rest), mean, count, quantile(buckets, 0.5), quantile(buckets, 0.95))


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    """Return a quantile as Prometheus estimates it, within the bucket it falls in; None without observations."""
    total = buckets[-1][1]
    if not total:
        return None
    below, reached = 0.0, 0.0
    for upper, cumulated in buckets:
        if cumulated >= share * total:
            if math.isinf(upper):
                return below
            return below + (upper - below) * (share * total - reached) / (cumulated - reached)
        below, reached = upper, cumulated
    return below
