"""Rollups say in sums what the rows say one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.outcome import Outcome
from proxy.store.sums.rollups import bucket_of, latency_counts, latency_rows, rollup_changes, upper_of
from tests.support.entries import STARTED_AT, an_interaction


@given(st.floats(0.001, 1e9))
def test_a_duration_lies_in_its_bucket_which_is_five_percent_wide(milliseconds: float) -> None:
    bucket = bucket_of(milliseconds)
    assert upper_of(bucket - 1) * (1 - 1e-9) < milliseconds <= upper_of(bucket) * (1 + 1e-6)


def test_calls_of_one_hour_and_kind_are_one_row() -> None:
    items = [an_interaction(), an_interaction(cost_pico_usd=None, input_tokens=None), an_interaction()]
    (row,) = rollup_changes([], items)
    assert row[1:7] == ("openai", "gpt-5", "", "", 0, "completed")
    assert row[7:] == (3, 20, 15, 0, 5_000_000, 1, 3601.5)


def test_hours_models_and_outcomes_are_kept_apart() -> None:
    items = [
        an_interaction(),
        an_interaction(started_at=STARTED_AT + 3_600_000),
        an_interaction(model="other"),
        an_interaction(outcome=Outcome.TIMED_OUT, success=False),
    ]
    assert len(rollup_changes([], items)) == 4


def test_only_successful_calls_have_a_latency() -> None:
    items = [an_interaction(ttft_ms=100.0), an_interaction(outcome=Outcome.TIMED_OUT, success=False)]
    rows = latency_rows(latency_counts(items))
    assert [(row[3], row[-1]) for row in rows] == [("duration", 1), ("ttft", 1)]
