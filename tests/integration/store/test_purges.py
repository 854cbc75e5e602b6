"""What was to be erased is erased: on record, in any number of goes, and what is stored later."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry
from proxy.errors import NotFoundError, StoreError
from proxy.query.parsing import QueryError
from proxy.settings.database import DatabaseSettings
from proxy.store.care.text_indexing import index_next
from proxy.store.changes.tagging import tag
from proxy.store.contents.set_aside import Quarantined
from proxy.store.erasure import purges
from proxy.store.erasure.anonymising import Manner
from proxy.store.erasure.erasing import erase
from proxy.store.erasure.purges import Aim, Kind, Purge
from proxy.store.filters import text_index
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.rollups import ask, assert_rollups_equal_the_rows

LEADING_BACK: dict[str, Any] = {
    "session_id": "s", "client_request_id": "c", "provider_request_id": "p", "trace_id": "t",
    "parent_id": "0199aaaa-0000-7000-8000-000000000001",
}  # fmt: skip
NOW = STARTED_AT + 3_600_000
DAY = 86_400_000


def put(writer: StoreWriter, *entries: Entry) -> int:
    batch = WriteBatch(
        entries=[("s", item) for item in entries], states=[SourceState("s", 1, 0, accepted=len(entries))]
    )
    return len(writer.write(batch, lambda _: {}).inserted)


def begin(writer: StoreWriter, aim: Aim, kind: Kind = "purge", now: int = NOW) -> Purge:
    with writer.transaction() as connection:
        made = purges.begin(connection, kind, aim, "kim", now)
    with writer.transaction() as connection:
        purges.wait_for_writers(connection)
    return made


def go_on(writer: StoreWriter, number: int, at_once: int = 500, goes: int = 100) -> int:
    done = 0
    for _ in range(goes):
        with writer.transaction() as connection:
            purge = purges.get(connection, number)
            found = purges.find(connection, purge, at_once)
            if not found:
                purges.finish(connection, purge, NOW)
                break
            done += purges.carry_out(connection, purge, found, NOW)
    return done


def settle(writer: StoreWriter, now: int) -> str | None:
    with writer.transaction() as connection:
        return purges.settle(connection, now)


@pytest.mark.parametrize(
    ("aim", "left"),
    [
        (Aim(user="kim"), {"b", "c"}),
        (Aim(session="s-1"), {"a", "c"}),
        (Aim(query="model:gpt-*"), {"c"}),
        (Aim(query="user:kim latency:>2s"), {"a", "b", "c"}),
        (Aim(user="kim", query="model:nothing"), {"a", "b", "c"}),
        (Aim(until=STARTED_AT + 1), {"b", "c"}),
        (Aim(), set()),
    ],
)
def test_exactly_what_was_meant_goes(writer: StoreWriter, store: DatabaseSettings, aim: Aim, left: set[str]) -> None:
    put(
        writer,
        an_entry(app="a", user_id="kim"),
        an_entry(app="b", session_id="s-1", started_at=STARTED_AT + 5),
        an_entry(app="c", model="llama", started_at=STARTED_AT + 10),
    )
    purge = begin(writer, aim)
    assert go_on(writer, purge.number) == 3 - len(left)
    assert {name for (name,) in ask(store, "SELECT app FROM interaction")} == left
    assert_rollups_equal_the_rows(store)
    assert ask(store, "SELECT calls FROM purge") == [(3 - len(left),)]


def test_words_are_meant_exactly_also_before_the_index_has_them(
    writer: StoreWriter, store: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres would find more than was meant while its index lacks much: it erases nothing before."""
    monkeypatch.setattr(text_index, "TAIL", 0)
    meant, other = an_entry(app="meant"), an_entry(app="other")
    meant.input_text, other.input_text = "a refund please", "nonrefundable"
    put(writer, meant, other)
    number = begin(writer, Aim(query="refund")).number
    if store.is_postgres:
        with pytest.raises(StoreError, match="lacks more than 0 calls"):
            go_on(writer, number)
        assert len(ask(store, "SELECT id FROM interaction")) == 2
    has_more: str | None = ""
    while has_more is not None:
        with writer.transaction() as connection:
            has_more = index_next(connection)
    assert go_on(writer, number) == 1
    assert ask(store, "SELECT app FROM interaction") == [("other",)]


