"""One transaction a batch: exactly once for rows, rollups, counters and bodies, whatever is replayed or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry
from proxy.domain.outcome import Outcome
from proxy.errors import NotFoundError
from proxy.settings.database import DatabaseSettings
from proxy.store.contents.set_aside import ParkedPart
from proxy.store.engines.failures import RowError
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import LARGEST
from proxy.store.writing.batches import Totals, WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry, with_body
from tests.support.rollups import ask

PARKED = "01a1ee56-5e00-737f-bd41-0eb8af90cea6"
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


def test_rollups_views_and_rows_agree(store: DatabaseSettings, writer: StoreWriter) -> None:
    write(writer, *(an_entry() for _ in range(5)), an_entry(model="other", cost_pico_usd=None))
    daily = ask(store, "SELECT model, calls, cost_usd, unpriced_calls FROM v_daily_cost ORDER BY model")
    rows = ask(store, "SELECT model, count(*), sum(cost_usd) FROM interaction GROUP BY 1 ORDER BY 1")
    latency = ask(store, "SELECT model, calls, p50_ms FROM v_model_latency WHERE model = 'gpt-5'")
    assert [row[:2] for row in daily] == [row[:2] for row in rows]
    assert daily[0][2] == pytest.approx(rows[0][2])
    assert daily[1][3] == 1
    assert latency[0][:2] == ("gpt-5", 5)
    assert latency[0][2] == pytest.approx(1200.5, rel=0.05)


def test_what_an_hour_has_cost_has_a_largest_value_and_no_call_is_refused_for_it(
    store: DatabaseSettings, writer: StoreWriter, reader: Reader
) -> None:
    """A provider that says what calls cost can say anything."""
    large = LARGEST // 3
    write(writer, an_entry(cost_pico_usd=large))
    write(writer, *(an_entry(cost_pico_usd=large) for _ in range(4)), position=2)
    write(writer, an_entry(cost_pico_usd=large), position=3)
    assert reader.counts()["interactions"] == 6
    ((calls, cost),) = ask(store, "SELECT calls, cost_pico_usd FROM rollup_hourly")
    assert (calls, cost) == (6, LARGEST)


@pytest.mark.parametrize(
    "view",
    ["v_daily_cost", "v_hourly", "v_model_latency", "v_failures", "v_slowest", "v_expensive", "v_sessions", "v_users"],
)
def test_every_view_answers(store: DatabaseSettings, writer: StoreWriter, view: str) -> None:
    write(writer, an_entry(session_id="s", user_id="u"))
    rows = ask(store, f"SELECT * FROM {view}")
    assert len(rows) == (0 if view == "v_failures" else 1)


def test_a_client_that_left_is_no_error_in_any_view(store: DatabaseSettings, writer: StoreWriter) -> None:
    write(writer, *(an_entry(outcome=each, success=False) for each in (Outcome.CLIENT_GONE, Outcome.TIMED_OUT)))
    errors = [ask(store, f"SELECT calls, errors FROM {view}") for view in ("v_daily_cost", "v_hourly")]
    failures = ask(store, "SELECT outcome FROM v_failures")
    assert (errors, failures) == ([[(2, 1)], [(2, 1)]], [("timed_out",)])


def test_a_repeated_history_is_stored_once(store: DatabaseSettings, writer: StoreWriter, reader: Reader) -> None:
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
    ((chunks,),) = ask(store, "SELECT count(*) FROM body_chunk")
    assert chunks < 10


def test_a_slice_that_is_there_is_not_written_again(store: DatabaseSettings, writer: StoreWriter) -> None:
    """Neither is a number used up for it: the hundredth turn of a conversation would use up as many as it has turns."""
    body = b"once and for all " * 1000
    for more in (b"", b"a", b"ab"):
        write(writer, with_body(an_entry(), body + more, (4000, 8000, len(body))))
    numbers = ask(store, "SELECT number FROM body_chunk ORDER BY number")
    assert [number - numbers[0][0] for (number,) in numbers] == [0, 1, 2, 3, 4]


def test_a_row_out_of_range_is_refused_and_leaves_nothing(writer: StoreWriter, reader: Reader) -> None:
    bad = an_entry(input_tokens=-1)
    with pytest.raises(RowError):
        write(writer, an_entry(), bad, position=99)
    assert reader.counts()["interactions"] == 0
    assert reader.states() == []
    assert reader.totals() == {}


def test_parked_parts_are_kept_until_the_call_ends(writer: StoreWriter, reader: Reader) -> None:
    part = ParkedPart(PARKED, 0, "s", 7, b"records")
    writer.write(WriteBatch(parked=[part, replace(part, part=1)]), count)
    assert [(row["part"], row["payload"]) for row in reader.parked()] == [(0, b"records"), (1, b"records")]
    with pytest.raises(NotFoundError, match="is still under way"):
        reader.interaction(PARKED)
    writer.write(WriteBatch(unparked=[PARKED]), count)
    assert reader.parked() == []


def test_another_hosts_open_calls_are_not_ours_to_read(store: DatabaseSettings, reader: Reader) -> None:
    mint = IdentityMint()
    ids = [id_text(mint.mint()) for _ in range(2)]
    for host, identity in zip(("a", "b"), ids, strict=True):
        writer = StoreWriter(store, host)
        part = ParkedPart(identity, 0, f"of-{host}", 7, b"records")
        writer.write(WriteBatch(parked=[part], states=[SourceState(f"of-{host}", 1, 9)]), count)
        writer.close()
    assert [row["id"] for row in reader.parked("a")] == ids[:1]


def test_the_newest_first(writer: StoreWriter, reader: Reader) -> None:
    entries = [an_entry() for _ in range(3)]
    write(writer, *entries)
    listed = reader.list_interactions(Filters(), 2)
    assert [row["id"] for row in listed] == [entries[2].interaction.id, entries[1].interaction.id]


def test_tags_and_metadata_are_rows_too_for_tools_that_cannot_read_json(
    store: DatabaseSettings, writer: StoreWriter
) -> None:
    tagged = an_entry(tags=("eu", "x"), metadata={"team": "blue", "tag:x": "said twice"})
    write(writer, tagged, an_entry())
    write(writer, tagged)
    rows = ask(store, "SELECT interaction_id, key, value FROM interaction_metadata ORDER BY key")
    identity = tagged.interaction.id
    assert rows == [(identity, "tag:eu", "eu"), (identity, "tag:x", "said twice"), (identity, "team", "blue")]
