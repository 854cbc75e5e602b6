"""Postgres: who stores a call in the moment in which a purge is asked for is waited for, so that the call is found."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from proxy.settings.database import DatabaseSettings
from proxy.store.erasure import purges
from proxy.store.erasure.purges import PURGE, Aim
from proxy.store.writing import batches
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.postgres import Databases
from tests.support.rollups import ask
from tests.support.waiting import wait_until

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'"


@pytest.fixture
def store(postgres: Databases) -> DatabaseSettings:
    return postgres.cleared()


def wait_for_writers(store: DatabaseSettings) -> None:
    with contextlib.closing(StoreWriter(store)) as mine, mine.transaction() as connection:
        purges.wait_for_writers(connection)


def test_who_is_just_storing_is_waited_for(store: DatabaseSettings) -> None:
    entry = an_entry(user_id="kim")
    with (
        contextlib.closing(StoreWriter(store)) as host,
        contextlib.closing(StoreWriter(store)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        with host.transaction() as connection:
            assert len(batches.add(connection, [entry])) == 1
            with other.transaction() as beside:
                purge = purges.begin(beside, PURGE, Aim(user="kim"), "lee", STARTED_AT + 1)
                assert purges.find(beside, purge) == []
            waiting = pool.submit(wait_for_writers, store)
            wait_until(lambda: waiting.done() or ask(store, WAITING) == [(1,)], "somebody waits")
            assert not waiting.done()
        waiting.result(30)
        with other.transaction() as beside:
            assert purges.find(beside, purge) == [entry.interaction.id]
