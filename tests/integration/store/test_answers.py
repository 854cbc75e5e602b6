"""An answer is counted once, by whoever first found it complete, however often and in whatever batches it is read."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.interaction import Entry, uncounted
from proxy.domain.outcome import CostStatus, UsageSource
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry

KEEPS_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)


def made(answer_id: str, *, is_counted: bool) -> Entry:
    entry = replace(an_entry(operation="responses", usage_source=UsageSource.REPORTED), answer_id=answer_id)
    return entry if is_counted else replace(entry, interaction=uncounted(entry.interaction))


def read(answer_id: str, *, is_whole: bool = True) -> Entry:
    entry = made(answer_id, is_counted=is_whole)
    return replace(entry, repeats=True, interaction=replace(entry.interaction, operation="responses_read"))


def write(writer: StoreWriter, *batches: Sequence[Entry]) -> None:
    for batch in batches:
        writer.write(WriteBatch(entries=[("s", item) for item in batch]), lambda _: {})


def row(reader: Reader, entry: Entry) -> Row:
    return reader.interaction(entry.interaction.id)


def test_a_background_answer_is_counted_by_the_first_read_that_finds_it_whole(
    writer: StoreWriter, reader: Reader
) -> None:
    answer_id = uuid.uuid4().hex
    asked, early = made(answer_id, is_counted=False), read(answer_id, is_whole=False)
    first, again = read(answer_id), read(answer_id)
    write(writer, [asked, early], [first], [again, first])
    assert [row(reader, item)["output_tokens"] for item in (asked, early, again)] == [None] * 3
    assert row(reader, first)["output_tokens"] == first.interaction.output_tokens
    assert row(reader, again)["cost_status"] == CostStatus.FREE
    assert {row(reader, item)["parent_id"] for item in (early, first, again)} == {asked.interaction.id}


def test_what_its_maker_reported_is_not_counted_again(writer: StoreWriter, reader: Reader) -> None:
    answer_id = uuid.uuid4().hex
    asked, later = made(answer_id, is_counted=True), read(answer_id)
    write(writer, [asked, later])
    assert row(reader, asked)["output_tokens"] == asked.interaction.output_tokens
    found = row(reader, later)
    assert (found["output_tokens"], found["cost_pico_usd"], found["price_id"]) == (None, 0, None)
    assert found["parent_id"] == asked.interaction.id


def test_what_was_made_elsewhere_is_not_counted_here(writer: StoreWriter, reader: Reader) -> None:
    stranger = read(uuid.uuid4().hex)
    write(writer, [stranger])
    assert (row(reader, stranger)["input_tokens"], row(reader, stranger)["parent_id"]) == (None, None)


def test_the_same_id_of_another_provider_is_another_answer(writer: StoreWriter, reader: Reader) -> None:
    answer_id = uuid.uuid4().hex
    asked, foreign = made(answer_id, is_counted=False), read(answer_id)
    foreign = replace(foreign, interaction=replace(foreign.interaction, provider="another"))
    write(writer, [asked, foreign])
    assert row(reader, foreign)["output_tokens"] is None


@KEEPS_FOLDER
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.booleans())
def test_counts_are_there_once_whatever_is_replayed(
    writer: StoreWriter, reader: Reader, order: list[int], is_counted: bool
) -> None:
    answer_id = uuid.uuid4().hex
    calls = [made(answer_id, is_counted=is_counted), *(read(answer_id) for _ in range(5))]
    write(writer, [calls[0]], *([calls[number]] for number in order))
    counted = [item for item in (calls[number] for number in {0, *order}) if row(reader, item)["output_tokens"]]
    assert len(counted) == (1 if is_counted or set(order) - {0} else 0)


def test_what_its_maker_cannot_name_is_counted_by_its_first_read(writer: StoreWriter, reader: Reader) -> None:
    answer_id = uuid.uuid4().hex
    early, first, again = (
        replace(read(answer_id, is_whole=is_whole), is_unnamed=True) for is_whole in (False, True, True)
    )
    write(writer, [early], [first, again], [first])
    assert [row(reader, item)["output_tokens"] for item in (early, first, again)] == [None, 5, None]
    assert row(reader, again)["parent_id"] == first.interaction.id
