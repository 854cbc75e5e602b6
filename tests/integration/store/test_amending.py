"""Stored rows change once, their rollups with them, and what they said before is kept."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.cost import Price
from proxy.domain.interaction import Entry
from proxy.domain.outcome import Outcome
from proxy.settings.database import DatabaseSettings
from proxy.store.changes.amending import Amendment, Change
from proxy.store.engines.failures import RowError
from proxy.store.filters.statements import Filters
from proxy.store.reading import analytics
from proxy.store.reading.analytics import Grouping, Span
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.rollups import ask, assert_rollups_equal_the_rows

AT = 1_796_000_000_000
NEW = Price(
    id="new",
    provider="openai",
    model="gpt-5",
    tier="default",
    rates={"input_mtok": "3"},
    source="s",
    source_version="2",
)


def put(writer: StoreWriter, *entries: Entry) -> None:
    writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {})


def priced(entry: Entry, before: int | None, after: int | None) -> Change:
    old = {"cost_pico_usd": before, "cost_status": "unpriced"}
    return Change(
        id=entry.interaction.id,
        before=old,
        after={"cost_pico_usd": after, "cost_status": "computed", "price_id": "new"},
        price=NEW,
    )


def amend(writer: StoreWriter, *changes: Change) -> int:
    return writer.amend(Amendment(command="recost", reason="because", at=AT, changes=changes))


def test_a_row_its_rollups_and_its_history_say_the_same(
    writer: StoreWriter, reader: Reader, store: DatabaseSettings
) -> None:
    entry, other = an_entry(cost_pico_usd=2_500_000), an_entry(cost_pico_usd=7)
    put(writer, entry, other)
    assert amend(writer, priced(entry, 2_500_000, 9_000_000_000_001)) == 1
    row = reader.interaction(entry.interaction.id)
    assert (row["cost_pico_usd"], row["cost_usd"], row["price_id"]) == (9_000_000_000_001, 9.000000000001, "new")
    assert reader.price("new") is not None
    assert_rollups_equal_the_rows(store)
    costs = "cost_pico_usd_before, cost_pico_usd_after, price_id_before, price_id_after, before"
    history = ask(store, f"SELECT interaction_id, amended_at, command, reason, {costs} FROM amendment")
    assert [item[:8] for item in history] == [
        (
            entry.interaction.id,
            "2026-11-30T00:53:20.000Z",
            "recost",
            "because",
            2_500_000,
            9_000_000_000_001,
            None,
            "new",
        )
    ]
    assert orjson.loads(history[0][8]) == {"cost_pico_usd": 2_500_000, "cost_status": "unpriced", "price_id": None}


def test_the_same_batch_again_changes_nothing(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry = an_entry(cost_pico_usd=5)
    put(writer, entry)
    assert [amend(writer, priced(entry, 5, 6)) for _ in range(3)] == [1, 0, 0]
    assert ask(store, "SELECT count(*) FROM amendment") == [(1,)]
    assert_rollups_equal_the_rows(store)


def test_a_row_that_changed_meanwhile_is_left_alone(writer: StoreWriter, reader: Reader) -> None:
    entry = an_entry(cost_pico_usd=5)
    put(writer, entry)
    assert amend(writer, priced(entry, 4, 6)) == 0
    assert reader.interaction(entry.interaction.id)["cost_pico_usd"] == 5
    gone = Change(id="00000000-0000-7000-8000-000000000000", before={}, after={"cost_pico_usd": 1})
    assert amend(writer, gone) == 0


def test_an_amount_can_become_known_and_unknown(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry = an_entry(cost_pico_usd=None)
    put(writer, entry)
    assert amend(writer, priced(entry, None, 6)) == 1
    assert_rollups_equal_the_rows(store)
    back = Change(id=entry.interaction.id, before={}, after={"cost_pico_usd": None, "cost_status": "unpriced"})
    assert amend(writer, back) == 1
    assert ask(store, "SELECT cost_usd FROM interaction") == [(None,)]
    assert_rollups_equal_the_rows(store)


def test_another_model_and_outcome_move_the_call_between_rollups(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry, other = an_entry(model="a", ttft_ms=5.0), an_entry(model="b")
    put(writer, entry, other)
    change = Change(
        id=entry.interaction.id,
        before={"model": "a"},
        after={"model": "b", "outcome": "upstream_error", "success": 0, "tool_names": ["x"], "input_tokens": 99},
    )
    assert amend(writer, change) == 1
    assert_rollups_equal_the_rows(store)
    assert ask(store, "SELECT count(*) FROM rollup_hourly WHERE calls = 0 OR model = 'a'") == [(0,)]
    assert ask(store, "SELECT tool_names FROM interaction WHERE outcome = 'upstream_error'") == [('["x"]',)]


def test_calls_that_days_do_not_count_leave_no_nought_to_divide_by(
    writer: StoreWriter, reader: Reader, store: DatabaseSettings
) -> None:
    """As an older Dashcam leaves them: it knows the sums of hours only."""
    entry, moved = an_entry(cost_pico_usd=5, prompt_name="p"), an_entry(model="b")
    put(writer, entry, moved)
    ask(store, "DELETE FROM usage_daily")
    put(writer, an_entry(model="b", outcome=Outcome.TIMED_OUT))
    change = Change(id=moved.interaction.id, before={"model": "b"}, after={"model": "a"})
    assert amend(writer, priced(entry, 5, 6), change) == 2
    assert ask(store, "SELECT prompt_name, error_rate FROM v_prompt_performance") == []
    assert ask(store, "SELECT model, share FROM v_failures") == [("b", 1.0)]
    assert [float(row["share"]) for row in reader.answer(analytics.failures(Span(), 9))] == [1.0]
    assert [row["model"] for row in reader.answer(analytics.grouped(Grouping(by=("model",))))] == ["a", "b"]
    assert ask(store, "SELECT count(*) FROM usage_daily WHERE calls <= 0") == [(0,)]


def test_texts_are_replaced(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry = an_entry()
    put(writer, entry)
    assert amend(writer, Change(id=entry.interaction.id, before={}, after={"input_length": 1}, texts=("q", None))) == 1
    assert ask(store, "SELECT input_text, output_text FROM interaction_text") == [("q", None)]


@pytest.mark.parametrize("name", ["id", "started_at", "cost_usd", "no_such", 'model" = 1, "id'])
def test_what_must_not_change_is_refused_whole(writer: StoreWriter, store: DatabaseSettings, name: str) -> None:
    first, second = an_entry(cost_pico_usd=5), an_entry()
    put(writer, first, second)
    with pytest.raises(RowError):
        amend(writer, priced(first, 5, 6), Change(id=second.interaction.id, before={}, after={name: "x"}))
    assert ask(store, "SELECT count(*) FROM amendment") == [(0,)]


def test_a_value_that_the_table_refuses_changes_nothing(writer: StoreWriter, store: DatabaseSettings) -> None:
    first, second = an_entry(cost_pico_usd=5), an_entry()
    put(writer, first, second)
    with pytest.raises(RowError):
        amend(writer, priced(first, 5, 6), Change(id=second.interaction.id, before={}, after={"outcome": "nonsense"}))
    assert ask(store, "SELECT cost_pico_usd FROM interaction ORDER BY id LIMIT 1") == [(5,)]
    assert_rollups_equal_the_rows(store)


_PICO = st.none() | st.integers(0, 2**52)
_ROW = st.fixed_dictionaries(
    {
        "cost_pico_usd": _PICO,
        "model": st.sampled_from(["a", "b", None]),
        "outcome": st.sampled_from([Outcome.COMPLETED, Outcome.CLIENT_GONE]),
        "started_at": st.sampled_from([STARTED_AT, STARTED_AT + 3_600_000]),
        "input_tokens": st.none() | st.integers(0, 10**6),
    }
)
_CHANGE: Any = st.fixed_dictionaries(
    {}, optional={"cost_pico_usd": _PICO, "model": st.sampled_from(["a", "c"]), "input_tokens": st.integers(0, 9)}
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.lists(_ROW, min_size=1, max_size=6), st.lists(st.tuples(st.integers(0, 5), _CHANGE), max_size=8))
def test_rollups_equal_the_rows_whatever_is_changed(
    store: DatabaseSettings, rows: list[dict[str, Any]], changes: list[tuple[int, dict[str, Any]]]
) -> None:
    writer = StoreWriter(store)
    entries = [an_entry(**row, success=row["outcome"] is Outcome.COMPLETED) for row in rows]
    put(writer, *entries)
    made = [
        Change(id=entries[at % len(entries)].interaction.id, before={}, after=after) for at, after in changes if after
    ]
    assert amend(writer, *made) == len(made)
    writer.close()
    assert_rollups_equal_the_rows(store)


def test_a_page_of_rows_has_where_they_were_sent(writer: StoreWriter, reader: Reader) -> None:
    entries = sorted((an_entry() for _ in range(5)), key=lambda item: item.interaction.id)
    put(writer, *entries)
    first = reader.slice_after("", Filters(), 3)
    rest = reader.slice_after(first[-1]["id"], Filters(), 3)
    assert [row["id"] for row in [*first, *rest]] == [item.interaction.id for item in entries]
    assert {row["upstream"] for row in first} == {None}
