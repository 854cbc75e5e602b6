"""Periodic work: done when due, by the leader alone, wholly or not at all, and on record either way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import psycopg
import pytest
from sqlalchemy import Connection

from proxy.loader import periodic
from proxy.loader.periodic import PeriodicWork
from proxy.settings.database import DatabaseSettings
from proxy.store.catalogue import audit
from proxy.store.catalogue.audit import Deed
from proxy.store.engines.engine import backend_of
from proxy.store.engines.partitions import PART, make, next_month
from proxy.store.hosts import leadership
from proxy.store.hosts.instances import Instance
from proxy.store.upkeep.periodic import OLD_DEEDS, PeriodicRuns, Task, tasks_of
from proxy.store.writing.writer import StoreWriter
from tests.support.hosts import a_host
from tests.support.postgres import Databases
from tests.support.rollups import ask

RUNS = "SELECT name, instance, result, failure FROM periodic_run ORDER BY name"


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "LOOK_SECONDS", 0.0)


@pytest.fixture
def writer(store: DatabaseSettings) -> Iterator[StoreWriter]:
    made = StoreWriter(store)
    yield made
    made.close()


@pytest.fixture
def who(store: DatabaseSettings, writer: StoreWriter) -> Instance:
    """Somebody who leads."""
    made = a_host()
    if store.is_postgres:
        with writer.transaction() as connection:
            leadership.renew(connection, made.id, made.holder)
    return made


def noting(name: str, seconds: float = 3600, said: str | None = "done") -> Task:
    def work(connection: Connection) -> str | None:
        connection.exec_driver_sql(
            "INSERT INTO quarantine (source, segment, \"offset\", reason, quarantined_at) VALUES (?, 0, 0, 'x', ?)",
            (name, "2026-11-26T00:00:00.000Z"),
        )
        return said

    return Task(name=name, seconds=seconds, work=work)


def done(store: DatabaseSettings) -> list[str]:
    return [row[0] for row in ask(store, "SELECT source FROM quarantine ORDER BY number")]


def look(work: PeriodicWork, writer: StoreWriter) -> int:
    """Look until nothing is due; return how often something was done."""
    times = 0
    while work.look(writer):
        times += 1
        assert times < 50
    return times


def test_what_is_due_is_done_once_and_on_record(store: DatabaseSettings, writer: StoreWriter, who: Instance) -> None:
    tasks = [noting("one"), noting("two", said=None)]
    assert look(PeriodicWork(PeriodicRuns(store, who, tasks), lambda: True), writer) == 2
    # A restart begins nothing anew.
    assert look(PeriodicWork(PeriodicRuns(store, who, tasks), lambda: True), writer) == 0
    assert done(store) == ["one", "two"]
    assert ask(store, RUNS) == [("one", who.id, "done", None), ("two", who.id, None, None)]


def test_it_is_done_again_when_its_time_has_come(store: DatabaseSettings, writer: StoreWriter, who: Instance) -> None:
    work = PeriodicWork(PeriodicRuns(store, who, [noting("one", seconds=0.0)]), lambda: True)
    assert (work.look(writer), work.look(writer)) == (True, True)
    assert done(store) == ["one", "one"]


def test_work_with_a_share_of_the_time_rests_unless_nobody_waits(
    store: DatabaseSettings, writer: StoreWriter, who: Instance
) -> None:
    task = replace(noting("one", seconds=0.0), goes_on=True, share=1e-9)
    work = PeriodicWork(PeriodicRuns(store, who, [task]), lambda: True)
    assert (work.look(writer), work.look(writer)) == (True, False)
    assert (work.look(writer, is_idle=True), work.look(writer)) == (True, False)
    assert done(store) == ["one", "one"]


def failing(connection: Connection) -> str | None:
    noting("half").work(connection)
    connection.exec_driver_sql("SELECT 1 FROM nowhere")
    return None


def defective(_connection: Connection) -> str | None:
    raise KeyError("a defect")


@pytest.mark.parametrize(("broken", "told"), [(failing, "nowhere"), (defective, "a defect")])
def test_what_fails_leaves_nothing_and_keeps_nothing_else_from_being_done(
    store: DatabaseSettings, writer: StoreWriter, who: Instance, broken: Callable[[Connection], str | None], told: str
) -> None:
    tasks = [Task(name="broken", seconds=3600, work=broken), noting("sound")]
    assert look(PeriodicWork(PeriodicRuns(store, who, tasks), lambda: True), writer) == 2
    assert done(store) == ["sound"]
    (name, _, result, failure), sound = ask(store, RUNS)
    assert (name, result, told in failure) == ("broken", None, True)
    assert sound[0] == "sound"


def test_what_goes_on_is_done_until_nothing_is_left(
    store: DatabaseSettings, writer: StoreWriter, who: Instance
) -> None:
    left = ["a", "b"]
    task = Task(name="one", seconds=3600, work=lambda _: left.pop() if left else None, goes_on=True)
    assert look(PeriodicWork(PeriodicRuns(store, who, [task]), lambda: True), writer) == 3
    assert left == []


def test_who_does_not_lead_does_not_even_ask(store: DatabaseSettings, writer: StoreWriter, who: Instance) -> None:
    assert not PeriodicWork(PeriodicRuns(store, who, [noting("one")]), lambda: False).look(writer)
    assert ask(store, RUNS) == []


# -- several hosts ------------------------------------------------------------------------------------------


@pytest.fixture
def shared(postgres: Databases) -> DatabaseSettings:
    return postgres.cleared()


def test_a_leader_that_slept_through_its_lease_does_nothing_though_it_believes_in_itself(
    shared: DatabaseSettings,
) -> None:
    writer, sleeper, next_one = StoreWriter(shared), a_host("sleeper"), a_host("next")
    with writer.transaction() as connection:
        leadership.renew(connection, sleeper.id, sleeper.holder, seconds=0)
        leadership.renew(connection, next_one.id, next_one.holder)
    assert look(PeriodicWork(PeriodicRuns(shared, sleeper, [noting("one")]), lambda: True), writer) == 0
    assert look(PeriodicWork(PeriodicRuns(shared, next_one, [noting("one")]), lambda: True), writer) == 1
    writer.close()


def test_work_that_another_host_is_still_at_is_left_to_it(shared: DatabaseSettings) -> None:
    """The last leader is frozen in mid-work: its transaction is open, and so its lock is held."""
    writer, theirs, who = StoreWriter(shared), StoreWriter(shared), a_host()
    work = PeriodicWork(PeriodicRuns(shared, who, [noting("one"), noting("two")]), lambda: True)
    with writer.transaction() as connection:
        leadership.renew(connection, who.id, who.holder)
    with theirs.transaction() as connection:
        assert backend_of(shared).be_only(connection, "one")
        assert look(work, writer) == 1
        assert done(shared) == ["two"]
    assert look(work, writer) == 1
    assert done(shared) == ["two", "one"]
    writer.close()
    theirs.close()


def test_a_frozen_host_loses_its_work_in_seconds(shared: DatabaseSettings) -> None:
    writer = StoreWriter(shared)
    with writer.transaction() as connection:
        backend_of(shared).prepare_work(connection, 600)
        settings = connection.exec_driver_sql(
            "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('statement_timeout')"
        ).one()
    assert tuple(settings) == ("10s", "10min")
    writer.close()


def test_the_months_ahead_are_made_one_by_one_while_calls_are_written(postgres: Databases) -> None:
    store = postgres.migrated()
    month = datetime.now(UTC).date().replace(day=1)
    for _ in range(3):
        month = next_month(month)
    with psycopg.connect(store.url, autocommit=True) as connection:
        found = [row[0] for row in connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")]
        last = [name for name in found if (part := PART.match(name)) and part["month"] == f"{month.month:02d}"]
        for name in last:
            connection.execute(f"DROP TABLE {name}")
    writer, who = StoreWriter(store), a_host()
    with writer.transaction() as connection:
        leadership.renew(connection, who.id, who.holder)
    assert look(PeriodicWork(PeriodicRuns(store, who, tasks_of(store)), lambda: True), writer) == len(last) + 7
    assert {name for (name,) in ask(store, "SELECT relname FROM pg_class WHERE relkind = 'r'")} == set(found)
    writer.close()
    postgres.drop(store)


def test_months_are_dropped_only_where_the_settings_say_so(postgres: Databases) -> None:
    store = postgres.migrated()
    who, writer = a_host(), StoreWriter(store)
    with writer.transaction() as connection:
        leadership.renew(connection, who.id, who.holder)
        make(connection, date(2020, 1, 1))
    for keep, is_kept in ((0, True), (3, False)):
        settings = replace(store, keep_months=keep)
        look(PeriodicWork(PeriodicRuns(settings, who, tasks_of(settings)), lambda: True), writer)
        assert (ask(store, "SELECT to_regclass('interaction_2020_02') IS NOT NULL") == [(is_kept,)]) is True
    assert ask(store, "SELECT result, failure FROM periodic_run WHERE name = 'old_months'") == [(None, None)]
    writer.close()
    postgres.drop(store)


def test_what_a_wrong_clock_has_put_off_is_done(store: DatabaseSettings, writer: StoreWriter, who: Instance) -> None:
    work = PeriodicWork(PeriodicRuns(store, who, [noting("one")]), lambda: True)
    assert look(work, writer) == 1
    ask(store, "UPDATE periodic_run SET next_at = '2099-01-01T00:00:00.000Z'")
    assert look(work, writer) == 1
    assert look(work, writer) == 0


def test_a_calendar_that_jumped_drops_no_month_at_once(postgres: Databases) -> None:
    store = replace(postgres.migrated(), keep_months=3)
    who, writer = a_host(), StoreWriter(store)
    with writer.transaction() as connection:
        leadership.renew(connection, who.id, who.holder)
        make(connection, date(2020, 1, 1))
    work = PeriodicWork(PeriodicRuns(store, who, tasks_of(store)), lambda: True)
    there = "SELECT to_regclass('interaction_2020_02') IS NOT NULL"
    ask(store, "INSERT INTO periodic_run (name, instance, began_at, ended_at, next_at) SELECT 'old_months', 'a', "
               "now() - interval '300 days', now() - interval '300 days', now() - interval '299 days'")  # fmt: skip
    look(work, writer)
    assert ask(store, there) == [(True,)]
    ask(store, "UPDATE periodic_run SET next_at = now() WHERE name = 'old_months'")
    look(work, writer)
    assert ask(store, there) == [(False,)]
    writer.close()
    postgres.drop(store)


def test_old_deeds_are_forgotten_and_young_ones_are_kept(
    store: DatabaseSettings, writer: StoreWriter, who: Instance
) -> None:
    def deeds() -> list[str]:
        with writer.transaction() as connection:
            return [item["object"] for item in audit.page(connection)]

    with writer.transaction() as connection:
        audit.add(connection, writer.backend, *(Deed(actor="a", action="b", noun="c", object=str(n)) for n in range(3)))
        connection.exec_driver_sql("UPDATE audit_log SET at = ? WHERE object < '2'", ("2020-01-01T00:00:00.000Z",))
    forever = [task for task in tasks_of(store) if task.name == OLD_DEEDS]
    assert forever == []
    (task,) = (task for task in tasks_of(store, audit_days=365) if task.name == OLD_DEEDS)
    look(PeriodicWork(PeriodicRuns(store, who, [task]), lambda: True), writer)
    assert deeds() == ["2"]


def test_old_deeds_stay_where_the_calendar_has_jumped(
    store: DatabaseSettings, writer: StoreWriter, who: Instance
) -> None:
    (task,) = (task for task in tasks_of(store, audit_days=365) if task.name == OLD_DEEDS)
    work = PeriodicWork(PeriodicRuns(store, who, [task]), lambda: True)
    look(work, writer)
    with writer.transaction() as connection:
        audit.add(connection, writer.backend, Deed(actor="a", action="b", noun="c"))
        for sql in ("UPDATE audit_log SET at = ?", "UPDATE periodic_run SET ended_at = ?, next_at = ended_at"):
            connection.exec_driver_sql(sql, ("2020-01-01T00:00:00.000Z",))
    look(work, writer)
    with writer.transaction() as connection:
        assert len(audit.page(connection)) == 1