def test_what_is_stored_later_goes_at_once(writer: StoreWriter, store: DatabaseSettings) -> None:
    begin(writer, Aim(user="kim"))
    late, other, newer = (
        an_entry(user_id="kim"), an_entry(user_id="lee"), an_entry(user_id="kim", started_at=NOW + 1),
    )  # fmt: skip
    assert put(writer, late, other, newer) == 3
    assert {name for (name,) in ask(store, "SELECT id FROM interaction")} == {
        other.interaction.id,
        newer.interaction.id,
    }
    assert put(writer, late) == 0
    assert ask(store, "SELECT stored FROM spool_position") == [(3,)], "each was accepted, and counted once"
    assert_rollups_equal_the_rows(store)


def test_one_that_was_broken_off_goes_on(writer: StoreWriter, store: DatabaseSettings) -> None:
    put(writer, *(an_entry(user_id="kim") for _ in range(7)))
    first = begin(writer, Aim(user="kim"))
    assert go_on(writer, first.number, at_once=2, goes=2) == 4
    put(writer, an_entry(user_id="kim", started_at=NOW + 1))
    assert go_on(writer, first.number, at_once=2, goes=1) == 2
    again = begin(writer, Aim(user="kim"), now=NOW + 1)
    assert (again.number, again.calls, again.is_finished) == (first.number, 6, False)
    # Who asks again means what there is by now as well.
    assert go_on(writer, again.number, at_once=2) == 2
    assert begin(writer, Aim(user="kim"), now=NOW + 2).number != first.number
    assert ask(store, "SELECT count(*) FROM interaction") == [(0,)]


def test_the_leader_goes_on_where_whoever_asked_is_gone(writer: StoreWriter, store: DatabaseSettings) -> None:
    put(writer, an_entry(user_id="kim"))
    number = begin(writer, Aim(user="kim")).number
    assert settle(writer, NOW + 1000) is None
    assert settle(writer, NOW + 61_000) == f"purge {number} went on with 1 calls"
    assert settle(writer, NOW + 61_000) == f"purge {number} is settled"
    assert settle(writer, NOW + 61_000) is None
    assert ask(store, "SELECT count(*) FROM interaction") == [(0,)]


def test_it_is_forgotten_after_its_days_and_single_calls_stay_erased(
    writer: StoreWriter, store: DatabaseSettings
) -> None:
    single = an_entry()
    put(writer, single, an_entry(user_id="kim"))
    number = begin(writer, Aim(user="kim")).number
    go_on(writer, number)
    settle(writer, NOW + 61_000)
    with writer.transaction() as connection:
        erase(connection, [single.interaction.id], NOW)
    assert settle(writer, NOW + 80 * DAY) is None
    told = [settle(writer, NOW + 91 * DAY) for _ in range(3)]
    assert told == [f"forgot some of purge {number}", f"forgot some of purge {number}", None]
    assert ask(store, "SELECT id FROM tombstone") == [(single.interaction.id,)]
    with writer.transaction() as connection, pytest.raises(NotFoundError):
        purges.get(connection, number)


def test_a_query_that_cannot_be_understood_leaves_no_trace(writer: StoreWriter, store: DatabaseSettings) -> None:
    with pytest.raises(QueryError):
        begin(writer, Aim(query="nonsense:x"))
    assert ask(store, "SELECT count(*) FROM purge") == [(0,)]


@pytest.mark.parametrize(
    ("aim", "kept"),
    [(Aim(), 0), (Aim(user="kim"), 1), (Aim(until=NOW), 0), (Aim(since=NOW), 2), (Aim(query="user:kim"), 2)],
)
def test_bytes_that_were_set_aside_go_where_they_can_be_told(
    writer: StoreWriter, store: DatabaseSettings, aim: Aim, kept: int
) -> None:
    aside = [Quarantined("s", 1, n, "r", STARTED_AT, None, data) for n, data in enumerate([b'{"user":"kim"}', b"x"])]
    writer.write(WriteBatch(quarantined=aside), lambda _: {})
    begin(writer, aim)
    assert ask(store, "SELECT count(*) FROM quarantine WHERE data IS NOT NULL") == [(kept,)]
    assert ask(store, "SELECT count(*) FROM quarantine") == [(2,)]


