"""An erased call leaves nothing but its id: rows, texts, history and sums are those of the calls that are left."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from proxy.domain.feedback import Feedback, FeedbackKind, FeedbackSource
from proxy.domain.interaction import Attempt, Entry
from proxy.domain.outcome import ContentState, Outcome
from proxy.settings.database import DatabaseSettings
from proxy.store.changes import feedback
from proxy.store.changes.amending import Amendment, Change
from proxy.store.contents.set_aside import Quarantined
from proxy.store.erasure import erasing
from proxy.store.reading.reader import Reader
from proxy.store.schema import tables
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.rollups import ask, assert_rollups_equal_the_rows

SECRET = b"the canary sings at dawn "
AT = STARTED_AT + 86_400_000


def put(writer: StoreWriter, *entries: Entry) -> int:
    batch = WriteBatch(
        entries=[("s", item) for item in entries], states=[SourceState("s", 1, 0, accepted=len(entries))]
    )
    return len(writer.write(batch, lambda _: {}).inserted)


def erase(writer: StoreWriter, *entries: Entry, purge: int | None = None) -> int:
    with writer.transaction() as connection:
        return erasing.erase(connection, [item.interaction.id for item in entries], AT, purge)


def strip(writer: StoreWriter, *entries: Entry, keeps_facts: bool = False) -> int:
    with writer.transaction() as connection:
        return erasing.strip(connection, [item.interaction.id for item in entries], keeps_facts=keeps_facts)


def a_full_entry() -> Entry:
    return an_entry(
        SECRET.decode().encode(), user_id="kim", session_id="s-1", tags=("team",), metadata={"team": "eu"},
        input_preview=SECRET.decode(), output_preview="answered", prompt_variables={"who": SECRET.decode()},
        content_state=ContentState.STORED, error_message=SECRET.decode(), tool_names=("look",),
    )  # fmt: skip


def amend(writer: StoreWriter, entry: Entry) -> None:
    change = Change(
        id=entry.interaction.id,
        before={},
        after={"input_preview": f"{SECRET.decode()}twice", "input_tokens": 11},
        texts=(f"{SECRET.decode()}thrice", "answered"),
    )
    writer.amend(Amendment(command="reinterpret", reason="better", at=AT, changes=[change]))


def an_attempt(entry: Entry) -> Attempt:
    return Attempt(
        interaction_id=entry.interaction.id, number=1, provider="openai", upstream="https://x", started_at=STARTED_AT,
        error="refused", error_message=SECRET.decode(),
    )  # fmt: skip


def think(writer: StoreWriter, entry: Entry) -> None:
    said = Feedback(
        id="f", name="n", kind=FeedbackKind.TEXT, source=FeedbackSource.USER, words=SECRET.decode(),
        reference=entry.interaction.id, comment=SECRET.decode(),
    )  # fmt: skip
    with writer.transaction() as connection:
        feedback.put(connection, writer.backend, said)


def test_every_table_is_decided() -> None:
    decided = erasing.OF_CALLS.keys() | erasing.STAYS.keys() | set(tables.CATALOGUE_TABLES)
    assert decided == set(tables.metadata.tables)
    assert erasing.OF_CALLS.keys() & erasing.STAYS.keys() == set()
    naming = {
        name
        for name, table in tables.metadata.tables.items()
        if {"interaction_id"} & set(table.columns.keys()) and name not in erasing.OF_CALLS
    }
    assert naming == {"quarantine", "made_answer", "text_unindexed"}, (
        "a table that names calls, and keeps its rows, is looked at here"
    )


def test_nothing_of_the_call_is_left(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry, other = a_full_entry(), an_entry()
    put(writer, entry, other)
    amend(writer, entry)
    writer.write(WriteBatch(quarantined=[Quarantined("s", 1, 2, "r", AT, entry.interaction.id, SECRET)]), lambda _: {})
    assert erase(writer, entry) == 1
    for table, column in erasing.OF_CALLS.items():
        assert ask(store, f"SELECT count(*) FROM {table} WHERE {column} = ?", entry.interaction.id) == [(0,)], table
    assert ask(store, "SELECT data FROM quarantine") == [(None,)]
    assert ask(store, "SELECT id FROM interaction") == [(other.interaction.id,)]
    assert ask(store, "SELECT count(*) FROM rollup_daily WHERE name IN ('kim', 's-1', 'look')") == [(0,)]
    assert_rollups_equal_the_rows(store)


def test_a_replay_finds_that_it_was_there(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry = an_entry()
    assert put(writer, entry) == 1
    assert erase(writer, entry) == 1
    assert put(writer, entry) == 0
    assert erase(writer, entry) == 0
    assert ask(store, "SELECT count(*) FROM interaction") == [(0,)]
    assert ask(store, "SELECT stored FROM spool_position") == [(1,)], "it was stored, once"
    assert ask(store, "SELECT id, purge FROM tombstone") == [(entry.interaction.id, None)]


def test_a_failed_calls_sums_go_too(writer: StoreWriter, store: DatabaseSettings) -> None:
    entry = an_entry(outcome=Outcome.UPSTREAM_ERROR, success=False, error_code="boom", cost_pico_usd=None)
    put(writer, entry, an_entry(ttft_ms=3.0, prompt_name="p", prompt_version=2))
    erase(writer, entry)
    assert ask(store, "SELECT count(*) FROM failure_daily") == [(0,)]
    assert_rollups_equal_the_rows(store)


@pytest.mark.parametrize("keeps_facts", [True, False])
def test_texts_go_and_facts_stay(
    writer: StoreWriter, reader: Reader, store: DatabaseSettings, keeps_facts: bool
) -> None:
    entry = a_full_entry()
    entry.interaction.response_sha256 = "ab" * 32
    entry.attempts = (an_attempt(entry),)
    put(writer, entry)
    amend(writer, entry)
    think(writer, entry)
    writer.write(WriteBatch(quarantined=[Quarantined("s", 1, 2, "r", AT, entry.interaction.id, SECRET)]), lambda _: {})
    assert strip(writer, entry, keeps_facts=keeps_facts) == 1
    assert ask(store, "SELECT data FROM quarantine") == [(None,)]
    kept = SECRET.decode() if keeps_facts else None
    assert ask(store, "SELECT error_message FROM attempt") == [(kept,)]
    assert ask(store, "SELECT comment, words FROM feedback") == [(kept, kept or "")]
    row = reader.interaction(entry.interaction.id)
    assert (row["content_state"], row["input_preview"], row["prompt_variables"]) == ("pruned", None, None)
    assert (row["user_id"], row["cost_pico_usd"], row["input_tokens"]) == ("kim", 2_500_000, 11)
    assert (row["error_message"] is not None) is keeps_facts
    assert (row["response_sha256"] is not None) is keeps_facts
    assert reader.body(entry.interaction.id, "request") is None
    assert ask(store, "SELECT count(*) FROM interaction_text") == [(0,)]
    [(before, after)] = ask(store, "SELECT before, after FROM amendment WHERE command = 'reinterpret'")
    assert orjson.loads(after) == {"input_tokens": 11}
    assert orjson.loads(before) == {"input_tokens": 10}
    assert put(writer, entry) == 0
    assert_rollups_equal_the_rows(store)


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        ({}, {"input_tokens": 11}, (SECRET.decode(), None)),
        ({"output_preview": None}, {"output_preview": SECRET.decode()}, None),
        ({"error_message": None}, {"error_message": SECRET.decode()}, None),
    ],
)
def test_what_was_read_of_a_call_before_its_texts_went_brings_none_back(
    writer: StoreWriter,
    store: DatabaseSettings,
    before: dict[str, None],
    after: dict[str, object],
    texts: tuple[str, None] | None,
) -> None:
    """A reading may wait for the writer while somebody redacts the call it is of."""
    entry = a_full_entry()
    put(writer, entry)
    strip(writer, entry)
    change = Change(id=entry.interaction.id, before=before, after=after, texts=texts)
    assert writer.amend(Amendment(command="reinterpret", reason="better", at=AT, changes=[change])) == 0
    assert ask(store, "SELECT count(*) FROM interaction_text") == [(0,)]
    assert ask(store, "SELECT output_preview, error_message FROM interaction") == [(None, None)]
    assert ask(store, "SELECT count(*) FROM amendment") == [(0,)]


def test_a_call_whose_text_was_never_kept_says_so_still(writer: StoreWriter, reader: Reader) -> None:
    entry = an_entry(content_state=ContentState.OFF)
    put(writer, entry)
    strip(writer, entry)
    assert reader.interaction(entry.interaction.id)["content_state"] == "off"


def test_the_file_forgets_what_was_erased(file_writer: StoreWriter, path: Path) -> None:
    entry = a_full_entry()
    long = with_body(an_entry(), SECRET * 400, (5000,))
    put(file_writer, entry, long)
    assert SECRET.decode() in "".join(part.read_bytes().decode("latin-1") for part in path.parent.iterdir())
    amend(file_writer, entry)
    erase(file_writer, entry)
    strip(file_writer, long)
    while file_writer.sweep():
        pass
    left = [part for part in path.parent.iterdir() if SECRET.decode() in part.read_bytes().decode("latin-1")]
    assert left == []
