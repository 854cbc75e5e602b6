"""The deltas of the daily rollups. Pure, as ``rollups``: calls as they were and as they are in, sorted rows out.

What was first and last seen only ever widens: a call that is counted elsewhere by now leaves its instant behind, until
the rollups are made anew (``rebuilding``). Counts, tokens and cost are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from proxy.domain.interaction import Interaction
from proxy.domain.outcome import Outcome
from proxy.store.columns import day_text, instant_text
from proxy.store.rollups import bucket_of, upper_of, within

NO_FAILURES = frozenset({Outcome.COMPLETED, Outcome.CLIENT_GONE})
"""Outcomes that count as no error: a client that leaves had no use for the rest."""
SUBJECTS = {
    "user": "user_id", "session": "session_id", "key": "key_id", "app": "app", "environment": "environment",
}  # fmt: skip
"""What of a call is counted by day, and in which column it stands; tools are counted beside these."""
TOOL = "tool"
PROMPT = "prompt"
"""The measure of ``latency_daily`` that has the durations of calls by stored prompt, whatever the model."""
_LONGEST = 200
_SUMS = 7
_Sums = dict[tuple[Any, ...], list[int]]
_Instants = dict[tuple[Any, ...], tuple[int, int]]


def use_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> list[tuple[Any, ...]]:
    """Return the rows to add to ``rollup_daily`` when calls are counted as they are now, instead of as they were."""
    seen: _Instants = {}
    before, after = _uses(olds, seen), _uses(news, seen)
    changes = []
    for key, values in _differences(before, after):
        first, last = seen[key]
        changes.append((*key, *map(within, values), instant_text(first), instant_text(last)))
    return changes


def _differences(before: _Sums, after: _Sums) -> Iterator[tuple[tuple[Any, ...], list[int]]]:
    nothing = [0] * _SUMS
    for key in sorted({**before, **after}):
        values = [new - old for new, old in zip(after.get(key, nothing), before.get(key, nothing), strict=True)]
        if any(values):
            yield key, values


def _uses(items: Sequence[Interaction], seen: _Instants) -> _Sums:
    sums: _Sums = defaultdict(lambda: [0] * _SUMS)
    for item in items:
        at, is_error = item.started_at, item.outcome not in NO_FAILURES
        day = day_text(at)
        for subject, name in _names(item):
            key = (subject, name, day)
            found = sums[key]
            found[0] += 1
            found[1] += is_error
            found[2] += item.input_tokens or 0
            found[3] += item.output_tokens or 0
            found[4] += item.total_tokens or 0
            found[5] += item.cost_pico_usd or 0
            found[6] += item.cost_pico_usd is None
            first, last = seen.get(key, (at, at))
            seen[key] = min(first, at), max(last, at)
    return dict(sums)


def _names(item: Interaction) -> Iterator[tuple[str, str]]:
    for subject, column in SUBJECTS.items():
        name = getattr(item, column)
        if name:
            yield subject, name
    for name in dict.fromkeys(item.tool_names or ()):
        if name:
            yield TOOL, name[:_LONGEST]


def daily_latency_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> list[tuple[Any, ...]]:
    """Return the rows to add to ``latency_daily`` when calls are counted as they are now."""
    before, after = _counts(olds), _counts(news)
    changes = {key: after.get(key, 0) - before.get(key, 0) for key in {**before, **after}}
    return [(*key, upper_of(key[4]), number) for key, number in sorted(changes.items()) if number]


def _counts(items: Sequence[Interaction]) -> dict[tuple[Any, ...], int]:
    counts: dict[tuple[Any, ...], int] = defaultdict(int)
    for item in items:
        if not item.success:
            continue
        day = day_text(item.started_at)
        place = (day, item.provider or "", item.model or "")
        if item.ttft_ms is not None:
            counts[(*place, "ttft", bucket_of(item.ttft_ms), "", 0)] += 1
        if item.duration_ms is not None:
            bucket = bucket_of(item.duration_ms)
            counts[(*place, "duration", bucket, "", 0)] += 1
            if item.prompt_name:
                counts[day, "", "", PROMPT, bucket, item.prompt_name, item.prompt_version or 0] += 1
    return dict(counts)


def failure_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> list[tuple[Any, ...]]:
    """Return the rows to add to ``failure_daily`` when calls are counted as they are now."""
    last: dict[tuple[Any, ...], tuple[int, str]] = {}
    before, after = _failures(olds, last), _failures(news, last)
    changes = {key: after.get(key, 0) - before.get(key, 0) for key in {**before, **after}}
    return [
        (*key, number, instant_text(last[key][0]), last[key][1]) for key, number in sorted(changes.items()) if number
    ]


def _failures(items: Sequence[Interaction], last: dict[tuple[Any, ...], tuple[int, str]]) -> dict[tuple[Any, ...], int]:
    counts: dict[tuple[Any, ...], int] = defaultdict(int)
    for item in items:
        if item.outcome in NO_FAILURES:
            continue
        kind = (item.http_status or 0, item.error_type or "", item.error_code or "")
        key = (day_text(item.started_at), item.provider or "", item.model or "", item.outcome.value, *kind)
        counts[key] += 1
        last[key] = max(last.get(key, (item.started_at, item.id)), (item.started_at, item.id))
    return dict(counts)