@pytest.mark.parametrize(
    ("aim", "kept"),
    [
        (Aim(), {"newer", "damage", "of kim"}),
        (Aim(user="kim"), {"lee's", "newer", "damage"}),
        (Aim(user="kim", session="visit-9"), {"lee's", "newer", "damage", "kim's", "of kim"}),
        (Aim(until=STARTED_AT), {"kim's", "lee's", "newer", "damage", "of kim"}),
        (Aim(until=STARTED_AT + 1), {"newer", "damage", "of kim"}),
        (Aim(since=STARTED_AT + 1), {"kim's", "lee's", "newer", "damage", "of kim"}),
        (Aim(query="user:kim"), {"kim's", "lee's", "newer", "damage", "of kim"}),
    ],
)
def test_what_is_set_aside_later_is_so_without_what_was_erased(
    writer: StoreWriter, store: DatabaseSettings, aim: Aim, kept: set[str]
) -> None:
    """A call that waited in the spool, and that the store then refused; or bytes that were damaged there."""
    begin(writer, aim)
    before, after = (id_text(IdentityMint().mint(at * 1_000_000)) for at in (STARTED_AT, NOW + 1))
    said = [
        ("kim's", before, b'{"user":"kim"}'), ("lee's", before, b'{"user":"lee"}'), ("newer", after, b'{"user":"kim"}'),
        ("damage", None, b"x"), ("of kim", None, b'{"user":"kim"'),
    ]  # fmt: skip
    aside = [Quarantined("s", 1, n, why, NOW + 1, call, data) for n, (why, call, data) in enumerate(said)]
    writer.write(WriteBatch(quarantined=aside), lambda _: {})
    assert {why for (why,) in ask(store, "SELECT reason FROM quarantine WHERE data IS NOT NULL")} == kept
    assert ask(store, "SELECT count(*) FROM quarantine") == [(5,)]


def test_the_anonymous_are_counted_and_nobody(writer: StoreWriter, reader: Reader, store: DatabaseSettings) -> None:
    entries = [
        an_entry(user_id="kim", tags=("kim's",), metadata={"mail": "k@x", "team": "eu"}, **LEADING_BACK)
        for _ in range(3)
    ]
    put(writer, *entries, an_entry(user_id="lee"))
    with writer.transaction() as connection:
        tag(connection, writer.backend, entries[0].interaction.id, ["kim too"], ["kim's"])
    aim = Aim(query="user:kim", manner=Manner(keep=("team",), has_pseudonyms=True))
    purge = begin(writer, aim, "anonymise")
    assert go_on(writer, purge.number, at_once=2) == 3
    row = reader.interaction(entries[0].interaction.id)
    assert {row[name] for name in LEADING_BACK} == {None}
    assert (row["tags"], row["metadata"]) == (None, {"team": "eu"})
    assert (row["cost_pico_usd"], row["model"], row["input_preview"]) == (2_500_000, "gpt-5", None)
    names = {name for (name,) in ask(store, "SELECT user_id FROM interaction")}
    assert len(names) == 2
    assert all(name == "lee" or name.startswith("anonymous-") for name in names)
    assert ask(store, "SELECT key, value FROM interaction_metadata") == [("team", "eu")] * 3
    assert ask(store, "SELECT before, after FROM amendment") == [("{}", "{}")], "nor what the row said before"
    assert ask(store, "SELECT key FROM purge") == [(None,)], "nobody can make these pseudonyms again"
    assert_rollups_equal_the_rows(store)


def test_what_is_stored_later_is_anonymous_too(writer: StoreWriter, store: DatabaseSettings) -> None:
    begin(writer, Aim(user="kim"), "anonymise")
    put(writer, an_entry(user_id="kim", session_id="s"))
    assert ask(store, "SELECT user_id, session_id FROM interaction") == [(None, None)]
    assert_rollups_equal_the_rows(store)
