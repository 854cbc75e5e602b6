"""Who is there: one process a name, others by their reports, and what becomes of those long gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.hosts import instances, leadership
from proxy.store.hosts.instances import Instance, Report
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.hosts import a_host
from tests.support.postgres import Databases
from tests.support.rollups import ask


@pytest.fixture
def store(postgres: Databases) -> DatabaseSettings:
    return postgres.cleared()


@pytest.fixture
def writer(store: DatabaseSettings) -> Iterator[StoreWriter]:
    made = StoreWriter(store)
    yield made
    made.close()


def beats(writer: StoreWriter, who: Instance, **told: int | float | None) -> bool:
    report = Report(now_ms=1_795_000_002_500, **told)  # type: ignore[arg-type]
    with writer.transaction() as connection:
        return instances.beat(connection, who, report, 1_795_000_000_000)


def make_silent(store: DatabaseSettings, who: Instance, interval: str) -> None:
    ask(store, f"UPDATE instance SET seen_at = now() - interval '{interval}' WHERE id = ? RETURNING id", who.id)


def test_what_a_host_tells_is_seen_by_all(writer: StoreWriter) -> None:
    alpha, beta = a_host("alpha"), a_host("beta")
    writer.claim(beta)
    writer.claim(alpha)
    assert beats(writer, alpha, pending=7, pending_bytes=900, oldest_pending_seconds=1.5, config_revision=3)
    with writer.transaction() as connection:
        leadership.renew(connection, beta.id, beta.holder)
        first, second = instances.listing(connection)
    assert (first["host"], first["pending"], first["pending_bytes"], first["oldest_pending_seconds"]) == (
        "alpha", 7, 900, 1.5,
    )  # fmt: skip
    assert (first["config_revision"], first["clock_ahead_ms"], first["is_leader"]) == (3, 2500.0, False)
    assert (second["host"], second["pending"], second["is_leader"]) == ("beta", None, True)
    assert 0 <= first["seen_seconds_ago"] < 60


def test_a_copied_folder_does_not_write_beside_the_first(store: DatabaseSettings, writer: StoreWriter) -> None:
    first = a_host("alpha")
    copy = a_host("beta", id=first.id)
    writer.claim(first)
    with pytest.raises(StoreError, match=r"alpha \(alpha:/data\) writes under the id") as caught:
        writer.claim(copy)
    assert "instance-id" in (caught.value.hint or "")
    assert beats(writer, first)
    assert not beats(writer, copy)


def test_a_folder_that_was_moved_is_taken_over_once_its_last_user_is_silent(
    store: DatabaseSettings, writer: StoreWriter
) -> None:
    first = a_host("alpha")
    moved = a_host("beta", id=first.id)
    writer.claim(first)
    make_silent(store, first, "16 seconds")
    writer.claim(moved)
    assert beats(writer, moved)
    assert not beats(writer, first)


def test_who_has_left_in_order_is_not_waited_for(writer: StoreWriter) -> None:
    first = a_host("alpha")
    writer.claim(first)
    with writer.transaction() as connection:
        instances.leave(connection, first)
        assert instances.listing(connection)[0]["left_at"] is not None
    writer.claim(a_host("beta", id=first.id))
    with writer.transaction() as connection:
        assert instances.listing(connection)[0]["left_at"] is None


def test_a_restart_in_its_own_place_never_waits(writer: StoreWriter) -> None:
    first = a_host("alpha")
    writer.claim(first)
    again = replace(first, holder="another")
    writer.claim(again)
    assert (beats(writer, again), beats(writer, first)) == (True, False)


def test_the_accounts_of_hosts_long_gone_are_added_up_and_those_with_a_spool_left_are_kept(
    store: DatabaseSettings, writer: StoreWriter
) -> None:
    gone, kept, present = a_host("gone"), a_host("kept"), a_host("present")
    for who, is_closed in ((gone, True), (kept, False), (present, True)):
        writer.claim(who)
        one = StoreWriter(store, who.id)
        state = SourceState(f"of-{who.host}", 1, 0, 5, {"policy": 2}, is_closed)
        entries = [(state.name, an_entry()) for _ in range(3)]
        one.write(WriteBatch(entries=entries, states=[state]), lambda _: {("calls_total", "{}"): 3.0})
        one.close()
    for who in (gone, kept):
        make_silent(store, who, "31 days")
    for _ in range(2):
        with writer.transaction() as connection:
            said = instances.fold_gone(connection)
    assert said is None
    assert [row[0] for row in ask(store, "SELECT host FROM instance ORDER BY host")] == ["kept", "present"]
    assert ask(store, "SELECT instance, value FROM metric_total ORDER BY instance") == [
        ("", 3.0), *sorted([(kept.id, 3.0), (present.id, 3.0)])
    ]  # fmt: skip
    sums = ask(store, "SELECT source, accepted, stored FROM spool_position WHERE instance = ''")
    assert sums == [("earlier", 5, 3)]
