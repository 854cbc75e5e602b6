"""One transaction a batch: exactly once for rows, rollups, counters and bodies, whatever is replayed or refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.interaction import Entry
from proxy.domain.outcome import Outcome
from proxy.store.migration import upgrade
from proxy.store.reading import Reader
from proxy.store.statements import Filters
from proxy.store.writing import (
    ParkedPart,
    RowError,
    SourceState,
    StoreUnavailableError,
    StoreWriter,
    Totals,
    WriteBatch,
)
from tests.support.entries import an_entry, with_body

KEEPS_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)


def count(entries: Sequence[Entry]) -> Totals:
    return {("calls", "{}"): float(len(entries))}


def write(writer: StoreWriter, *entries: Entry, position: int = 0) -> int:
    batch = WriteBatch(entries=[("s", item) for item in entries], states=[SourceState("s", 1, position)])
    return len(writer.write(batch, count).inserted)


def test_a_row_comes_back_with_its_bodies_and_texts(writer: StoreWriter, reader: Reader) -> None:
    entry = an_entry(request=b'{"x":"y"}', tool_names=("a", "b"), usage_raw={"n": 1})
    assert write(writer, entry) == 1
    row = reader.interaction(entry.interaction.id[:12])
    assert row["cost_usd"] == pytest.approx(2.5e-6)
    assert row["cost_pico_usd"] == 2_500_000
    assert (row["tool_names"], row["usage_raw"]) == (["a", "b"], {"n": 1})
    body = reader.body(entry.interaction.id, "request")
    assert body is not None
    assert body.content == b'{"x":"y"}'


@pytest.mark.parametrize("name", ["my data", "a#b", "a?b", "a%41b", "ünï", "a?mode=memory"])
def test_the_database_lies_where_its_path_says_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "dashcam.db"
    upgrade(path)
    writer = StoreWriter(path)
    assert write(writer, an_entry()) == 1
    reader = Reader(path)
    assert reader.counts()["interactions"] == 1
    reader.close()
    writer.close()
    assert [item.name for item in tmp_path.iterdir()] == [name]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@KEEPS_FOLDER
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_any_replay_changes_nothing(writer: StoreWriter, reader: Reader, order: list[int]) -> None:
    before = int(reader.totals().get(("calls", "{}"), 0))
    entries = [an_entry() for _ in range(10)]
    for index in order:
        write(writer, entries[index], entries[index])
    wanted = len(set(order))
    assert reader.totals()[("calls", "{}")] - before == wanted
    assert reader.states()[0]["stored"] == reader.counts()["interactions"] == before + wanted


def test_rollups_views_and_rows_agree(path: Path, writer: StoreWriter) -> None:
    write(writer, *(an_entry() for _ in range(5)), an_entry(model="other", cost_pico_usd=None))
    database = sqlite3.connect(path)
    daily = database.execute(
        "SELECT model, calls, cost_usd, unpriced_calls FROM v_daily_cost ORDER BY model"
    ).fetchall()
    rows = database.execute("SELECT model, count(*), sum(cost_usd) FROM interaction GROUP BY 1 ORDER BY 1").fetchall()
    latency = database.execute("SELECT model, calls, p50_ms FROM v_model_latency WHERE model = 'gpt-5'").fetchall()
    database.close()
    assert [row[:2] for row in daily] == [row[:2] for row in rows]
    assert daily[0][2] == pytest.approx(rows[0][2])
    assert daily[1][3] == 1
    assert latency[0][:2] == ("gpt-5", 5)
    assert latency[0][2] == pytest.approx(1200.5, rel=0.05)


@pytest.mark.parametrize(
    "view",
    ["v_daily_cost", "v_hourly", "v_model_latency", "v_failures", "v_slowest", "v_expensive", "v_sessions", "v_users"],
)
def test_every_view_answers(path: Path, writer: StoreWriter, view: str) -> None:
    write(writer, an_entry(session_id="s", user_id="u"))
    database = sqlite3.connect(path)
    rows = database.execute(f"SELECT * FROM {view}").fetchall()
    database.close()
    assert len(rows) == (0 if view == "v_failures" else 1)


def test_a_client_that_left_is_no_error_in_any_view(path: Path, writer: StoreWriter) -> None:
    write(writer, *(an_entry(outcome=each, success=False) for each in (Outcome.CLIENT_GONE, Outcome.TIMED_OUT)))
    database = sqlite3.connect(path)
    errors = [database.execute(f"SELECT calls, errors FROM {view}").fetchall() for view in ("v_daily_cost", "v_hourly")]
    failures = database.execute("SELECT outcome FROM v_failures").fetchall()
    database.close()
    assert (errors, failures) == ([[(2, 1)], [(2, 1)]], [("timed_out",)])


def test_a_repeated_history_is_stored_once(path: Path, writer: StoreWriter, reader: Reader) -> None:
    message = b'{"role":"user","content":"' + b"words that come again " * 100 + b'"},'
    bodies = [b'{"messages":[' + message * turns + b"]}" for turns in range(1, 21)]
    entries = []
    for body in bodies:
        cuts = tuple(range(13, len(body) - 2, len(message)))
        entries.append(with_body(an_entry(), body, cuts))
    write(writer, *entries)
    for entry, body in zip(entries, bodies, strict=True):
        found = reader.body(entry.interaction.id, "request")
        assert found is not None
        assert found.content == body
    database = sqlite3.connect(path)
    (chunks,) = database.execute("SELECT count(*) FROM body_chunk").fetchone()
    database.close()
    assert chunks < 10


def test_a_row_out_of_range_is_refused_and_leaves_nothing(writer: StoreWriter, reader: Reader) -> None:
    bad = an_entry(input_tokens=-1)
    with pytest.raises(RowError):
        write(writer, an_entry(), bad, position=99)
    assert reader.counts()["interactions"] == 0
    assert reader.states() == []
    assert reader.totals() == {}


def test_a_locked_database_is_told_apart_from_a_bad_row(path: Path, tmp_path: Path) -> None:
    writer = StoreWriter(path)
    other = sqlite3.connect(path, isolation_level=None)
    writer._engine.raw_connection().execute("PRAGMA busy_timeout=10")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailableError):
        write(writer, an_entry())
    other.execute("ROLLBACK")
    other.close()
    assert write(writer, an_entry()) == 1
    writer.close()


def test_parked_parts_are_kept_until_the_call_ends(writer: StoreWriter, reader: Reader) -> None:
    part = ParkedPart("id-1", 0, "s", 7, b"records")
    writer.write(WriteBatch(parked=[part, replace(part, part=1)]), count)
    assert [(row["part"], row["payload"]) for row in reader.parked()] == [(0, b"records"), (1, b"records")]
    writer.write(WriteBatch(unparked=["id-1"]), count)
    assert reader.parked() == []


def test_files_are_private(path: Path, writer: StoreWriter) -> None:
    write(writer, an_entry())
    assert {item.stat().st_mode & 0o077 for item in path.parent.iterdir()} == {0}


def test_the_newest_first(writer: StoreWriter, reader: Reader) -> None:
    entries = [an_entry() for _ in range(3)]
    write(writer, *entries)
    listed = reader.list_interactions(Filters(), 2)
    assert [row["id"] for row in listed] == [entries[2].interaction.id, entries[1].interaction.id]


def test_a_damaged_database_is_the_fault_of_no_row(path: Path, writer: StoreWriter) -> None:
    write(writer, *(an_entry() for _ in range(50)))
    writer.close()
    database = sqlite3.connect(path)
    (size,) = database.execute("PRAGMA page_size").fetchone()
    (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name LIKE 'ix_interaction_model%'").fetchone()
    database.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xa5" * size)
    with pytest.raises(StoreUnavailableError, match="damaged"):
        write(StoreWriter(path), an_entry())


def test_tags_and_metadata_are_rows_too_for_tools_that_cannot_read_json(path: Path, writer: StoreWriter) -> None:
    tagged = an_entry(tags=("eu", "x"), metadata={"team": "blue", "tag:x": "said twice"})
    write(writer, tagged, an_entry())
    write(writer, tagged)
    database = sqlite3.connect(path)
    rows = database.execute("SELECT interaction_id, key, value FROM interaction_metadata ORDER BY key").fetchall()
    database.close()
    identity = tagged.interaction.id
    assert rows == [(identity, "tag:eu", "eu"), (identity, "tag:x", "said twice"), (identity, "team", "blue")]
