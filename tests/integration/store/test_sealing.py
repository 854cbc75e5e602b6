"""A sealed record: no text of a call is in any table or file, and every way of reading gives it back."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.domain.interaction import Attempt, Body, Entry
from proxy.domain.outcome import Outcome
from proxy.errors import UsageError
from proxy.query.parsing import parse
from proxy.query.terms import Word
from proxy.settings.database import DatabaseSettings
from proxy.store.changes.amending import Amendment, Change
from proxy.store.contents.bodies import INLINE, slices_of
from proxy.store.contents.set_aside import ParkedPart, Quarantined
from proxy.store.erasure.erasing import strip
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema import tables
from proxy.store.schema.sealing import SealedRecordError, Sealer, unsealed
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.rollups import ask

MASTER, OTHER = "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA", "Qm4sT8zX1vB6nW3kR9pL2yD7hF5jC0gE"
CANARY = "canary 4d2f81"
LOOKED_FOR = Filters(terms=(Word("canary"),))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)


@pytest.fixture
def database(store: DatabaseSettings) -> DatabaseSettings:
    return replace(store, seal=True)


@contextlib.contextmanager
def reading(database: DatabaseSettings) -> Iterator[Reader]:
    with contextlib.closing(Reader(database)) as reader:
        yield reader


def large(text: str = CANARY) -> bytes:
    return (text * (2 * INLINE // len(text))).encode()


def a_call(request: bytes = CANARY.encode(), **changes: Any) -> Entry:
    entry = an_entry(
        request, CANARY.encode(), input_preview=f"{CANARY} in", output_preview=f"{CANARY} out", input_length=9,
        output_length=9, prompt_name="short", prompt_variables={"name": CANARY}, outcome=Outcome.UPSTREAM_ERROR,
        success=False, error_type="bad", error_message=f"{CANARY} is bad", **changes,
    )  # fmt: skip
    edited = Body(content=request, length=len(request), cuts=(9,), edits=((0, 1, f"{CANARY} put in"),))
    attempt = Attempt(
        interaction_id=entry.interaction.id, number=1, provider="openai", upstream="https://x", started_at=0,
        error="refused", error_message=f"{CANARY} refused",
    )  # fmt: skip
    asked, answered = f"{CANARY} asked", f"{CANARY} answered"
    return replace(entry, request=edited, attempts=(attempt,), input_text=asked, output_text=answered)


def write(database: DatabaseSettings, *entries: Entry, **batch: Any) -> None:
    with contextlib.closing(StoreWriter(database)) as writer:
        writer.write(WriteBatch(entries=[("s", entry) for entry in entries], **batch), lambda _: {})


def amend(database: DatabaseSettings, change: Change) -> int:
    with contextlib.closing(StoreWriter(database)) as writer:
        return writer.amend(Amendment(command="reinterpret", reason="better", at=0, changes=[change]))


def readable(database: DatabaseSettings, tmp_path: Path) -> list[str]:
    """Return in which tables, and files, the canary can be read."""
    found = []
    for table in tables.metadata.tables:
        rows = ask(database, f'SELECT * FROM "{table}"')
        if any(CANARY.encode() in _bytes(value) for row in rows for value in row):
            found.append(str(table))
    return found + [
        path.name for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


def _bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def test_no_text_is_in_a_table_or_a_file(database: DatabaseSettings, tmp_path: Path) -> None:
    call = a_call(large())
    write(
        database, call, a_call(),
        parked=[ParkedPart("0199aaaa-0000-7000-8000-000000000001", 0, "s", 1, CANARY.encode())],
        quarantined=[Quarantined("s", 0, 0, "a reason", 0, None, CANARY.encode())],
    )  # fmt: skip
    change = {"input_preview": f"{CANARY} now", "error_message": f"{CANARY} now"}
    before = {"input_preview": f"{CANARY} in", "error_message": f"{CANARY} is bad"}
    texts = (f"{CANARY} x", None)
    assert amend(database, Change(id=call.interaction.id, before=before, after=change, texts=texts)) == 1
    assert readable(database, tmp_path) == []


def test_everything_is_read_back(database: DatabaseSettings) -> None:
    call = a_call(large(), model="m1")
    write(database, call)
    with reading(database) as reader:
        (row,) = reader.list_interactions(Filters(model="m1"), 10)
        for name in ("input_preview", "output_preview", "prompt_variables", "error_message"):
            assert row[name] == getattr(call.interaction, name)
        parts = reader.parts_of([row["id"]])[row["id"]]
        assert parts.request is not None
        assert parts.response is not None
        assert (parts.request.content, parts.response.content) == (large(), CANARY.encode())
        assert parts.request.facts["edits"] == [[0, 1, f"{CANARY} put in"]]
        assert parts.texts == (call.input_text, call.output_text)
        assert reader.attempts(row["id"])[0]["error_message"] == f"{CANARY} refused"
        assert reader.sealed == set()


def test_equal_slices_are_kept_once_and_named_by_nobody_without_the_key(database: DatabaseSettings) -> None:
    write(database, a_call(large()))
    write(database, a_call(large()))
    rows = ask(database, "SELECT sha256, form FROM body_chunk")
    assert {form for _, form in rows} == {"sealed"}
    assert len({bytes(digest) for digest, _ in rows}) == len(rows) == 2
    # Who guesses a text could tell by its own hash that it is there.
    guesses = {hashlib.sha256(part).digest() for part in slices_of(Body(content=large(), cuts=(9,)))}
    assert not guesses & {bytes(digest) for digest, _ in rows}


def test_a_row_is_amended_and_says_what_it_said_before(database: DatabaseSettings) -> None:
    call = a_call()
    write(database, call)
    identity = call.interaction.id
    assert amend(database, Change(id=identity, before={"input_preview": "other"}, after={"input_preview": "new"})) == 0
    done = amend(
        database,
        Change(id=identity, before={"input_preview": f"{CANARY} in"}, after={"input_preview": "new", "score": 1.0}),
    )
    assert done == 1
    with reading(database) as reader:
        row = reader.interaction(identity)
        assert (row["input_preview"], row["output_preview"], row["score"]) == ("new", f"{CANARY} out", 1.0)
    ((before,),) = ask(database, "SELECT before FROM amendment")
    said = orjson.loads(before) if isinstance(before, str) else before
    assert set(said) == {"score", "sealed"}
    # What a row said before goes with its texts, though it is sealed: whoever has the key would read it.
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        strip(connection, [identity])
    ((before, after),) = ask(database, "SELECT before, after FROM amendment")
    assert all(set(orjson.loads(said) if isinstance(said, str) else said) == {"score"} for said in (before, after))


def test_without_its_key_rows_are_listed_and_texts_say_which_key_is_missing(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = a_call(large())
    write(database, call)
    identity = call.interaction.id
    monkeypatch.setenv("DASHCAM_MASTER_KEY", OTHER)
    monkeypatch.setattr("proxy.store.schema.sealing._ring._masters", {})
    with reading(database) as reader:
        row = reader.interaction(identity)
        assert (row["input_preview"], row["error_message"], row["error_type"]) == (None, None, "bad")
        (why,) = reader.sealed
        assert "master key" in why
        for read in (lambda: reader.body(identity, "request"), lambda: reader.texts_of([identity])):
            with pytest.raises(SealedRecordError, match="sealed with the master key"):
                read()
    change = Change(id=identity, before={"input_preview": None}, after={"input_preview": "overwritten"})
    with pytest.raises(SealedRecordError):
        amend(database, change)
    monkeypatch.setenv("DASHCAM_MASTER_KEY", f"{OTHER},{MASTER}")
    with reading(database) as reader:
        assert reader.interaction(identity)["input_preview"] == f"{CANARY} in"


def test_words_are_not_looked_for_and_filters_are(database: DatabaseSettings) -> None:
    write(database, a_call())
    with reading(database) as reader:
        with pytest.raises(UsageError, match=r"database\.seal"):
            reader.search(filters_of(parse("canary").terms, 0), None, 10)
        with pytest.raises(UsageError, match=r"database\.seal"):
            reader.list_interactions(filters_of(parse("canary").terms, 0), 10)
        assert len(reader.list_interactions(filters_of(parse("status:error").terms, 0), 10)) == 1


def test_both_kinds_of_rows_lie_in_one_database(store: DatabaseSettings, database: DatabaseSettings) -> None:
    plain, sealed = a_call(large(), model="plain"), a_call(large(), model="sealed")
    write(store, plain)
    write(database, sealed)
    for settings in (store, database):
        with reading(settings) as reader:
            for call in (plain, sealed):
                row = reader.interaction(call.interaction.id)
                assert row["input_preview"] == f"{CANARY} in"
                assert reader.texts_of([row["id"]])[row["id"]][0] == f"{CANARY} asked"
                body = reader.body(row["id"], "request")
                assert body is not None
                assert body.content == large()


def test_what_was_parked_is_taken_up_again(database: DatabaseSettings) -> None:
    part = ParkedPart("0199aaaa-0000-7000-8000-000000000001", 0, "s", 1, CANARY.encode())
    write(database, parked=[part])
    with reading(database) as reader:
        (row,) = reader.parked()
        assert row["payload"] == CANARY.encode()


def test_texts_go_and_words_of_errors_stay_where_facts_do(database: DatabaseSettings) -> None:
    call = a_call()
    write(database, call)
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        strip(connection, [call.interaction.id], keeps_facts=True)
    with reading(database) as reader:
        row = reader.interaction(call.interaction.id)
        assert (row["input_preview"], row["error_message"]) == (None, f"{CANARY} is bad")
        assert reader.texts_of([row["id"]])[row["id"]] == (None, None)


def test_a_seal_holds_for_its_place_only() -> None:
    sealed = Sealer(b"m" * 32).seal(b"text", "here")
    with pytest.raises(SealedRecordError, match="master key"):
        unsealed(sealed, "here")
    from proxy.settings.credentials import master_key_of

    ours = Sealer(master_key_of(MASTER)).seal(b"text", "here")
    assert unsealed(ours, "here") == b"text"
    for data, place in ((ours, "there"), (ours[:-1] + b"x", "here"), (b"text", "here")):
        with pytest.raises(SealedRecordError, match=r"changed|damaged"):
            unsealed(data, place)


def test_until_when_texts_were_sealed_is_noted_with_what_is_sealed(
    database: DatabaseSettings, store: DatabaseSettings
) -> None:
    write(store, a_call())
    with reading(store) as reader:
        assert reader.sealed_among(LOOKED_FOR) is None
    with contextlib.closing(StoreWriter(database)) as writer:
        # What was rolled back has sealed nothing; what comes after it does.
        with pytest.raises(RuntimeError), writer.transaction():
            raise RuntimeError
        with reading(store) as reader:
            assert reader.sealed_among(LOOKED_FOR) is None
        writer.write(WriteBatch(entries=[("s", a_call())]), lambda _: {})
    ask(store, "UPDATE deployment SET value = '2199-12-31' WHERE name = 'sealed_until'")
    write(database, a_call())
    with reading(store) as reader:
        assert reader.sealed_among(LOOKED_FOR) == "2199-12-31"
        assert reader.sealed_among(Filters(model="m1")) is None
        assert reader.sealed_among(replace(LOOKED_FOR, since=7_258_118_400_000)) is None
