"""The deltas of the daily rollups. Pure, as ``rollups``: calls as they were and as they are in, sorted rows out.

What was first and last seen only ever widens: a call that is counted elsewhere by now leaves its instant behind, until
the rollups are made anew (``rebuilding``). Counts, tokens and cost are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter

from proxy.domain.interaction import Interaction
from proxy.domain.outcome import Outcome
from proxy.store.schema.columns import day_text, instant_text
from proxy.store.sums.rollups import Counts, Key, Sums, bucket_of, difference, rollup_rows, upper_of, within

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
_named = attrgetter(*SUBJECTS.values())
_Uses = dict[Key, list[tuple[int, ...]]]
"""What each call of a key adds: a call, an error, tokens in, out and all, cost, an unpriced call; and its instant."""


def use_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> list[Key]:
    """Return the rows to add to ``rollup_daily`` when calls are counted as they are now, instead of as they were."""
    before, after = _uses(olds), _uses(news)
    changes = []
    for key in sorted({**before, **after}):
        less, more = before.get(key, []), after.get(key, [])
        *columns, instants = zip(*less, *more, strict=True)
        at = len(less)
        sums = [sum(column[at:]) - sum(column[:at]) for column in columns]
        if any(sums):
            changes.append((*key, *map(within, sums), instant_text(min(instants)), instant_text(max(instants))))
    return changes


def _uses(items: Sequence[Interaction]) -> _Uses:
    uses: _Uses = defaultdict(list)
    for item in items:
        at, cost = item.started_at, item.cost_pico_usd
        day, adds = day_text(at), (
            1, item.outcome not in NO_FAILURES, item.input_tokens or 0, item.output_tokens or 0, item.total_tokens or 0,
            cost or 0, cost is None, at,
        )  # fmt: skip
        for subject, name in zip(SUBJECTS, _named(item), strict=True):
            if name:
                uses[subject, name, day].append(adds)
        for name in {name[:_LONGEST] for name in item.tool_names or ()}:
            if name:
                uses[TOOL, name, day].append(adds)
    return uses


def usage_rows(by_hour: Sums) -> list[Key]:
    """Return the rows to add to ``usage_daily``, given the sums of hours."""
    sums: dict[Key, Sequence[float]] = {}
    for of_hour, values in by_hour.items():
        key = (of_hour[0][:10], *of_hour[1:])
        before = sums.get(key)
        sums[key] = [old + new for old, new in zip(before, values, strict=True)] if before else values
    return rollup_rows(sums)


def latency_rows(by_hour: Counts, of_prompts: Counts) -> list[Key]:
    """Return the rows to add to ``latency_daily``, given those of the hours' histogram and those of prompts."""
    counts: dict[Key, int] = defaultdict(int, of_prompts)
    for (hour, provider, model, measure, bucket), number in by_hour.items():
        counts[hour[:10], provider, model, measure, bucket, "", 0] += number
    return [(*key, upper_of(key[4]), number) for key, number in sorted(counts.items()) if number]


def prompt_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> Counts:
    """Return how many durations of stored prompts the buckets of a day count, more or fewer than before."""
    return difference(_of_prompts(olds), _of_prompts(news))


def _of_prompts(items: Sequence[Interaction]) -> Counts:
    counts: dict[Key, int] = defaultdict(int)
    for item in items:
        if item.prompt_name and item.success and item.duration_ms is not None:
            place = (day_text(item.started_at), "", "", PROMPT, bucket_of(item.duration_ms))
            counts[*place, item.prompt_name, item.prompt_version or 0] += 1
    return counts


def failure_changes(olds: Sequence[Interaction], news: Sequence[Interaction]) -> list[Key]:
    """Return the rows to add to ``failure_daily`` when calls are counted as they are now."""
    last: dict[Key, tuple[int, str]] = {}
    changes = difference(_failures(olds, last), _failures(news, last))
    return [(*key, number, instant_text(last[key][0]), last[key][1]) for key, number in sorted(changes.items())]


def _failures(items: Sequence[Interaction], last: dict[Key, tuple[int, str]]) -> Counts:
    counts: dict[Key, int] = defaultdict(int)
    for item in items:
        if item.outcome in NO_FAILURES:
            continue
        kind = (item.http_status or 0, item.error_type or "", item.error_code or "")
        key = (day_text(item.started_at), item.provider or "", item.model or "", item.outcome.value, *kind)
        counts[key] += 1
        last[key] = max(last.get(key, (item.started_at, item.id)), (item.started_at, item.id))
    return counts
