"""Sums of any span are what its hours say one by one, whichever tables they are read from; on both engines."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.outcome import Outcome
from proxy.query.terms import Text
from proxy.settings.database import DatabaseSettings
from proxy.store.reading import analytics
from proxy.store.reading.analytics import BY_HOUR, MEASURES, Grouping, Only, Span
from proxy.store.reading.reader import Reader
from proxy.store.schema.columns import hour_text
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.rollups import ask

HOUR = 3_600_000
HOURS = 24 * 6
BEGIN = STARTED_AT - STARTED_AT % (24 * HOUR)
COLUMNS = (
    "hour", "provider", "model", "route", "prompt_name", "prompt_version", "outcome", "calls", "input_tokens",
    "output_tokens", "cached_tokens", "cost_pico_usd", "unpriced_calls", "duration_ms_sum",
)  # fmt: skip
Hour = dict[str, Any]


def calls() -> list[Any]:
    """Return calls of six days: in most hours one, in some none, in some several of a kind."""
    chance = random.Random(20)
    return [
        an_entry(
            started_at=BEGIN + chance.randrange(HOURS) * HOUR + chance.randrange(HOUR),
            provider=chance.choice(("openai", "groq", None)),
            model=chance.choice(("a", "b", "b2")),
            prompt_name=chance.choice((None, "reply")),
            outcome=chance.choice((Outcome.COMPLETED, Outcome.CLIENT_GONE, Outcome.TIMED_OUT)),
            cost_pico_usd=chance.choice((None, 10**9, 7)),
            cached_tokens=chance.choice((None, 3)),
            duration_ms=chance.choice((None, 0.5, 12.25)),
        )
        for _ in range(250)
    ]


@pytest.fixture
def filled(store: DatabaseSettings, writer: StoreWriter, reader: Reader) -> tuple[Reader, list[Hour]]:
    entries = calls()
    for start in range(0, len(entries), 50):
        writer.write(WriteBatch(entries=[("s", entry) for entry in entries[start : start + 50]]), lambda _: {})
    rows = ask(store, f"SELECT {', '.join(COLUMNS)} FROM rollup_hourly")
    return reader, [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def within(rows: Sequence[Hour], span: Span) -> list[Hour]:
    first = "" if span.since is None else hour_text(span.since)
    last = "9" if span.until is None else hour_text(max(span.until - 1, 0))
    return [{**row, "day": row["hour"][:10]} for row in rows if first <= row["hour"] <= last]


def summed(rows: Sequence[Hour], by: Sequence[str]) -> dict[tuple[Any, ...], list[Any]]:
    """Return the measures by what they are summed by."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[BY_HOUR[name]] for name in by)].append(row)
    return {key: _measures(found) for key, found in groups.items()}


def _measures(rows: Sequence[Hour]) -> list[Any]:
    every = {name: sum(row[name] for row in rows) for name in COLUMNS[7:]}
    failed = sum(row["calls"] for row in rows if row["outcome"] == "timed_out")
    cost = every["cost_pico_usd"] / 1e12 if every["unpriced_calls"] < every["calls"] else None
    return [every["calls"], failed, *(every[name] for name in COLUMNS[8:11]), _nearly(cost), every["unpriced_calls"],
            _nearly(every["duration_ms_sum"] / every["calls"])]  # fmt: skip


def _nearly(value: float | None) -> Any:
    """Sums of fractions depend on the order, in their last digit."""
    return value if value is None else pytest.approx(value, rel=1e-12)


INSTANTS = st.none() | st.integers(BEGIN - HOUR, BEGIN + HOURS * HOUR) | st.integers(-1, 7).map(
    lambda day: BEGIN + day * 24 * HOUR
)  # fmt: skip
SPANS = st.builds(Span, INSTANTS, INSTANTS)
THINGS = st.lists(st.sampled_from(sorted(BY_HOUR)), min_size=1, max_size=3, unique=True)
ONLY = st.sampled_from(
    [{}, {}, {"model": (Text("b", is_open=True),)}, {"day": (Text(hour_text(BEGIN + 30 * HOUR)[:10]),)},
     {"hour": (Text(hour_text(BEGIN)[:10], is_open=True),)}]
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(span=SPANS, by=THINGS, only=ONLY)
def test_sums_of_any_span_are_those_of_its_hours(
    filled: tuple[Reader, list[Hour]], span: Span, by: list[str], only: Only
) -> None:
    reader, rows = filled
    wanted = [row for row in within(rows, span) if _is_among(row, only)]
    found = reader.answer(analytics.grouped(Grouping(by=tuple(by), span=span, only=only, top=10_000)))
    assert {tuple(row[name] for name in by): [row[name] for name in MEASURES] for row in found} == summed(wanted, by)


def _is_among(row: Hour, only: Only) -> bool:
    return all(
        any(
            row[BY_HOUR[name]].startswith(text.text) if text.is_open else row[BY_HOUR[name]] == text.text
            for text in texts
        )
        for name, texts in only.items()
    )


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(span=SPANS, at=st.sampled_from(analytics.TIMES))
def test_a_summary_of_any_span_is_that_of_its_hours(filled: tuple[Reader, list[Hour]], span: Span, at: str) -> None:
    reader, rows = filled
    by = (at, "model", "provider", "outcome")
    found = reader.answer(analytics.overall(span, by, 100))
    wanted = {(name, key): sums for name in by for (key,), sums in summed(within(rows, span), (name,)).items()}
    assert {(row["by"], row["name"]): [row[name] for name in MEASURES] for row in found} == wanted


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(span=SPANS)
def test_shares_of_failures_are_of_the_calls_of_their_days(filled: tuple[Reader, list[Hour]], span: Span) -> None:
    reader, rows = filled
    first, last = span.days()
    days = [row for row in rows if (first or "") <= row["hour"][:10] <= (last or "9")]
    every, failed = defaultdict[Any, int](int), defaultdict[Any, int](int)
    for row in days:
        key = (row["provider"], row["model"])
        every[key] += row["calls"]
        failed[key] += row["calls"] if row["outcome"] == "timed_out" else 0
    found = reader.answer(analytics.failures(span, 1000))
    assert {(row["provider"], row["model"]): row["share"] for row in found} == {
        key: pytest.approx(number / every[key]) for key, number in failed.items() if number
    }


def test_a_month_is_read_from_days(filled: tuple[Reader, list[Hour]], store: DatabaseSettings) -> None:
    reader, rows = filled
    ask(store, "DELETE FROM rollup_hourly")
    (every,) = reader.answer(analytics.grouped(Grouping()))
    assert every["calls"] == sum(row["calls"] for row in rows)
    whole = Span(BEGIN, BEGIN + 2 * 24 * HOUR)
    (two_days,) = reader.answer(analytics.grouped(Grouping(span=whole)))
    assert two_days["calls"] == sum(row["calls"] for row in within(rows, whole))
