"""What calls add to the counters of /metrics: pure, entries in, deltas out.

They are written in the rows' transaction and seed the registry at the next start, so counters never fall back. Labels
are closed sets: ``model`` is a name that has answered before, at most 50, the rest is ``other``; the name in a failed
call never becomes a label. A histogram is kept as one counter per bucket bound, plus sum and count.
"""

from __future__ import annotations

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
    """Return the deltas that these entries add."""
    deltas: dict[Key, float] = {}
    for entry in entries:
        item = entry.interaction
        place = {"provider": item.provider or NONE, "model": names.label(item)}
        _add(deltas, "dashcam_requests_total", 1, {
            **place, "operation": item.operation, "outcome": item.outcome.value, "status": status_of(item.http_status),
        })  # fmt: skip
        _tokens(deltas, item, place)
        if item.cost_pico_usd is not None:
            _add(deltas, "dashcam_cost_usd_total", item.cost_pico_usd / 1e12, place)
        elif item.cost_status is CostStatus.UNPRICED:
            _add(deltas, "dashcam_unpriced_requests_total", 1, place)
        for attempt in entry.attempts:
            reason = attempt.error or "answered"
            _add(deltas, "dashcam_upstream_attempts_total", 1, {"provider": attempt.provider, "reason": reason})
        _times(deltas, item, place)
    return deltas


def _tokens(deltas: dict[Key, float], item: Interaction, place: dict[str, str]) -> None:
    counts = {
        "input": item.input_tokens,
        "output": item.output_tokens,
        "cached": item.cached_tokens,
        "cache_write": item.cache_write_tokens,
        "reasoning": item.reasoning_tokens,
    }
    for kind, number in counts.items():
        if number:
            _add(deltas, "dashcam_tokens_total", number, {**place, "type": kind})


def _times(deltas: dict[Key, float], item: Interaction, place: dict[str, str]) -> None:
    operation = {"operation": item.operation}
    _observe(deltas, "dashcam_request_duration_seconds", item.duration_ms, {**place, **operation})
    _observe(deltas, "dashcam_time_to_first_token_seconds", item.ttft_ms, place)
    _observe(deltas, "dashcam_overhead_seconds", item.overhead_ms, operation)
    if item.ttft_ms is not None and item.duration_ms is not None and (item.output_tokens or 0) > 1:
        each = max(0.0, item.duration_ms - item.ttft_ms) / (item.output_tokens - 1)  # type: ignore[operator]
        _observe(deltas, "dashcam_time_per_output_token_seconds", each, place)


def _observe(deltas: dict[Key, float], family: str, milliseconds: float | None, labels: dict[str, str]) -> None:
    if milliseconds is None:
        return
    seconds = milliseconds / 1000
    bound = next((bound for bound in HISTOGRAMS[family] if seconds <= bound), None)
    _add(deltas, f"{family}_bucket", 1, {**labels, "le": bound_label(bound)})
    _add(deltas, f"{family}_sum", seconds, labels)


def _add(deltas: dict[Key, float], family: str, amount: float, labels: dict[str, str]) -> None:
    key = (family, orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode())
    deltas[key] = deltas.get(key, 0) + amount
