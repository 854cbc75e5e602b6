"""The months of a Postgres store: made ahead, dropped with all that belongs to them, and the only ones looked at."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent import futures
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry
from proxy.query.terms import Word
from proxy.settings.database import DatabaseSettings
from proxy.store.changes.amending import Amendment, Change
from proxy.store.engines import partitions
from proxy.store.engines.engine import backend_of
from proxy.store.filters.statements import Filters, Order
from proxy.store.reading.reader import Reader
from proxy.store.upkeep.checking import check_all
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.rollups import ask
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.postgres import Databases

NOVEMBER = 1_793_491_200_000
DAY = 86_400_000


@pytest.fixture
def store(postgres: Databases) -> Iterator[DatabaseSettings]:
    """A database of its own: these tests alter it."""
    made = postgres.migrated()
    yield made
    postgres.drop(made)


def write(writer: StoreWriter, *entries: Entry) -> int:
    batch = WriteBatch(entries=[("s", item) for item in entries], states=[SourceState("s", 1, 0)])
    return len(writer.write(batch, lambda _: {}).inserted)


def admin(database: DatabaseSettings, *statements: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@given(st.dates(date(1971, 1, 1), date(2200, 1, 1)))
def test_months_follow_each_other(day: date) -> None:
    behind = partitions.next_month(day.replace(day=1))
    assert (behind.day, 27 < (behind - day.replace(day=1)).days < 32) == (1, True)
    assert partitions.first_id(day) < partitions.first_id(behind)
    assert uuid.UUID(partitions.first_id(day)).int >> 80 == (day.replace(day=1) - date(1970, 1, 1)).days * 86_400_000


def parts(database: DatabaseSettings, table: str = "interaction") -> set[str]:
    sql = "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = to_regclass(?)"
    return {name for (name,) in ask(database, sql, table)}


def test_months_are_made_ahead_and_once(store: DatabaseSettings) -> None:
    backend = backend_of(store)
    engine = backend.writer()
    with engine.begin() as connection:
        made = partitions.make(connection, date(2031, 11, 20))
        assert partitions.make(connection, date(2031, 11, 30)) == []
    engine.dispose()
    assert {"interaction_2031_11", "interaction_2032_02", "attempt_2031_12"} <= set(made)
    assert {"interaction_default", "interaction_2032_01"} <= parts(store)


def test_what_no_month_was_made_for_is_stored_and_moves_when_it_is(store: DatabaseSettings) -> None:
    writer, reader = StoreWriter(store), Reader(store)
    entries = [an_entry() for _ in range(3)]
    older = [replace(item, interaction=replace(item.interaction, id=f"0{number + 5}" + item.interaction.id[2:]))
             for number, item in enumerate(entries)]  # fmt: skip
    assert write(writer, *entries, *older) == 6
    named = f"interaction_{date(2026, 11, 1):%Y_%m}"
    admin(store, *(f"DROP TABLE IF EXISTS {table}_2026_11" for table in partitions.TABLES))
    assert reader.counts()["interactions"] == 3
    assert write(writer, *entries) == 3
    assert named not in parts(store)
    engine = backend_of(store).writer()
    with engine.begin() as connection:
        assert named in partitions.make(connection, date(2026, 11, 2))
    assert ask(store, f"SELECT count(*) FROM {named}") == [(3,)]
    assert ask(store, "SELECT count(*) FROM interaction_default") == [(3,)]
    assert reader.counts()["interactions"] == 6
    assert write(writer, *entries) == 0
    body = reader.body(entries[0].interaction.id, "request")
    assert body is not None
    assert body.content == b'{"a":1}'
    assert f"dropped {named}" in dropped_before(store, date(2026, 12, 1))
    assert reader.counts()["interactions"] == 3
    assert reader.body(entries[0].interaction.id, "request") is None
    for opened in (writer, reader, engine):
        (opened.dispose if hasattr(opened, "dispose") else opened.close)()


def test_who_reads_while_a_month_is_made_sees_its_calls(store: DatabaseSettings) -> None:
    with closing(StoreWriter(store)) as writer:
        admin(store, *(f"DROP TABLE IF EXISTS {table}_2026_11" for table in partitions.TABLES))
        assert write(writer, *(an_entry() for _ in range(3))) == 3
        with futures.ThreadPoolExecutor() as pool, writer.transaction() as connection:
            assert "interaction_2026_11" in partitions.make(connection, date(2026, 11, 20))
            reading = pool.submit(ask, store, "SELECT count(*) FROM interaction")
            wait_until(lambda: waiting(store) == 1, "it waits for the month")
        assert reading.result() == [(3,)]
        assert ask(store, "SELECT count(*) FROM interaction_default") == [(0,)]


def waiting(store: DatabaseSettings) -> int:
    """Return how many sessions wait for a table of a database."""
    here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    return int(ask(store, f"SELECT count(*) FROM pg_locks WHERE NOT granted AND database = {here}")[0][0])


def dropped_before(store: DatabaseSettings, month: date) -> list[str]:
    """Drop what is older than a month, each thing in its own transaction; return what that was."""
    engine = backend_of(store).writer()
    done: list[str] = []
    while True:
        with engine.begin() as connection:
            found = partitions.drop_next(connection, month)
        if found is None:
            engine.dispose()
            return done
        done.append(found)


def called_at(day: date) -> Entry:
    """Return a call of a day, with a body that is stored in slices."""
    at = (day - date(1970, 1, 1)).days * DAY + 1
    entry = an_entry(request=f"{day} ".encode() * 1000, id=id_text(IdentityMint().mint(at * 1_000_000)), started_at=at)
    return replace(entry, attempts=())


def test_old_months_go_with_all_that_belongs_to_them(store: DatabaseSettings) -> None:
    engine = backend_of(store).writer()
    with engine.begin() as connection:
        partitions.make(connection, date(2026, 8, 1))
    engine.dispose()
    days = [date(2020, 1, 5), date(2026, 8, 15), date(2026, 9, 30), date(2026, 10, 15)]
    entries = [called_at(day) for day in days]
    writer, reader = StoreWriter(store), Reader(store)
    assert write(writer, *entries) == 4
    change = Change(id=entries[1].interaction.id, before={"cost_pico_usd": 2_500_000}, after={"cost_pico_usd": 6})
    assert writer.amend(Amendment(command="recost", reason="r", at=1, changes=[change])) == 1
    done = dropped_before(store, partitions.months_before(date(2026, 11, 26), 2))
    assert {"dropped interaction_2026_08", "dropped interaction_body_2026_08", "emptied interaction_default",
            "emptied interaction_body_default", "emptied amendment", "dropped a day's slices"} <= set(done)  # fmt: skip
    assert "interaction_2026_09" in parts(store)
    assert [row["id"] for row in reader.slice_after("", Filters(), 9)] == [item.interaction.id for item in entries[2:]]
    assert ask(store, "SELECT DISTINCT day FROM body_chunk ORDER BY day") == [(str(day),) for day in days[1:]]
    assert dropped_before(store, partitions.months_before(date(2026, 11, 26), 2)) == []
    assert "dropped a day's slices" in dropped_before(store, partitions.months_before(date(2026, 11, 26), 1))
    (kept,) = reader.parts_of([entries[3].interaction.id]).values()
    assert kept.request is not None
    assert kept.request.content == entries[3].request.content  # type: ignore[union-attr]
    assert sum(row["calls"] for row in reader._rows("SELECT calls FROM v_hourly", ())) == 4
    writer.close()
    reader.close()


def test_sums_outlive_months_and_are_neither_wrong_nor_counted_anew(store: DatabaseSettings) -> None:
    month = partitions.months_before(datetime.now(UTC).date(), 1)
    begin, store = (month - date(1970, 1, 1)).days * DAY, replace(store, keep_months=1)
    late = an_entry(id=id_text(IdentityMint().mint(begin * 1_000_000)), started_at=begin - 1)
    day, eve = month + timedelta(days=14), month - timedelta(days=1)
    with closing(StoreWriter(store)) as writer:
        assert write(writer, called_at(eve), replace(late, attempts=()), called_at(day)) == 3
    assert rollups_checked(store) == "count 1 calls, as many as there are"
    assert any("interaction" in done for done in dropped_before(store, month))
    with closing(Reader(store)) as reader:
        assert reader.days_to_count() == [str(day)]
    assert rollups_checked(store) == "count 1 calls, as many as there are"
    assert ask(store, "SELECT sum(calls) FROM rollup_hourly") == [(3,)]


def rollups_checked(store: DatabaseSettings) -> str:
    backend = backend_of(store)
    engine = backend.examiner()
    (found,) = (item for item in check_all(backend, engine) if item.part == "rollups")
    engine.dispose()
    return " ".join(found.wrong) or found.detail


@given(st.dates(date(1971, 1, 1), date(2200, 1, 1)), st.integers(0, 1200))
def test_months_are_counted_back(day: date, count: int) -> None:
    month = found = partitions.months_before(day, count)
    for _ in range(count):
        month = partitions.next_month(month)
    assert (found.day, month) == (1, day.replace(day=1))


def asked_of(reader: Reader) -> list[tuple[str, Any]]:
    """Return where the statements that a reader asks are noted from now on, as the driver is given them."""
    noted: list[tuple[str, Any]] = []

    @event.listens_for(reader._engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, sql: str, values: Any, _context: Any, _many: bool) -> None:
        if "FROM interaction" in sql or "JOIN interaction" in sql:
            noted.append((sql, values))

    return noted


@pytest.mark.parametrize(
    ("since", "until", "months"),
    [
        (NOVEMBER + 5 * DAY, None, {"2026_11", "2026_12", "2027_01", "2027_02", "default"}),
        (NOVEMBER + 35 * DAY, None, {"2026_12", "2027_01", "2027_02", "default"}),
        (NOVEMBER + 5 * DAY, NOVEMBER + 6 * DAY, {"2026_11", "2026_12", "default"}),
        (None, NOVEMBER - 40 * DAY, {"default"}),
    ],
)
def test_a_span_of_time_looks_at_its_months_only(
    store: DatabaseSettings, since: int | None, until: int | None, months: set[str]
) -> None:
    engine = backend_of(store).writer()
    with engine.begin() as connection:
        partitions.make(connection, date(2026, 11, 20))
    engine.dispose()
    reader = Reader(store)
    noted, wanted = asked_of(reader), Filters(since=since, until=until)
    reader.list_interactions(wanted, 21)
    reader.list_interactions(replace(wanted, model="gpt-*"), 21, Order("duration_ms"))
    reader.search(replace(wanted, terms=(Word("needle"),)), None, 20)
    reader.unpriced(wanted)
    reader.slice_after("", wanted, 100)
    if since is not None:
        reader.summary(since, until)
    reader.close()
    assert len(noted) >= 5
    with psycopg.connect(store.url) as connection:
        for sql, values in noted:
            plan = "\n".join(str(row[0]) for row in connection.execute(f"EXPLAIN (COSTS OFF) {sql}", values))
            looked = set(re.findall(r" on (?:interaction|text_index)_((?:\d{4}_\d\d|default))\b", plan))
            assert looked <= months, plan
            assert looked or "text_unindexed" in sql, plan


def test_a_call_whose_id_is_of_another_month_is_found_all_the_same(store: DatabaseSettings) -> None:
    """Its clock was put right while it was under way, or set back before."""
    ahead, behind = (f"{partitions.id_at(NOVEMBER + shift)[:14]}7000-8000-00000000000{number}"
                     for number, shift in enumerate((20 * DAY, -DAY // 2)))  # fmt: skip
    writer, reader = StoreWriter(store), Reader(store)
    entries = [an_entry(started_at=NOVEMBER + 1000), an_entry(started_at=NOVEMBER + 1000)]
    write(writer, *(replace(item, interaction=replace(item.interaction, id=name), attempts=())
                    for item, name in zip(entries, (ahead, behind), strict=True)))  # fmt: skip
    found = reader.list_interactions(Filters(since=NOVEMBER, until=NOVEMBER + 2000), 5)
    assert {row["id"] for row in found} == {ahead, behind}
    assert len(reader.slice_after("", Filters(since=NOVEMBER, until=NOVEMBER + 2000), 5)) == 2
    writer.close()
    reader.close()


def test_calls_are_found_by_their_time_after_a_clock_that_was_months_ahead(store: DatabaseSettings) -> None:
    mint, at = IdentityMint(), NOVEMBER + 1000
    mint.mint((at + 200 * DAY) * 1_000_000)
    identity = id_text(mint.mint(at * 1_000_000))
    writer, reader = StoreWriter(store), Reader(store)
    write(writer, an_entry(id=identity, started_at=at))
    found = reader.list_interactions(Filters(since=NOVEMBER, until=NOVEMBER + 2000), 5)
    assert [row["id"] for row in found] == [identity]
    writer.close()
    reader.close()


@given(st.integers(-(2**62), 2**62))
def test_every_instant_has_a_bound(milliseconds: int) -> None:
    found = partitions.bounded(Filters(since=milliseconds, until=milliseconds))
    assert found.from_id is not None
    assert found.from_id <= partitions.id_at(milliseconds)
    assert found.to_id is None or found.to_id > partitions.id_at(milliseconds)
