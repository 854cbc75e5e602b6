"""The families of /metrics: names, help and bounds, and the collector that renders them from totals.

Totals are plain numbers keyed by (sample name, labels as JSON); the loader adds to them in the rows' transaction. So
the Prometheus client only renders: nothing here counts. A family beyond the cap of series refuses new ones and says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

MAX_SERIES = 5000
Key = tuple[str, str]

COUNTERS = {
    "dashcam_requests_total": "Calls by how they ended.",
    "dashcam_tokens_total": "Tokens as reported, by type; cached and reasoning are parts of input and output.",
    "dashcam_cost_usd_total": "Cost of calls whose price is known, in USD.",
    "dashcam_unpriced_requests_total": "Calls whose price is not known.",
    "dashcam_upstream_attempts_total": "Tries against upstreams by what came of them.",
    "dashcam_redactions_total": "What was taken out before it was written down, by pattern.",
}
HISTOGRAMS: dict[str, tuple[float, ...]] = {
    "dashcam_request_duration_seconds": (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600),
    "dashcam_time_to_first_token_seconds": (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 25, 60),
    "dashcam_time_per_output_token_seconds": (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1),
    "dashcam_overhead_seconds": (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
}
_HISTOGRAM_HELP = {
    "dashcam_request_duration_seconds": "From the request's arrival to the answer's end.",
    "dashcam_time_to_first_token_seconds": "From the request's arrival to the first token, streams only.",
    "dashcam_time_per_output_token_seconds": "Time between output tokens after the first, streams only.",
    "dashcam_overhead_seconds": "The part of a call's duration that was not spent waiting for the upstream.",
}


class Totals:
    """The numbers behind the counters; written by the loader's thread, read by the scrape's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Key, float] = {}
        self.is_seeded = False
        self.refused = 0

    def seed(self, values: Mapping[Key, float]) -> None:
        """Begin where the store left off; before this nothing is rendered."""
        with self._lock:
            self._values = dict(values)
            self.is_seeded = True

    def add(self, deltas: Mapping[Key, float]) -> None:
        """Add what a batch added."""
        with self._lock:
            for key, amount in deltas.items():
                if key not in self._values and len(self._values) >= MAX_SERIES:
                    self.refused += 1
                else:
                    self._values[key] = self._values.get(key, 0.0) + amount

    def by_family(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Return (labels, value) per sample name."""
        with self._lock:
            values = list(self._values.items())
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for (family, labels), value in values:
            found.setdefault(family, []).append((orjson.loads(labels), value))
        return found


class CallFamilies(Collector):
    """Renders the counters and histograms about calls."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        """Render all families, also those without a sample yet; none before the totals are known."""
        if not self._totals.is_seeded:
            return
        found = self._totals.by_family()
        for name, text in COUNTERS.items():
            yield _counter(name, text, found.get(name, []))
        for name, bounds in HISTOGRAMS.items():
            yield _histogram(name, bounds, found.get(f"{name}_bucket", []), found.get(f"{name}_sum", []))
        refused = CounterMetricFamily("dashcam_series_refused_total", "Samples refused because of the series cap.")
        refused.add_metric([], self._totals.refused)
        yield refused


def bound_label(bound: float | None) -> str:
    """Return a bucket's ``le``; None is the last one."""
    return "+Inf" if bound is None else repr(float(bound))


def _counter(name: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> Metric:
    samples = list(samples)
    names = sorted(samples[0][0]) if samples else []
    family = CounterMetricFamily(name, text, labels=names)
    for labels, value in samples:
        family.add_metric([labels.get(label, "") for label in names], value)
    return family


def _histogram(
    name: str,
    bounds: tuple[float, ...],
    buckets: list[tuple[dict[str, str], float]],
    sums: list[tuple[dict[str, str], float]],
) -> Metric:
    counts: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for labels, value in buckets:
        rest = tuple(sorted((key, text) for key, text in labels.items() if key != "le"))
        counts.setdefault(rest, {})[labels["le"]] = value
    names = [key for key, _ in next(iter(counts))] if counts else []
    family = HistogramMetricFamily(name, _HISTOGRAM_HELP[name], labels=names)
    total = {tuple(sorted(labels.items())): value for labels, value in sums}
    for rest, found in counts.items():
        reached, rendered = 0.0, []
        for bound in (*map(bound_label, bounds), "+Inf"):
            reached += found.get(bound, 0.0)
            rendered.append((bound, reached))
        family.add_metric([text for _, text in rest], rendered, total.get(rest, 0.0))
    return family


Gauge = tuple[str, str, float, dict[str, str]]


class GaugeFamilies(Collector):
    """Renders gauges (name, help, value, labels) that are asked for at each scrape; ``_total`` names are counters."""

    def __init__(self, ask: Callable[[], list[Gauge]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """Ask and render; families keep the order in which they are told."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for name, text, value, labels in self._ask():
            if name not in families:
                kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
                families[name] = kind(name, text, labels=sorted(labels))
            families[name].add_metric([labels[label] for label in sorted(labels)], value)
        yield from families.values()

    def describe(self) -> list[Metric]:
        """Nothing is asked at registration."""
        return []


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """Return a registry with these collectors; there is no global one."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return registry
