"""How often a prompt was used, when last and with what outcome, as the record of calls says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.domain.interaction import Entry
from proxy.store.catalogue.prompt_usage import PromptUsage, all_usage, last_call, usage_of
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry

_HOUR = 3_600_000
BEGAN = datetime.fromtimestamp(STARTED_AT // _HOUR * _HOUR / 1000, UTC)


def used(
    name: str, version: int | None, after_ms: int = 0, output: str | None = "answered", **changes: object
) -> Entry:
    said = {"prompt_name": name, "prompt_version": version, "started_at": STARTED_AT + after_ms}
    made = an_entry()
    return replace(made, interaction=replace(made.interaction, **said, **changes), output_text=output)  # type: ignore[arg-type]


def recorded(writer: StoreWriter) -> StoreWriter:
    entries = [
        used("short", 1, -_HOUR),
        used("short", 2, 0, "first"),
        used("short", 2, 5, "newest", prompt_label="production", model="gpt-6"),
        used("short", None, -2 * _HOUR),
        used("other", 1, 10),
        an_entry(),
    ]
    writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {})
    return writer


@pytest.fixture
def record(writer: StoreWriter) -> StoreWriter:
    return recorded(writer)


def test_uses_are_counted_by_version(record: StoreWriter) -> None:
    with record.transaction() as connection:
        assert usage_of(connection, "short") == PromptUsage(calls=4, last_hour=BEGAN, versions={0: 1, 1: 1, 2: 2})
        assert usage_of(connection, "nobody") == PromptUsage()
        assert {name: item.calls for name, item in all_usage(connection).items()} == {"short": 4, "other": 1}


def test_the_newest_call_says_what_came_of_it(record: StoreWriter) -> None:
    with record.transaction() as connection:
        found = last_call(connection, "short", BEGAN, with_output=True)
        assert found is not None
        assert (found.version, found.label, found.model, found.outcome, found.output) == (
            2, "production", "gpt-6", "completed", "newest")  # fmt: skip
        assert round(found.started_at.timestamp() * 1000) == STARTED_AT + 5
        assert last_call(connection, "nobody", BEGAN) is None


def test_where_nothing_is_kept_of_an_answer_there_is_no_output(writer: StoreWriter) -> None:
    entry = replace(used("bare", 1, output=None), input_text=None)
    writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {})
    with writer.transaction() as connection:
        found = last_call(connection, "bare", BEGAN, with_output=True)
    assert found is not None
    assert found.output is None


def test_the_last_call_is_found_by_an_index(file_writer: StoreWriter) -> None:
    said: list[str] = []
    with recorded(file_writer).transaction() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(said.append)
        last_call(connection, "short", BEGAN)
        raw.set_trace_callback(None)
        plan = [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said[-1]}")]
    assert any("ix_interaction_prompt_name (prompt_name=? AND started_at>? AND started_at<?)" in line for line in plan)
    assert not any(line.startswith("SCAN") for line in plan)
