"""Rows, rollups and views say the same on both engines, whatever was written, replayed, amended and rebuilt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.interaction import Entry
from proxy.domain.outcome import Outcome
from proxy.settings.database import DatabaseSettings
from proxy.store.care.maintenance import REBUILD
from proxy.store.changes.amending import Amendment, Change
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import LARGEST
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.rollups import ask, assert_rollups_equal_the_rows

DAY = 86_400_000
VIEWS = {
    "v_daily_cost": "day provider model calls errors input_tokens output_tokens cached_tokens cost_usd unpriced_calls",
    "v_hourly": "hour calls errors input_tokens output_tokens cost_usd average_ms",
    "v_model_latency": "day provider model calls p50_ms p90_ms p95_ms p99_ms ttft_p50_ms ttft_p95_ms",
    "v_failures": "provider model outcome http_status error_type error_code calls last_seen sample_id day share",
    "v_slowest": "id started_at provider model operation duration_ms ttft_ms output_tokens outcome",
    "v_expensive": "id started_at provider model operation cost_usd input_tokens output_tokens outcome",
    "v_sessions": "session_id first_seen last_seen calls cost_usd total_tokens errors input_tokens output_tokens "
    "unpriced_calls",
    "v_users": "user_id first_seen last_seen calls cost_usd total_tokens errors input_tokens output_tokens "
    "unpriced_calls",
    "v_tools": "tool first_seen last_seen calls cost_usd total_tokens errors input_tokens output_tokens unpriced_calls",
    "v_daily_use": "day subject name calls errors input_tokens output_tokens total_tokens cost_usd unpriced_calls "
    "first_seen last_seen",
    "v_prompt_performance": "prompt_name prompt_version calls errors error_rate p50_ms p95_ms input_tokens "
    "output_tokens cost_usd avg_cost_usd unpriced_calls score_mean score_n score_low score_high first_day last_day",
    "prompt_history": "timestamp input_text output_text backend model_used preset attempt latency_ms success "
    "error_message failure_reason metadata",
}
CALLS = [
    an_entry(session_id="s1", user_id="u1", tool_names=("search", "read"), prompt_name="reply", prompt_version=3,
             total_tokens=15, duration_ms=1000.0, ttft_ms=100.0, score=0.5, score_count=1),
    an_entry(session_id="s1", user_id="u2", prompt_name="reply", prompt_version=3, total_tokens=15, duration_ms=3000.0,
             started_at=STARTED_AT + DAY, score=1.0, score_count=1),
    an_entry(session_id="s2", user_id="u1", cost_pico_usd=None, duration_ms=45_000.0, total_tokens=15),
    an_entry(outcome=Outcome.UPSTREAM_ERROR, success=False, http_status=429, error_code="rate_limit",
             cost_pico_usd=None, input_tokens=None, output_tokens=None, error_message="slow down", user_id="u1"),
    an_entry(cost_pico_usd=200_000_000_000, model="dear"),
]  # fmt: skip


def write(writer: StoreWriter, *entries: Entry) -> None:
    writer.write(WriteBatch([("boot-0", entry) for entry in entries]), lambda _: {})


def columns_of(reader: Reader, view: str) -> str:
    with reader._connect() as connection:
        return " ".join(connection.exec_driver_sql(f"SELECT * FROM {view} LIMIT 0").keys())


def test_every_view_has_its_columns_and_says_what_the_rows_say(
    store: DatabaseSettings, writer: StoreWriter, reader: Reader
) -> None:
    write(writer, *CALLS)
    assert {view: columns_of(reader, view) for view in VIEWS} == VIEWS
    assert_rollups_equal_the_rows(store)
    sessions = ask(store, "SELECT session_id, calls, total_tokens, cost_usd, unpriced_calls FROM v_sessions ORDER BY 1")
    assert sessions == [("s1", 2, 30, 5e-06, 0), ("s2", 1, 15, None, 1)]
    assert ask(store, "SELECT user_id, calls, errors FROM v_users ORDER BY 1") == [("u1", 3, 1), ("u2", 1, 0)]
    assert ask(store, "SELECT tool, calls FROM v_tools ORDER BY 1") == [("read", 1), ("search", 1)]
    assert ask(store, "SELECT error_code, http_status, error_type, calls, sample_id, share FROM v_failures") == [
        ("rate_limit", 429, None, 1, CALLS[3].interaction.id, pytest.approx(1 / 3))
    ]
    assert ask(store, "SELECT duration_ms FROM v_slowest")[:2] == [(45_000.0,), (3000.0,)]
    assert ask(store, "SELECT model, cost_usd FROM v_expensive")[:2] == [("dear", 0.2), ("gpt-5", 2.5e-06)]
    (prompt,) = ask(store, "SELECT calls, error_rate, p50_ms, p95_ms, avg_cost_usd, score_mean, score_n, score_low, "
                           "score_high FROM v_prompt_performance WHERE prompt_name = 'reply'")  # fmt: skip
    assert prompt == (2, 0.0, pytest.approx(1000, rel=0.05), pytest.approx(3000, rel=0.05), 2.5e-06, 0.75, 2, 0.5, 1.0)
    (failed,) = ask(store, "SELECT backend, failure_reason, error_message, success FROM prompt_history "
                           "WHERE failure_reason IS NOT NULL")  # fmt: skip
    assert failed == ("openai", "rate_limit", "slow down", 0)
    assert (
        ask(store, "SELECT input_text, preset FROM prompt_history WHERE preset IS NOT NULL") == [("asked", "reply")] * 2
    )


def test_a_sum_that_has_no_room_breaks_no_view(store: DatabaseSettings, writer: StoreWriter) -> None:
    facts: dict[str, Any] = {"cost_pico_usd": LARGEST, "user_id": "u", "prompt_name": "p"}
    for day in (0, 0, 1, 2):
        write(writer, an_entry(started_at=STARTED_AT + day * 3_600_000 * 25, **facts))
    for view in ("v_users", "v_daily_cost", "v_hourly", "v_prompt_performance"):
        costs = [cost for (cost,) in ask(store, f"SELECT cost_usd FROM {view} WHERE cost_usd IS NOT NULL")]
        assert sum(costs) == pytest.approx(3 * LARGEST / 1e12), view


def _amended(writer: StoreWriter, rows: list[dict[str, Any]], after: dict[str, Any]) -> None:
    changes = [Change(id=row["id"], before={name: row[name] for name in after}, after=after) for row in rows]
    writer.amend(Amendment(command="test", reason="test", at=1, changes=changes))


_AFTER = st.sampled_from(
    [
        {"cost_pico_usd": 7}, {"cost_pico_usd": None}, {"user_id": "u2", "tool_names": ["c"]}, {"session_id": None},
        {"outcome": "timed_out", "success": False, "error_code": "late"}, {"duration_ms": 5.0, "total_tokens": 9},
        {"prompt_name": "p", "prompt_version": 2}, {"http_status": 500, "error_type": "x"},
    ]
)  # fmt: skip
_ENTRIES = st.builds(
    an_entry,
    started_at=st.sampled_from([STARTED_AT, STARTED_AT + 3_600_000, STARTED_AT + DAY, STARTED_AT - 3 * DAY]),
    user_id=st.sampled_from([None, "u1", "u2"]),
    session_id=st.sampled_from([None, "s"]),
    tool_names=st.sampled_from([(), ("a",), ("a", "b", "a")]),
    prompt_name=st.sampled_from([None, "p"]),
    outcome=st.sampled_from([Outcome.COMPLETED, Outcome.TIMED_OUT, Outcome.CLIENT_GONE]),
    success=st.booleans(),
    cost_pico_usd=st.sampled_from([None, 0, 5]),
    total_tokens=st.sampled_from([None, 15]),
    duration_ms=st.sampled_from([None, 1.0, 40_000.0]),
)
_STEPS = st.lists(
    st.tuples(st.lists(_ENTRIES, min_size=1, max_size=4), st.booleans(), st.none() | _AFTER, st.booleans()),
    min_size=1, max_size=3,
)  # fmt: skip


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(steps=_STEPS)
def test_rows_and_rollups_agree_after_replays_amendments_and_rebuilding(
    fresh: Callable[[], tuple[DatabaseSettings, StoreWriter, Reader]], steps: list[Any]
) -> None:
    store, writer, reader = fresh()
    for entries, is_replayed, after, is_rebuilt in steps:
        entries = [replace(each, interaction=an_entry(**_facts(each)).interaction) for each in entries]
        write(writer, *entries)
        if is_replayed:
            write(writer, *entries, entries[0])
        if after is not None:
            _amended(writer, reader.list_interactions(Filters(), 2), after)
        assert_rollups_equal_the_rows(store)
        if is_rebuilt:
            assert [writer.maintain(f"{REBUILD} {day}").mended for day in reader.days_to_count()].count(0) >= 1
            assert_rollups_equal_the_rows(store)


def _facts(entry: Entry) -> dict[str, Any]:
    """Return a call's facts for another call: an example may be run again in the same database."""
    names = ("started_at", "user_id", "session_id", "tool_names", "prompt_name", "outcome", "success", "cost_pico_usd",
             "total_tokens", "duration_ms")  # fmt: skip
    return {name: getattr(entry.interaction, name) for name in names}


