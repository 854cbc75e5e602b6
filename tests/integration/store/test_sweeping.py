"""Slices go with the last body that refers to them, and not before, whoever stores meanwhile."""

from __future__ import annotations

from proxy.domain.interaction import Entry
from proxy.settings.database import DatabaseSettings
from proxy.store.erasure import erasing
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.rollups import ask

SHARED, OWN, OTHER = b"s" * 6000, b"o" * 7000, b"t" * 8000


def a_turn(*parts: bytes, day: int = 0) -> Entry:
    content = b"".join(parts)
    cuts = tuple(sum(map(len, parts[:n])) for n in range(1, len(parts)))
    return with_body(an_entry(started_at=STARTED_AT + day * 86_400_000), content, cuts)


def put(writer: StoreWriter, *entries: Entry) -> None:
    writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {})


def erase(writer: StoreWriter, *entries: Entry) -> None:
    with writer.transaction() as connection:
        erasing.erase(connection, [item.interaction.id for item in entries], STARTED_AT)


def content_of(reader: Reader, entry: Entry) -> bytes:
    body = reader.body(entry.interaction.id, "request")
    assert body is not None
    return body.content


def sweep(writer: StoreWriter) -> None:
    while writer.sweep():
        pass


def test_what_another_call_has_stays(writer: StoreWriter, reader: Reader, store: DatabaseSettings) -> None:
    gone, kept = a_turn(SHARED, OWN), a_turn(SHARED, OTHER)
    put(writer, gone, kept)
    erase(writer, gone)
    sweep(writer)
    assert ask(store, "SELECT count(*) FROM body_chunk") == [(2,)]
    assert ask(store, "SELECT count(*) FROM loose_slice") == [(0,)]
    assert content_of(reader, kept) == SHARED + OTHER
    erase(writer, kept)
    sweep(writer)
    assert ask(store, "SELECT count(*) FROM body_chunk") == [(0,)]


def test_days_are_apart(writer: StoreWriter, reader: Reader, store: DatabaseSettings) -> None:
    gone, kept = a_turn(SHARED, OWN), a_turn(SHARED, OWN, day=1)
    put(writer, gone, kept)
    erase(writer, gone)
    sweep(writer)
    assert content_of(reader, kept) == SHARED + OWN
    assert ask(store, "SELECT count(*) FROM body_chunk") == [(2,)]


def test_what_is_stored_while_a_day_is_swept_finds_its_slices(
    writer: StoreWriter, reader: Reader, store: DatabaseSettings
) -> None:
    gone, late = a_turn(SHARED, OWN), a_turn(SHARED, OTHER)
    put(writer, gone, a_turn(OTHER, OWN))
    erase(writer, gone)
    steps = 0
    while writer.sweep():
        steps += 1
        if steps == 1:
            put(writer, late)
    assert content_of(reader, late) == SHARED + OTHER
    sweep(writer)
    assert ask(store, "SELECT count(*) FROM loose_slice") == [(0,)]


def test_what_becomes_loose_while_a_day_is_swept_is_looked_at_again(
    writer: StoreWriter, store: DatabaseSettings
) -> None:
    first, second = a_turn(SHARED, OWN), a_turn(SHARED, OTHER)
    put(writer, first, second)
    erase(writer, first)
    writer.sweep()
    erase(writer, second)
    sweep(writer)
    assert ask(store, "SELECT count(*) FROM body_chunk") == [(0,)]


def test_an_interrupted_sweep_begins_anew(writer: StoreWriter, store: DatabaseSettings) -> None:
    gone = a_turn(SHARED, OWN)
    put(writer, gone, a_turn(OTHER, OWN))
    erase(writer, gone)
    writer.sweep()
    other = StoreWriter(store)
    sweep(other)
    other.close()
    assert ask(store, "SELECT count(*) FROM body_chunk") == [(2,)]
