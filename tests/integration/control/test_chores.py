"""What the leader of several hosts does beside the rest: statistics, by it alone; a defect ends nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.control.chores import Chores
from proxy.loader.periodic import PeriodicWork
from proxy.settings.database import DatabaseSettings
from proxy.store.care.maintenance import Upkeep
from proxy.store.upkeep.periodic import PeriodicRuns
from proxy.store.writing.writer import StoreWriter
from tests.support.hosts import a_host
from tests.support.postgres import Databases
from tests.support.rollups import ask
from tests.support.waiting import wait_until

OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
LOOKED_AT = "SELECT count(*) FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL AND relname = 'quarantine'"


@pytest.fixture
def database(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.migrated()
    yield made
    postgres.drop(made)


class Host:
    """A host's chores, with its clock and whether it leads in the test's hand."""

    def __init__(self, database: DatabaseSettings) -> None:
        self.leads = False
        self.now = 0.0
        self.upkeep = Upkeep(3600, lambda: self.now)
        self.work = PeriodicWork(PeriodicRuns(database, a_host(), []), lambda: self.leads)
        self.chores = Chores(database, "", self.work, self.upkeep, lambda: self.leads)


def test_the_leader_alone_looks_after_the_database(database: DatabaseSettings) -> None:
    host, writer = Host(database), StoreWriter(database)
    host.now = 3600.0
    assert host.chores.look(writer) > 0
    assert ask(database, LOOKED_AT) == [(0,)]
    host.leads = True
    while host.chores.look(writer) == 0.0:
        pass
    assert ask(database, LOOKED_AT) == [(1,)]
    # Done for this time.
    assert host.chores.look(writer) > 0
    writer.close()


def test_between_two_looks_no_connection_is_kept(database: DatabaseSettings) -> None:
    host, writer = Host(database), StoreWriter(database)
    host.leads = True
    host.chores.look(writer)
    wait_until(lambda: ask(database, OTHERS) == [(0,)], "the server has seen it go")
    writer.close()


def test_a_defect_is_waited_out(database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    host, writer = Host(database), StoreWriter(database)
    host.leads = True

    def defective(_writer: StoreWriter) -> bool:
        raise KeyError("a defect")

    monkeypatch.setattr(host.work, "look", defective)
    assert host.chores.look(writer) > 1
    writer.close()