@pytest.fixture
def fresh(
    store: DatabaseSettings, writer: StoreWriter, reader: Reader
) -> Callable[[], tuple[DatabaseSettings, StoreWriter, Reader]]:
    return lambda: (store, writer, reader)


def test_rebuilding_mends_what_is_wrong_and_leaves_days_without_calls_alone(
    store: DatabaseSettings, writer: StoreWriter, reader: Reader
) -> None:
    write(writer, *CALLS)
    days = reader.days_to_count()
    assert days == [
        ask(store, "SELECT min(day) FROM v_daily_cost")[0][0],
        ask(store, "SELECT max(day) FROM v_daily_cost")[0][0],
    ]
    for damage in (
        "UPDATE rollup_hourly SET calls = calls + 1", "DELETE FROM rollup_daily WHERE subject = 'tool'",
        "UPDATE usage_daily SET input_tokens = input_tokens + 1",
        "UPDATE latency_daily SET calls = 9", "DELETE FROM failure_daily", "DELETE FROM latency_histogram",
        "INSERT INTO latency_histogram (hour, provider, model, measure, bucket, upper_ms, calls) "
        "VALUES ('2020-01-01T00', '', 'dropped', 'duration', 1, 1.05, 3)",
    ):  # fmt: skip
        ask(store, damage)
    assert sum(writer.maintain(f"{REBUILD} {day}").mended for day in days) > 0
    assert ask(store, "SELECT calls FROM latency_histogram WHERE model = 'dropped'") == [(3,)]
    ask(store, "DELETE FROM latency_histogram WHERE model = 'dropped'")
    assert_rollups_equal_the_rows(store)
    assert [writer.maintain(f"{REBUILD} {day}").mended for day in days] == [0, 0]
