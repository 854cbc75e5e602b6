"""Revision 0005 gives counters and ledgers an owner; the previous release goes on reading and writing them."""

from __future__ import annotations

from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import upgrade
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.revisions import bring_back, bring_to
from tests.support.rollups import ask

_EARLIER_STATE = (
    'INSERT INTO spool_position (source, segment, "offset", accepted, stored, quarantined, dropped, is_closed) '
    "VALUES (?, 1, 2, 3, 3, 0, '{}', FALSE)"
)


def add_as_the_previous_release(database: DatabaseSettings, value: float) -> None:
    """Postgres wants to be told which conflict; what is told was the whole key then."""
    if database.is_postgres:
        ask(database, "INSERT INTO metric_total (family, labels, value) VALUES ('calls', '{}', ?)", value)
        return
    added = "UPDATE SET value = value + excluded.value"
    ask(
        database,
        f"INSERT INTO metric_total (family, labels, value) VALUES ('calls', '{{}}', ?) ON CONFLICT DO {added}",
        value,
    )


def test_counters_and_ledger_of_the_release_before_are_carried_through(empty: DatabaseSettings) -> None:
    bring_to(empty, "0004")
    add_as_the_previous_release(empty, 5.0)
    ask(empty, _EARLIER_STATE, "boot-0")
    assert upgrade(empty).before == "0004"
    reader = Reader(empty)
    assert reader.totals() == {("calls", "{}"): 5.0}
    assert [(row["source"], row["stored"], row["instance"]) for row in reader.states()] == [("boot-0", 3, "")]
    assert (reader.totals("other"), reader.states("other")) == ({}, [])
    reader.close()


def test_the_previous_release_goes_on_adding_to_its_counters(empty: DatabaseSettings) -> None:
    upgrade(empty)
    add_as_the_previous_release(empty, 5.0)
    if not empty.is_postgres:
        add_as_the_previous_release(empty, 2.0)
        assert ask(empty, "SELECT family, labels, value FROM metric_total") == [("calls", "{}", 7.0)]
    ask(empty, _EARLIER_STATE, "boot-0")
    assert ask(empty, "SELECT instance FROM spool_position") == [("",)]


def test_two_instances_count_apart(empty: DatabaseSettings) -> None:
    upgrade(empty)
    for name, times in (("a", 1), ("b", 2)):
        writer = StoreWriter(empty, name)
        for _ in range(times):
            writer.write(WriteBatch(states=[SourceState(f"{name}-0", 1, 2, accepted=times)]), lambda _: {})
        writer.fold([f"{name}-0"])
        writer.close()
    reader = Reader(empty)
    accounts = {name: [(row["source"], row["accepted"]) for row in reader.states(name)] for name in "ab"}
    assert accounts == {"a": [("earlier-a", 1)], "b": [("earlier-b", 2)]}
    reader.close()


def test_it_can_be_taken_back(empty: DatabaseSettings) -> None:
    upgrade(empty)
    ask(
        empty,
        "INSERT INTO metric_total (instance, family, labels, value) VALUES ('a', 'f', '{}', 1), ('b', 'f', '{}', 2)",
    )
    bring_back(empty, "0004")
    assert ask(empty, "SELECT * FROM metric_total") == [("f", "{}", 3.0)]
