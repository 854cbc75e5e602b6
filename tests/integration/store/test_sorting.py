"""A list by some column looks at the latest calls, unless a time is given or an index finds what is asked for."""

from __future__ import annotations

import pytest

from proxy.settings.database import DatabaseSettings
from proxy.store.filters.statements import Filters, Order
from proxy.store.reading import sorting
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry

HOUR = 3_600_000
FIRST = STARTED_AT // HOUR * HOUR
BY_TOKENS = Order("total_tokens")


@pytest.fixture
def filled(writer: StoreWriter, store: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> DatabaseSettings:
    """Two calls an hour, in four hours."""
    monkeypatch.setattr(sorting, "MOST", 3)
    monkeypatch.setattr(sorting, "_PAGE", 1)
    entries = [an_entry(started_at=FIRST + number * HOUR // 2 + 1, total_tokens=number) for number in range(8)]
    writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {})
    return store


def test_only_the_latest_hours_are_looked_at_where_nobody_says(filled: DatabaseSettings, reader: Reader) -> None:
    since = sorting.looks_back_to(Filters(), BY_TOKENS, reader.answer)
    assert since == FIRST + 2 * HOUR
    found = reader.list_interactions(Filters(since=since), 9, Order("total_tokens", is_largest_first=False))
    assert [row["total_tokens"] for row in found] == [4, 5, 6, 7]


def test_a_record_that_has_no_more_is_looked_at_as_a_whole(
    filled: DatabaseSettings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most in (7, 8, 9):
        monkeypatch.setattr(sorting, "MOST", most)
        assert sorting.looks_back_to(Filters(), BY_TOKENS, reader.answer) is None


@pytest.mark.parametrize(
    "asked", [Filters(since=1), Filters(until=FIRST), Filters(user="kim"), Filters(session="s"), Filters(tags=("t",))]
)
def test_what_is_narrowed_otherwise_is_not_cut(filled: DatabaseSettings, reader: Reader, asked: Filters) -> None:
    assert sorting.looks_back_to(asked, BY_TOKENS, reader.answer) is None


@pytest.mark.parametrize(
    ("order", "is_cut"),
    [
        (Order("started_at", is_largest_first=False), False), (Order("duration_ms"), False),
        (Order("duration_ms", is_largest_first=False), True), (Order("output_tokens"), True),
    ],
)  # fmt: skip
def test_an_order_that_an_index_knows_is_not_cut(
    filled: DatabaseSettings, reader: Reader, order: Order, is_cut: bool
) -> None:
    assert (sorting.looks_back_to(Filters(model="gpt-5"), order, reader.answer) is not None) == is_cut
