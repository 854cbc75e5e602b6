"""The loader in front of a Postgres that is stopped, cut off in the middle of a commit, or filled by somebody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import proxy.loader.pausing
from proxy.domain.identity import id_text
from proxy.settings.database import DatabaseSettings
from proxy.settings.installation import instance_of
from proxy.store.migrating.migration import upgrade
from proxy.store.reading.reader import Reader
from tests.integration.loader.conftest import Bench
from tests.support.postgres import PostgresServer
from tests.support.rollups import ask, assert_rollups_equal_the_rows
from tests.support.severing import SeveringProxy
from tests.support.spooling import SpoolingGateway, settings_in
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once: what is waited for here is a server that starts."""
    monkeypatch.setattr(proxy.loader.pausing, "LONGEST", 0.1)


@pytest.fixture
def store(postgres: Databases) -> Iterator[DatabaseSettings]:
    """A database of its own, on Postgres alone."""
    made = postgres.migrated()
    yield made
    postgres.drop(made)


def counted(bench: Bench) -> dict[tuple[str, str], float]:
    reader = Reader(bench.settings.database, is_primary=True)
    try:
        return reader.totals(instance_of(bench.settings))
    finally:
        reader.close()


def await_stored(bench: Bench, count: int) -> None:
    wait_until(lambda: bench.loader.ledger()["stored"] == count, f"{count} calls are stored", seconds=60)


def assert_once(bench: Bench, ledger: dict[str, Any], identities: list[bytes]) -> None:
    """Fail where a call is missing or there twice, in rows, rollups, ledger or counters."""
    assert sorted(row["id"] for row in bench.rows()) == sorted(map(id_text, identities))
    count = len(identities)
    assert (ledger["accepted"], ledger["stored"], ledger["balanced"]) == (count, count, True), ledger
    assert_rollups_equal_the_rows(bench.settings.database)
    totals = counted(bench)
    assert sum(value for (family, _), value in totals.items() if family == "dashcam_requests_total") == count
    shown = {
        (family, str(labels)): value for family, found in bench.totals.by_family().items() for labels, value in found
    }
    assert sum(value for (family, _), value in shown.items() if family == "dashcam_requests_total") == count


def test_a_server_that_is_killed_again_and_again_gets_every_call_once(tmp_path: Path) -> None:
    server = PostgresServer()
    server.start()
    try:
        database = DatabaseSettings(url=server.url())
        upgrade(database)
        bench = Bench(settings_in(tmp_path, database=database))
        gateway = SpoolingGateway(bench.settings)
        thread = threading.Thread(target=bench.loader.run, daemon=True)
        thread.start()
        identities = []
        for _ in range(3):
            identities += [gateway.call() for _ in range(40)]
            server.stop()
            identities += [gateway.call() for _ in range(40)]
            wait_until(lambda: bench.loader.last_error, "the trouble is told")
            assert "cannot be reached" in str(bench.loader.last_error)
            server.start()
        await_stored(bench, len(identities))
        ledger = bench.loader.ledger()
        bench.loader.stop()
        thread.join(10)
        gateway.die()
        assert_once(bench, ledger, identities)
    finally:
        server.remove()


def test_a_commit_without_an_answer_is_asked_for(store: DatabaseSettings, tmp_path: Path) -> None:
    way = SeveringProxy(store.url)
    bench = Bench(settings_in(tmp_path, database=replace(store, url=way.url)))
    gateway = SpoolingGateway(bench.settings)
    thread = threading.Thread(target=bench.loader.run, daemon=True)
    thread.start()
    identities = []
    for count in (10, 20, 30):
        way.arm()
        identities += [gateway.call() for _ in range(10)]
        wait_until(way.severed.is_set, "the commit went through unheard")
        await_stored(bench, count)
    ledger = bench.loader.ledger()
    bench.loader.stop()
    thread.join(10)
    gateway.die()
    assert_once(bench, ledger, identities)
    way.close()


