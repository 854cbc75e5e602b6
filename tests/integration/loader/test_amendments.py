"""Who has the store writes: the command where it is alone, else the running loader, between its batches."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from proxy.domain.identity import id_text
from proxy.errors import StoreError, UnreachableError
from proxy.loader import amendments
from proxy.loader.amendments import Amender, encode
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.changes.amending import Amendment, Change
from tests.integration.loader.conftest import Bench
from tests.support.rollups import ask, assert_rollups_equal_the_rows
from tests.support.spooling import SpoolingGateway


def amendment(*changes: Change) -> Amendment:
    return Amendment(command="recost", reason="r", at=1_796_000_000_000, changes=changes)


def dearer(identity: bytes, pico: int = 77) -> Change:
    return Change(id=id_text(identity), before={}, after={"cost_pico_usd": pico})


def rounds_of(bench: Bench) -> Callable[[float], None]:
    """What happens while the command waits: the loader does a round."""

    def wait(_seconds: float) -> None:
        bench.loader._careful_round()

    return wait


@pytest.fixture
def held(settings: Settings) -> int:
    """The lock, as a running control holds it."""
    RealDisk().make_folder(settings.prices_dir.parent)
    lock = RealDisk().lock(settings.prices_dir.parent / "loader.lock")
    assert lock is not None
    return lock


def test_alone_a_command_writes_itself(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    identity = gateway.call()
    bench.load()
    assert Amender(settings).write(amendment(dearer(identity))) == 1
    assert bench.rows()[0]["cost_pico_usd"] == 77
    assert RealDisk().names(settings.amendments_dir) == []
    assert_rollups_equal_the_rows(settings.database)


def test_beside_a_running_control_the_loader_writes(
    bench: Bench, gateway: SpoolingGateway, settings: Settings, held: int
) -> None:
    identity = gateway.call()
    bench.load()
    assert Amender(settings, rounds_of(bench)).write(amendment(dearer(identity))) == 1
    assert bench.rows()[0]["cost_pico_usd"] == 77
    assert RealDisk().names(settings.amendments_dir) == []
    RealDisk().close(held)


def test_what_the_store_refuses_is_told_and_the_loader_goes_on(
    bench: Bench, gateway: SpoolingGateway, settings: Settings, held: int
) -> None:
    identity = gateway.call()
    bench.load()
    bad = Change(id=id_text(identity), before={}, after={"outcome": "nonsense"})
    with pytest.raises(StoreError, match="refuses"):
        Amender(settings, rounds_of(bench)).write(amendment(bad))
    gateway.call()
    bench.load()
    assert len(bench.rows()) == 2
    RealDisk().close(held)


def test_a_file_that_is_no_amendment_is_set_aside(bench: Bench, settings: Settings) -> None:
    RealDisk().make_folder(settings.amendments_dir)
    (settings.amendments_dir / "1.json").write_bytes(b"not ours")
    bench.loader._careful_round()
    assert RealDisk().names(settings.amendments_dir) == ["1.refused"]
    assert bench.loader.last_error is None


def test_answers_that_nobody_came_back_for_are_removed(
    bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monotonic = time.monotonic
    RealDisk().make_folder(settings.amendments_dir)
    for name, age in (("old.done", 7200), ("old.refused", 7200), ("new.done", 60), ("old.json", 7200)):
        path = settings.amendments_dir / name
        path.write_bytes(b"0")
        os.utime(path, (time.time() - age,) * 2)
    (settings.amendments_dir / "old.json").unlink()
    bench.loader_anew()._careful_round()
    assert RealDisk().names(settings.amendments_dir) == ["new.done"]
    old = settings.amendments_dir / "new.done"
    os.utime(old, (time.time() - 7200,) * 2)
    bench.loader._careful_round()
    assert RealDisk().names(settings.amendments_dir) == ["new.done"], "it looks once an hour"
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 3601)
    bench.loader._careful_round()
    assert RealDisk().names(settings.amendments_dir) == []


def test_when_the_control_leaves_the_command_takes_its_changes_back(
    bench: Bench, gateway: SpoolingGateway, settings: Settings, held: int
) -> None:
    identity = gateway.call()
    bench.load()
    waits: list[float] = []

    def leave_meanwhile(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            RealDisk().close(held)

    assert Amender(settings, leave_meanwhile).write(amendment(dearer(identity))) == 1
    assert bench.rows()[0]["cost_pico_usd"] == 77
    assert RealDisk().names(settings.amendments_dir) == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_control_that_does_not_answer_is_told(
    bench: Bench, settings: Settings, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amendments, "_PATIENCE_SECONDS", 0.0)
    with pytest.raises(UnreachableError, match="has not written"):
        Amender(settings).write(amendment(dearer(bytes(16))))
    assert RealDisk().names(settings.amendments_dir) == []
    RealDisk().close(held)


def test_a_file_left_behind_by_a_killed_command_is_written_once(
    bench: Bench, gateway: SpoolingGateway, settings: Settings
) -> None:
    """Killed between the commit and the answer, the loader finds the file again; the rows no longer match."""
    identity = gateway.call()
    bench.load()
    change = Change(id=id_text(identity), before={"cost_pico_usd": bench.rows()[0]["cost_pico_usd"]},
                    after={"cost_pico_usd": 77})  # fmt: skip
    RealDisk().make_folder(settings.amendments_dir)
    for name in ("1.json", "2.json"):
        (settings.amendments_dir / name).write_bytes(encode(amendment(change)))
    for _ in range(3):
        bench.loader._careful_round()
    assert bench.sql("SELECT count(*) FROM amendment") == [(1,)]
    answers = [(settings.amendments_dir / name).read_text() for name in ("1.done", "2.done")]
    assert answers == ["1", "0"]


def test_calls_and_changes_come_through_under_load(
    bench: Bench, gateway: SpoolingGateway, settings: Settings, held: int
) -> None:
    """A loader in its thread with calls coming in, a command that changes others: nothing lost, nothing twice."""
    first = [gateway.call() for _ in range(100)]
    bench.load()
    thread = threading.Thread(target=bench.loader.run)
    thread.start()
    coming: list[bytes] = []
    amender = Amender(settings)
    try:
        for start in range(0, 100, 10):
            coming += [gateway.call() for _ in range(50)]
            changes = [dearer(identity, 1000 + start) for identity in first[start : start + 10]]
            assert amender.write(amendment(*changes)) == 10
    finally:
        bench.loader.stop()
        thread.join(30)
        RealDisk().close(held)
    bench.loader_anew()
    bench.load()
    assert len(bench.rows()) == 600
    assert bench.sql("SELECT count(*) FROM amendment") == [(100,)]
    assert sorted(row["cost_pico_usd"] for row in bench.rows() if row["id"] in {id_text(i) for i in first}) == sorted(
        1000 + start for start in range(0, 100, 10) for _ in range(10)
    )
    assert_rollups_equal_the_rows(settings.database)
    if not settings.database.is_postgres:
        assert ask(settings.database, "PRAGMA integrity_check") == [("ok",)]


def test_what_cannot_be_answered_holds_no_call_up(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    """As on a full disk: it is written once, and whoever asked asks again."""
    identity = gateway.call()
    bench.load()
    RealDisk().make_folder(settings.amendments_dir / "1.done")
    (settings.amendments_dir / "1.json").write_bytes(encode(amendment(dearer(identity))))
    bench.loader._careful_round()
    assert RealDisk().names(settings.amendments_dir) == ["1.done"]
    assert (bench.rows()[0]["cost_pico_usd"], bench.loader.last_error) == (77, None)
