"""A month that is too old as a whole goes at once on Postgres, and leaves no more than rows that go one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry
from proxy.domain.outcome import Outcome
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RetentionSettings
from proxy.store.engines import partitions
from proxy.store.engines.engine import backend_of
from proxy.store.erasure import clock, months, oldest_months, retention
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.moving import amend, judge
from tests.support.rollups import ask, assert_rollups_equal_the_rows

if TYPE_CHECKING:
    from tests.support.postgres import Databases

DAY, DAY_S = 86_400_000, 86_400
NOW = STARTED_AT
"""In the middle of a month."""
TODAY = datetime.fromtimestamp(NOW / 1000, UTC).date()
OLD = partitions.months_before(TODAY, 3)
KEPT = RetentionSettings(metadata=40 * DAY_S, errors=50 * DAY_S, routes={"brief": {"metadata": 2 * DAY_S}})
FAILED: dict[str, Any] = {"outcome": Outcome.UPSTREAM_ERROR, "success": False}


@pytest.fixture
def store(postgres: Databases) -> Iterator[DatabaseSettings]:
    """A database of its own, with a month for the old calls."""
    made = postgres.migrated()
    engine = backend_of(made).writer()
    with engine.begin() as connection:
        partitions.make(connection, OLD)
    engine.dispose()
    yield made
    postgres.drop(made)


def called(day: date, minutes: float = 60, *, began_days_before: float = 0, **changes: Any) -> Entry:
    at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000) + round(minutes * 60_000)
    identity = id_text(IdentityMint().mint(at * 1_000_000))
    entry = an_entry(id=identity, started_at=at - round(began_days_before * DAY), **changes)
    return with_body(entry, f"{day} {minutes} ".encode() * 1000, (6000,))


def put(writer: StoreWriter, *entries: Entry) -> None:
    writer.write(WriteBatch(entries=[("s", item) for item in entries]), lambda _: {})
    with writer.transaction() as connection:
        clock.trust_clock(connection, NOW)


def prune(writer: StoreWriter, kept: RetentionSettings = KEPT, archive: Any = None) -> list[str]:
    told: list[str | None] = [""]
    while told[-1] is not None:
        with writer.transaction() as connection:
            told.append(retention.step(connection, kept, NOW, archive))
    return [words for words in told if words]


def months_in(store: DatabaseSettings, table: str = "interaction") -> set[date]:
    engine = backend_of(store).reader()
    with engine.begin() as connection:
        found = partitions.months_of(connection, table)
    engine.dispose()
    return found


def fill(writer: StoreWriter, store: DatabaseSettings) -> list[Entry]:
    """Store calls of an old month, in all kinds, and calls that stay."""
    behind = partitions.next_month(OLD)
    entries = [
        called(OLD, user_id="kim", session_id="s"), called(OLD, 90, **FAILED), called(OLD, 100, route="brief"),
        # Of these the day before has counted the one, and an id of the next month is the other's.
        called(OLD, 1, began_days_before=0.1), called(behind, 1, began_days_before=0.1),
        called(TODAY, -30, session_id="s"), called(TODAY, -20),
    ]  # fmt: skip
    put(writer, *entries)
    for entry in (entries[0], entries[-1]):
        amend(store, entry.interaction.id, 7)
        judge(store, entry.interaction.id)
    return entries


def test_a_month_goes_as_a_whole_with_all_that_belongs_to_it(writer: StoreWriter, store: DatabaseSettings) -> None:
    entries = fill(writer, store)
    told = prune(writer)
    assert told[0] == f"3 calls of {OLD:%Y-%m} went for their age, as a whole"
    while writer.sweep():
        pass
    left = sorted(entry.interaction.id for entry in entries[-2:])
    assert [str(name) for (name,) in ask(store, "SELECT id FROM interaction ORDER BY id")] == left
    assert_rollups_equal_the_rows(store)
    for table in (*partitions.TABLES, "amendment", "feedback"):
        column = partitions.TABLES.get(table, "interaction_id")
        found = {str(name) for (name,) in ask(store, f"SELECT DISTINCT {column} FROM {table}")}
        assert found <= set(left), table
    assert all(OLD not in months_in(store, table) for table in partitions.TABLES)
    assert ask(store, "SELECT count(DISTINCT day) FROM body_chunk") == [(1,)]
    assert ask(store, "SELECT count(*) FROM loose_slice") == [(0,)]
    assert prune(writer) == []


def test_it_says_the_same_as_rows_that_go_one_by_one(writer: StoreWriter, store: DatabaseSettings) -> None:
    fill(writer, store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(months, "step", lambda *_args, **_named: None)
        prune(writer)
    by_rows = {name: ask(store, f"SELECT count(*) FROM {name}") for name in ("rollup_hourly", "feedback", "amendment")}
    ask(store, "DELETE FROM interaction")
    for name in ("attempt", "interaction_body", "interaction_text", "interaction_metadata", *by_rows, "rollup_daily",
                 "usage_daily", "latency_histogram", "latency_daily", "failure_daily", "tombstone",
                 "body_chunk"):  # fmt: skip
        ask(store, f"DELETE FROM {name}")
    fill(writer, store)
    ask(store, "DELETE FROM deployment WHERE name LIKE 'retention%'")
    assert any("as a whole" in words for words in prune_trusting(writer))
    assert {name: ask(store, f"SELECT count(*) FROM {name}") for name in by_rows} == by_rows


def prune_trusting(writer: StoreWriter) -> list[str]:
    with writer.transaction() as connection:
        clock.trust_clock(connection, NOW)
    return prune(writer)


@pytest.mark.parametrize(
    "kept",
    [
        RetentionSettings(text=DAY_S),
        RetentionSettings(metadata=40 * DAY_S, routes={"long": {"metadata": 400 * DAY_S}}),
        RetentionSettings(metadata=40 * DAY_S, errors=400 * DAY_S),
    ],
    ids=["only texts", "a route keeps longer", "failures are kept longer"],
)
def test_a_month_of_which_something_is_kept_stays(
    writer: StoreWriter, store: DatabaseSettings, kept: RetentionSettings
) -> None:
    put(writer, called(OLD), called(OLD, 70, route="long"), called(OLD, 80, **FAILED))
    prune(writer, kept)
    assert OLD in months_in(store)


def test_where_calls_go_to_an_archive_a_month_goes_when_it_is_empty(
    writer: StoreWriter, store: DatabaseSettings
) -> None:
    entries = [called(OLD), called(OLD, 70)]
    put(writer, *entries)
    kept: list[str] = []
    prune(writer, archive=lambda ids, _what: kept.extend(ids))
    assert sorted(kept) == sorted(entry.interaction.id for entry in entries)
    assert OLD not in months_in(store)
    assert_rollups_equal_the_rows(store)


def test_a_call_that_is_younger_than_its_id_keeps_its_month(writer: StoreWriter, store: DatabaseSettings) -> None:
    put(writer, called(OLD), called(OLD, 70, began_days_before=-80))
    assert prune(writer) == ["1 call went for its age"]
    assert OLD in months_in(store)


def test_who_reads_for_long_is_not_waited_for(
    writer: StoreWriter, store: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(months, "_WAIT", "50ms")
    put(writer, called(OLD), called(TODAY, -10))
    with psycopg.connect(store.url) as reader:
        reader.execute("SELECT count(*) FROM interaction")
        assert prune(writer) == ["1 call went for its age"]
    assert OLD in months_in(store)
    ask(store, "DELETE FROM deployment WHERE name = 'retention_month_busy'")
    prune(writer)
    assert OLD not in months_in(store)
    assert_rollups_equal_the_rows(store)


def size_of(store: DatabaseSettings) -> int:
    engine = backend_of(store).reader()
    with engine.begin() as connection:
        found = oldest_months.held_bytes(connection)
    engine.dispose()
    return found


def large(day: date, number: int) -> Entry:
    return with_body(called(day, 60 + number), Random(f"{day} {number}").randbytes(60_000), (30_000,))


def shrink(writer: StoreWriter, most: int, archive: Any = None) -> list[str]:
    """Prune and sweep as the leader does, until neither finds anything."""
    told: list[str] = []
    for _ in range(4):
        told += prune(writer, RetentionSettings(max_size=most), archive)
        while writer.sweep():
            pass
    return told


@pytest.mark.parametrize("is_archived", [False, True])
def test_the_oldest_months_go_for_the_size_and_no_more_than_it_takes(
    writer: StoreWriter, store: DatabaseSettings, is_archived: bool
) -> None:
    behind = partitions.next_month(OLD)
    put(writer, *(large(day, number) for day in (OLD, behind, TODAY) for number in range(8)))
    most = size_of(store) - 200_000
    kept: list[str] = []
    told = shrink(writer, most, (lambda ids, _what: kept.extend(ids)) if is_archived else None)
    assert OLD not in months_in(store)
    assert behind in months_in(store)
    assert size_of(store) <= most
    assert (told, len(kept)) == (
        ([], 8) if is_archived else ([f"8 calls of {OLD:%Y-%m} went for the size, as a whole"], 0)
    )
    assert ask(store, "SELECT count(*) FROM interaction") == [(16,)]
    assert ask(store, "SELECT count(DISTINCT day) FROM body_chunk") == [(2,)]
    assert_rollups_equal_the_rows(store)


def test_what_a_spool_may_bring_back_stays_whatever_the_size(writer: StoreWriter, store: DatabaseSettings) -> None:
    put(writer, *(large(day, number) for day in (OLD, TODAY) for number in range(3)))
    shrink(writer, 1000)
    assert ask(store, "SELECT count(*) FROM interaction") == [(3,)]
    assert TODAY.replace(day=1) in months_in(store)
