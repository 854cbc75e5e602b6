"""Rollups say in sums what the rows say one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.outcome import Outcome
from proxy.store.schema.rows import LARGEST
from proxy.store.sums.daily import usage_rows
from proxy.store.sums.rollups import bucket_of, latency_counts, latency_rows, rollup_changes, rollup_rows, upper_of
from tests.support.entries import STARTED_AT, an_interaction


@given(st.floats(0.001, 1e9))
def test_a_duration_lies_in_its_bucket_which_is_five_percent_wide(milliseconds: float) -> None:
    bucket = bucket_of(milliseconds)
    assert upper_of(bucket - 1) * (1 - 1e-9) < milliseconds <= upper_of(bucket) * (1 + 1e-6)


def test_calls_of_one_hour_and_kind_are_one_row() -> None:
    items = [an_interaction(), an_interaction(cost_pico_usd=None, input_tokens=None), an_interaction()]
    (row,) = rollup_rows(rollup_changes([], items))
    assert row[1:7] == ("openai", "gpt-5", "", "", 0, "completed")
    assert row[7:] == (3, 20, 15, 0, 5_000_000, 1, 3601.5)


def test_hours_models_and_outcomes_are_kept_apart() -> None:
    items = [
        an_interaction(),
        an_interaction(started_at=STARTED_AT + 3_600_000),
        an_interaction(model="other"),
        an_interaction(outcome=Outcome.TIMED_OUT, success=False),
    ]
    assert len(rollup_rows(rollup_changes([], items))) == 4


def test_hours_of_a_day_are_one_row_of_it() -> None:
    items = [an_interaction(started_at=STARTED_AT + number * 3_600_000) for number in (0, 1, 24)]
    first, second = usage_rows(rollup_changes([], items))
    assert (first[0] < second[0], first[1:7]) == (True, second[1:7])
    assert (first[7:], second[7:]) == ((2, 20, 10, 0, 5_000_000, 0, 2401.0), (1, 10, 5, 0, 2_500_000, 0, 1200.5))


def test_a_call_that_is_counted_in_another_hour_leaves_its_day_alone() -> None:
    changes = rollup_changes([an_interaction()], [an_interaction(started_at=STARTED_AT + 3_600_000)])
    assert [row[7] for row in rollup_rows(changes)] == [-1, 1]
    assert usage_rows(changes) == []


def test_a_days_cost_stays_where_a_column_ends() -> None:
    items = [an_interaction(started_at=STARTED_AT + n * 3_600_000, cost_pico_usd=LARGEST - 1) for n in (0, 1)]
    assert [row[11] for row in usage_rows(rollup_changes([], items))] == [LARGEST]


def test_only_successful_calls_have_a_latency() -> None:
    items = [an_interaction(ttft_ms=100.0), an_interaction(outcome=Outcome.TIMED_OUT, success=False)]
    rows = latency_rows(latency_counts(items))
    assert [(row[3], row[-1]) for row in rows] == [("duration", 1), ("ttft", 1)]
