"""What calls add to the counters of /metrics: pure, entries in, deltas out.

They are written in the rows' transaction and seed the registry at the next start, so counters never fall back. Labels
are closed sets: ``model`` is a name that has answered before, at most 50, the rest is ``other``; the name in a failed
call never becomes a label. A histogram is kept as one counter per bucket bound, plus sum and count.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

import orjson

from proxy.domain.interaction import Entry, Interaction
from proxy.domain.outcome import CostStatus
from proxy.telemetry.families import HISTOGRAMS, bound_label

MAX_MODELS = 50
MAX_NAME = 100
OTHER = "other"
NONE = "none"
Key = tuple[str, str]
Labels = tuple[tuple[str, str], ...]
Deltas = dict[tuple[str, Labels], float]


class ModelNames:
    """The model names that may be labels."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._names = set(list(dict.fromkeys(known))[:MAX_MODELS])

    def label(self, item: Interaction) -> str:
        """Return the label of a call's model."""
        model = item.model
        if not model:
            return NONE
        if len(model) > MAX_NAME or not model.isprintable():
            return OTHER
        if model in self._names:
            return model
        if item.success and len(self._names) < MAX_MODELS:
            self._names.add(model)
            return model
        return OTHER


def status_of(status: int | None) -> str:
    """Return the class of an HTTP status as a label."""
    if status is None:
        return "none"
    if status == 429:
        return "429"
    return f"{status // 100}xx" if 1 <= status // 100 <= 5 else "none"


def totals_of(entries: Sequence[Entry], names: ModelNames) -> dict[Key, float]:
    """Return the deltas that these entries add, by family and labels (JSON with sorted keys)."""
    deltas: Deltas = defaultdict(float)
    for entry in entries:
        item = entry.interaction
        place = ("provider", item.provider or NONE), ("model", names.label(item))
        outcome = ("outcome", item.outcome.value), ("status", status_of(item.http_status))
        deltas["dashcam_requests_total", (*place, ("operation", item.operation), *outcome)] += 1
        _tokens(deltas, item, place)
        if item.cost_pico_usd is not None:
            deltas["dashcam_cost_usd_total", place] += item.cost_pico_usd / 1e12
        elif item.cost_status is CostStatus.UNPRICED:
            deltas["dashcam_unpriced_requests_total", place] += 1
        for attempt in entry.attempts:
            reason = ("reason", attempt.error or ("unanswered" if attempt.http_status is None else "answered"))
            deltas["dashcam_upstream_attempts_total", (("provider", attempt.provider), reason)] += 1
        _times(deltas, item, place)
    return {(family, _text_of(labels)): amount for (family, labels), amount in deltas.items()}


def _text_of(labels: Labels) -> str:
    return orjson.dumps(dict(labels), option=orjson.OPT_SORT_KEYS).decode()


def _tokens(deltas: Deltas, item: Interaction, place: Labels) -> None:
    if item.usage_source.is_estimate:
        # A counter has no label that would tell a guess from a report.
        return
    counts = (
        ("input", item.input_tokens),
        ("output", item.output_tokens),
        ("cached", item.cached_tokens),
        ("cache_write", item.cache_write_tokens),
        ("reasoning", item.reasoning_tokens),
    )
    for kind, number in counts:
        if number:
            deltas["dashcam_tokens_total", (*place, ("type", kind))] += number


def _times(deltas: Deltas, item: Interaction, place: Labels) -> None:
    operation = ("operation", item.operation)
    _observe(deltas, "dashcam_request_duration_seconds", item.duration_ms, (*place, operation))
    _observe(deltas, "dashcam_time_to_first_token_seconds", item.ttft_ms, place)
    _observe(deltas, "dashcam_overhead_seconds", item.overhead_ms, (operation,))
    if item.ttft_ms is not None and item.duration_ms is not None and (item.output_tokens or 0) > 1:
        each = max(0.0, item.duration_ms - item.ttft_ms) / (item.output_tokens - 1)  # type: ignore[operator]
        _observe(deltas, "dashcam_time_per_output_token_seconds", each, place)


def _observe(deltas: Deltas, family: str, milliseconds: float | None, labels: Labels) -> None:
    if milliseconds is None:
        return
    seconds = milliseconds / 1000
    bounds = HISTOGRAMS[family]
    at = bisect_left(bounds, seconds)
    bound = bounds[at] if at < len(bounds) else None
    deltas[f"{family}_bucket", (*labels, ("le", bound_label(bound)))] += 1
    deltas[f"{family}_sum", labels] += seconds
