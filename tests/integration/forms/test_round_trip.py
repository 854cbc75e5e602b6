"""Out of one store and into another: every call as it was, whatever it is, from either engine to either."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.feedback import Feedback, FeedbackKind, FeedbackSource
from proxy.domain.interaction import Entry
from proxy.forms.writing import Form
from proxy.loader.amendments import decode, encode
from proxy.loader.arriving import Arrival, arrival_of
from proxy.settings.database import DatabaseSettings
from proxy.store.changes import feedback
from proxy.store.reading.differing import differences, rows_of
from proxy.store.reading.reader import Reader
from proxy.store.schema.columns import instant_text
from proxy.store.schema.rows import COLUMNS, TRUTHS
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.any_calls import any_entries
from tests.support.entries import STARTED_AT, an_entry
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.rollups import assert_rollups_equal_the_rows

_FORM = Form(COLUMNS, has_content=True)


def exported(reader: Reader, identities: list[str]) -> bytes:
    """Return the lines of some calls, in the order of their ids."""
    rows = [row for _, row in sorted(rows_of(reader, identities).items())]
    made, parts = reader.made_of(rows), reader.parts_of([row["id"] for row in rows])
    for row in rows:
        row |= {**made[row["id"]], **{name: bool(row[name]) for name in TRUTHS}}
    return b"".join(_FORM.call(row, parts[row["id"]], is_first=False) for row in rows)


@pytest.mark.parametrize("is_outward", [True, False])
def test_what_was_exported_is_imported_as_it_was(store: DatabaseSettings, tmp_path: Path, *, is_outward: bool) -> None:
    """Through the file in which it waits for the writer. Said twice nothing is new, and nothing differs."""
    other = fresh_sqlite(tmp_path / "other.db")
    one, two = (store, other) if is_outward else (other, store)
    writer, target = StoreWriter(one), StoreWriter(two)
    reader, read_back = Reader(one), Reader(two)

    @settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(any_entries(), min_size=1, max_size=3, unique_by=lambda entry: entry.interaction.id))
    def check(entries: list[Entry]) -> None:
        writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _: {})
        identities = [entry.interaction.id for entry in entries]
        lines = exported(reader, identities)
        arrival = decode(encode(arrival_of([orjson.loads(line) for line in lines.split(b"\n") if line])))
        assert isinstance(arrival, Arrival)
        batch = WriteBatch(entries=[("import", entry) for entry in arrival.entries])
        target.write(batch, lambda _: {})
        assert exported(read_back, identities) == lines
        assert target.write(batch, lambda _: {}).inserted == []
        rows = rows_of(read_back, identities)
        assert [differences(rows[entry.interaction.id], entry) for entry in arrival.entries] == [[]] * len(rows)

    check()
    assert_rollups_equal_the_rows(two)
    for item in (reader, read_back, writer, target):
        item.close()


def test_what_is_thought_of_a_carried_call_later_counts_beside_what_came_with_it(store: DatabaseSettings) -> None:
    came = {
        "id": "came", "name": "thumb", "kind": "boolean", "value": 1.0, "low": 0.0, "high": 1.0, "score": 1.0,
        "source": "user", "author": "kim", **dict.fromkeys(("created_at", "updated_at"), instant_text(STARTED_AT)),
    }  # fmt: skip
    entry = an_entry(score=1.0, score_count=1)
    entry.feedback = ({**came, "interaction_id": entry.interaction.id},)
    writer, reader = StoreWriter(store), Reader(store)
    writer.write(WriteBatch(entries=[("import", entry)]), lambda _: {})
    later = Feedback(
        id="later", name="thumb", kind=FeedbackKind.BOOLEAN, source=FeedbackSource.USER, score=0.0, value=0.0,
        reference=entry.interaction.id,
    )  # fmt: skip
    with writer.transaction() as connection:
        feedback.put(connection, writer.backend, later)
    row = reader.interaction(entry.interaction.id)
    assert (row["score"], row["score_count"]) == (0.5, 2)
    writer.close()
    reader.close()
