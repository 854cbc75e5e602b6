"""A server that takes another one's place and has not got its last commits: rows and position went together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import proxy.loader.outage
import proxy.loader.pausing
from proxy.domain.identity import id_text
from proxy.settings.database import DatabaseSettings
from tests.integration.loader.conftest import Bench
from tests.support.postgres import Databases
from tests.support.rollups import ask, assert_rollups_equal_the_rows
from tests.support.spooling import SpoolingGateway, settings_in
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy.loader.pausing, "LONGEST", 0.1)


@pytest.fixture
def primary(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.migrated()
    yield made
    postgres.drop(made)


@contextmanager
def loading(bench: Bench) -> Iterator[None]:
    thread = threading.Thread(target=bench.loader.run, daemon=True)
    thread.start()
    yield
    bench.loader.stop()
    thread.join(10)


def await_stored(bench: Bench, count: int) -> None:
    wait_until(lambda: bench.loader.ledger()["stored"] == count, f"{count} calls are stored", seconds=60)


def stored_in(database: DatabaseSettings) -> list[str]:
    return sorted(row[0] for row in ask(database, "SELECT id FROM interaction"))


def leave_segment(gateway: SpoolingGateway) -> None:
    gateway.writer.syncing.round(1e9)
    gateway.writer.syncing.must_rotate = True


@pytest.mark.parametrize("is_freed", [False, True])
def test_what_the_spool_still_has_is_stored_again_and_what_was_freed_is_lost_and_counted(
    postgres: Databases, primary: DatabaseSettings, tmp_path: Path, is_freed: bool
) -> None:
    bench = Bench(settings_in(tmp_path, database=primary))
    gateway = SpoolingGateway(bench.settings)
    with loading(bench):
        kept = [gateway.call() for _ in range(3)]
        await_stored(bench, 3)
        behind = postgres.copied(primary)
        late = [gateway.call() for _ in range(3)]
        await_stored(bench, 6)
        if is_freed:
            leave_segment(gateway)
        kept.append(gateway.call())
        await_stored(bench, 7)
        assert (gateway.writer.folder / "00000001.seg").exists() is not is_freed
        postgres.put_in_place_of(primary, behind)
        kept += [gateway.call() for _ in range(3)]
        there = sorted(map(id_text, kept if is_freed else kept + late))
        wait_until(lambda: stored_in(primary) == there, "what is left is stored", seconds=60)
        wait_until(lambda: bench.loader.ledger()["pending"] == 0, "the loader knows")
        lost = {"store_moved": 3} if is_freed else {}
        assert (bench.loader.ledger()["dropped"], bench.loader.ledger()["balanced"]) == (lost, True)
        gateway.die()
        wait_until(lambda: not gateway.writer.folder.exists(), "all of it is loaded")
        ledger = bench.loader.ledger()
    assert stored_in(primary) == there
    assert (ledger["accepted"], ledger["dropped"], ledger["balanced"]) == (10, lost, True)
    assert_rollups_equal_the_rows(primary)


def test_it_is_noticed_also_while_nobody_calls(
    postgres: Databases, primary: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy.loader.outage, "LOOK_BACK_SECONDS", 0.05)
    bench = Bench(settings_in(tmp_path, database=primary))
    gateway = SpoolingGateway(bench.settings)
    with loading(bench):
        calls = [gateway.call() for _ in range(3)]
        await_stored(bench, 3)
        behind = postgres.copied(primary)
        calls += [gateway.call() for _ in range(3)]
        await_stored(bench, 6)
        postgres.put_in_place_of(primary, behind)
        there = sorted(map(id_text, calls))
        wait_until(lambda: stored_in(primary) == there, "what was lost is stored again", seconds=60)
    gateway.die()


@pytest.mark.parametrize("how", ['UPDATE spool_position SET "offset" = 16', "DELETE FROM spool_position"])
def test_a_position_that_went_back_is_believed_and_doubles_nothing(
    bench: Bench, gateway: SpoolingGateway, how: str
) -> None:
    identities = [gateway.call() for _ in range(3)]
    bench.load()
    ask(bench.settings.database, how)
    identities.append(gateway.call())
    assert bench.loader._careful_round() > 0
    assert f"gone back: of the spool {gateway.name} we had committed segment 1" in str(bench.loader.last_error)
    while bench.loader._careful_round() == 0.0:
        pass
    assert stored_in(bench.settings.database) == sorted(map(id_text, identities))
    assert_rollups_equal_the_rows(bench.settings.database)
    assert bench.loader.last_error is None


def test_a_position_that_went_on_unheard_is_believed_too(primary: DatabaseSettings, tmp_path: Path) -> None:
    """A commit that waited for a standby, and was given up, goes through in the end."""
    bench, unheard = (Bench(settings_in(tmp_path, database=primary)) for _ in range(2))
    gateway = SpoolingGateway(bench.settings)
    identities = [gateway.call()]
    bench.load()
    identities.append(gateway.call())
    unheard.load()
    unheard.loader.close()
    identities.append(gateway.call())
    assert bench.loader._careful_round() > 0
    assert f"committed more of the spool {gateway.name} than we heard of" in str(bench.loader.last_error)
    while bench.loader._careful_round() == 0.0:
        pass
    assert stored_in(primary) == sorted(map(id_text, identities))
    assert_rollups_equal_the_rows(primary)
    assert bench.loader.last_error is None
    gateway.die()
    bench.loader.close()