def test_two_hosts_write_the_same_hour_without_waiting_in_a_circle(store: DatabaseSettings, tmp_path: Path) -> None:
    benches = [Bench(settings_in(tmp_path / name, database=store)) for name in ("one", "two")]
    gateways = [SpoolingGateway(bench.settings, f"boot{number}") for number, bench in enumerate(benches)]
    threads = [threading.Thread(target=bench.loader.run, daemon=True) for bench in benches]
    for thread in threads:
        thread.start()
    made = [[gateway.call() for _ in range(300)] for gateway in gateways]
    for bench in benches:
        await_stored(bench, 300)
    ledgers = [bench.loader.ledger() for bench in benches]
    for bench, thread, gateway in zip(benches, threads, gateways, strict=True):
        bench.loader.stop()
        thread.join(10)
        gateway.die()
    assert [ledger["accepted"] for ledger in ledgers] == [300, 300]
    assert all(ledger["balanced"] for ledger in ledgers)
    assert sorted(row[0] for row in ask(store, "SELECT id FROM interaction")) == sorted(map(id_text, made[0] + made[1]))
    assert_rollups_equal_the_rows(store)
    assert ask(
        store, "SELECT count(DISTINCT instance), sum(value) FROM metric_total WHERE family = 'dashcam_requests_total'"
    ) == [(2, 600)]


def test_a_key_that_somebody_else_took_is_the_fault_of_its_row_alone(bench: Bench, gateway: SpoolingGateway) -> None:
    identities = [gateway.call() for _ in range(5)]
    taken = id_text(identities[2])
    with psycopg.connect(bench.settings.database.url) as connection:
        connection.execute("INSERT INTO interaction_text (interaction_id) VALUES (%s)", (taken,))
    thread = threading.Thread(target=bench.loader.run, daemon=True)
    thread.start()
    wait_until(lambda: bench.loader.ledger()["quarantined"] == 1, "it is set aside")
    await_stored(bench, 4)
    bench.loader.stop()
    thread.join(10)
    assert ask(bench.settings.database, "SELECT interaction_id FROM quarantine") == [(taken,)]
    ledger = bench.loader.ledger()
    assert (ledger["accepted"], ledger["balanced"]) == (5, True)


def test_a_table_altered_by_hand_holds_all_calls_back_until_it_is_mended(
    bench: Bench, gateway: SpoolingGateway
) -> None:
    identities = [gateway.call() for _ in range(5)]
    ask(bench.settings.database, "ALTER TABLE interaction RENAME COLUMN top_p TO topp")
    thread = threading.Thread(target=bench.loader.run, daemon=True)
    thread.start()
    wait_until(lambda: bench.loader.last_error, "the trouble is told")
    assert "not as ours" in str(bench.loader.last_error)
    assert bench.loader.ledger()["quarantined"] == 0
    ask(bench.settings.database, "ALTER TABLE interaction RENAME COLUMN topp TO top_p")
    await_stored(bench, 5)
    ledger = bench.loader.ledger()
    bench.loader.stop()
    thread.join(10)
    assert_once(bench, ledger, identities)


def test_a_sequence_at_its_end_is_no_rows_fault(bench: Bench, gateway: SpoolingGateway) -> None:
    database = bench.settings.database
    ((sequence,),) = ask(database, "SELECT pg_get_serial_sequence('body_chunk', 'number')")
    ask(database, f"ALTER SEQUENCE {sequence} MAXVALUE 2 RESTART WITH 2")
    identities = [gateway.call(f"long {number}" * 2000) for number in range(3)]
    thread = threading.Thread(target=bench.loader.run, daemon=True)
    thread.start()
    wait_until(lambda: bench.loader.last_error, "the trouble is told")
    assert "has a sequence at its end" in str(bench.loader.last_error)
    ask(database, f"ALTER SEQUENCE {sequence} NO MAXVALUE")
    await_stored(bench, 3)
    ledger = bench.loader.ledger()
    bench.loader.stop()
    thread.join(10)
    assert_once(bench, ledger, identities)


def test_statements_that_are_ended_in_the_middle_of_a_copy_double_nothing(
    store: DatabaseSettings, tmp_path: Path
) -> None:
    """A trigger that is slow at first: the time-out strikes while rows are on their way."""
    database = replace(store, statement_timeout=0.2)
    bench = Bench(settings_in(tmp_path, database=database))
    gateway = SpoolingGateway(bench.settings)
    ask(
        store,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.15); RETURN NEW; END'",
    )
    ask(store, "CREATE TRIGGER slow BEFORE INSERT ON interaction_body FOR EACH ROW EXECUTE FUNCTION slow()")
    identities = [gateway.call() for _ in range(5)]
    thread = threading.Thread(target=bench.loader.run, daemon=True)
    thread.start()
    wait_until(lambda: bench.loader.last_error, "the trouble is told")
    assert "took too long" in str(bench.loader.last_error)
    assert ask(store, "SELECT count(*) FROM interaction") == [(0,)]
    ask(store, "DROP TRIGGER slow ON interaction_body")
    await_stored(bench, 5)
    ledger = bench.loader.ledger()
    bench.loader.stop()
    thread.join(10)
    gateway.die()
    assert_once(bench, ledger, identities)
