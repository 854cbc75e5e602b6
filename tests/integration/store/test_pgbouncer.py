"""Behind PgBouncer in transaction mode every transaction may have another connection: the store asks no more of one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from proxy.settings.database import DatabaseSettings
from proxy.store.changes.amending import Amendment, Change
from proxy.store.filters.statements import Filters
from proxy.store.migrating.migration import upgrade
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry, with_body
from tests.support.pgbouncer import PROGRAM, bouncer
from tests.support.rollups import assert_rollups_equal_the_rows

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture(params=[PROGRAM] if PROGRAM else [])
def through(request: pytest.FixtureRequest, postgres: Databases) -> Iterator[DatabaseSettings]:
    """The address of an empty database, through PgBouncer where that is installed."""
    made = postgres.empty()
    with bouncer(request.param, made.url) as url:
        yield replace(made, url=url)
    postgres.drop(made)


def test_the_whole_store_works_through_it(through: DatabaseSettings) -> None:
    upgrade(through)
    entries = [with_body(an_entry(cost_pico_usd=5), b"slice " * 2000, (6000,)) for _ in range(120)]
    writers = [StoreWriter(through, name) for name in "abc"]

    def write(writer: StoreWriter, number: int) -> None:
        mine = entries[number::3]
        for start in range(0, len(mine), 8):
            batch = WriteBatch(
                entries=[(str(number), item) for item in mine[start : start + 8]],
                states=[SourceState(str(number), 1, start)],
            )
            writer.write(batch, lambda new: {("calls", "{}"): float(len(new))})

    threads = [threading.Thread(target=write, args=(writer, number)) for number, writer in enumerate(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    change = Change(id=entries[0].interaction.id, before={"cost_pico_usd": 5}, after={"cost_pico_usd": 6})
    assert writers[0].amend(Amendment(command="recost", reason="r", at=1, changes=[change])) == 1
    reader = Reader(through)
    assert len(reader.list_interactions(Filters(model="gpt-5"), 200)) == 120
    body = reader.body(entries[7].interaction.id, "request")
    assert body is not None
    assert body.content == b"slice " * 2000
    assert [reader.totals(name) for name in "abc"] == [{("calls", "{}"): 40.0}] * 3
    assert_rollups_equal_the_rows(through)
    for writer in writers:
        writer.close()
    reader.close()


def test_nothing_of_ours_is_left_in_a_connection(through: DatabaseSettings) -> None:
    upgrade(through)
    writer = StoreWriter(through)
    writer.write(WriteBatch(entries=[("s", an_entry())]), lambda _: {})
    with psycopg.connect(through.url, autocommit=True) as other:
        for name, usual in (("statement_timeout", "0"), ("lock_timeout", "0"), ("transaction_read_only", "off")):
            found = other.execute("SELECT current_setting(%s)", (name,)).fetchone()
            assert found == (usual,)
        assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    writer.close()
