"""What calls add to the counters of /metrics: pure, entries in, deltas out.

They are written in the rows' transaction and seed the registry at the next start, so counters never fall back. Labels
are closed sets: ``model`` is a name that has answered before, at most 50, the rest is ``other``; the name in a failed
call never becomes a label. A histogram is kept as one counter per bucket bound, plus sum and count.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
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
    """Return the deltas that these entries add, by family and labels (JSON with sorted keys).

    Calls that share their labels are counted together: to look up a tuple of tuples ten times a call would take longer
    than the rest.
    """
    groups: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        item = entry.interaction
        groups[item.provider or NONE, names.label(item), item.operation].append(entry)
    deltas: Deltas = defaultdict(float)
    for (provider, model, operation), group in groups.items():
        items = [entry.interaction for entry in group]
        place, what = (("provider", provider), ("model", model)), ("operation", operation)
        for (outcome, status), number in Counter([(item.outcome, item.http_status) for item in items]).items():
            how = ("outcome", outcome.value), ("status", status_of(status))
            deltas["dashcam_requests_total", (*place, what, *how)] += number
        _tokens(deltas, items, place)
        _costs(deltas, items, place)
        _attempts(deltas, group)
        for entry in group:
            for pattern, number in entry.redactions.items():
                deltas["dashcam_redactions_total", (("pattern", pattern),)] += number
        _times(deltas, items, place, what)
    return {(family, _text_of(labels)): amount for (family, labels), amount in deltas.items()}


def _text_of(labels: Labels) -> str:
    return orjson.dumps(dict(labels), option=orjson.OPT_SORT_KEYS).decode()


def _tokens(deltas: Deltas, items: Sequence[Interaction], place: Labels) -> None:
    # A counter has no label that would tell a guess from a report.
    told = [item for item in items if not item.usage_source.is_estimate]
    counts = (
        ("input", [item.input_tokens for item in told]),
        ("output", [item.output_tokens for item in told]),
        ("cached", [item.cached_tokens for item in told]),
        ("cache_write", [item.cache_write_tokens for item in told]),
        ("reasoning", [item.reasoning_tokens for item in told]),
    )
    for kind, numbers in counts:
        if total := sum([number for number in numbers if number]):
            deltas["dashcam_tokens_total", (*place, ("type", kind))] += total


def _costs(deltas: Deltas, items: Sequence[Interaction], place: Labels) -> None:
    priced = [item.cost_pico_usd for item in items if item.cost_pico_usd is not None]
    unpriced = [item for item in items if item.cost_pico_usd is None and item.cost_status is CostStatus.UNPRICED]
    if priced:
        deltas["dashcam_cost_usd_total", place] += sum(priced) / 1e12
    if unpriced:
        deltas["dashcam_unpriced_requests_total", place] += len(unpriced)


def _attempts(deltas: Deltas, group: Sequence[Entry]) -> None:
    tries = Counter([(item.provider, item.error, item.http_status) for entry in group for item in entry.attempts])
    for (provider, error, status), number in tries.items():
        reason = ("reason", error or ("unanswered" if status is None else "answered"))
        deltas["dashcam_upstream_attempts_total", (("provider", provider), reason)] += number


def _times(deltas: Deltas, items: Sequence[Interaction], place: Labels, what: tuple[str, str]) -> None:
    per_token = [
        max(0.0, item.duration_ms - item.ttft_ms) / (item.output_tokens - 1)
        for item in items
        if item.ttft_ms is not None and item.duration_ms is not None and item.output_tokens and item.output_tokens > 1
    ]
    _observe(deltas, "dashcam_request_duration_seconds", [item.duration_ms for item in items], (*place, what))
    _observe(deltas, "dashcam_time_to_first_token_seconds", [item.ttft_ms for item in items], place)
    _observe(deltas, "dashcam_overhead_seconds", [item.overhead_ms for item in items], (what,))
    _observe(deltas, "dashcam_time_per_output_token_seconds", per_token, place)


def _observe(deltas: Deltas, family: str, milliseconds: Sequence[float | None], labels: Labels) -> None:
    seconds = [each / 1000 for each in milliseconds if each is not None]
    bounds = HISTOGRAMS[family]
    for at, number in Counter([bisect_left(bounds, each) for each in seconds]).items():
        bound = bounds[at] if at < len(bounds) else None
        deltas[f"{family}_bucket", (*labels, ("le", bound_label(bound)))] += number
    if seconds:
        deltas[f"{family}_sum", labels] += sum(seconds)
