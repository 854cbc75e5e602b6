"""Maintenance is done by whoever has the store: the command where it is alone, else the running loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
import pytest

from proxy.errors import StoreError, UnreachableError
from proxy.loader import errands
from proxy.loader.errands import Errands
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.care.maintenance import Upkeep
from tests.integration.loader.conftest import Bench
from tests.support.rollups import ask
from tests.support.spooling import SpoolingGateway


def rounds_of(bench: Bench) -> Callable[[float], None]:
    def wait(_seconds: float) -> None:
        bench.loader._careful_round()

    return wait


@pytest.fixture
def held(settings: Settings) -> Iterator[int]:
    """The lock, as a running control holds it."""
    RealDisk().make_folder(settings.prices_dir.parent)
    lock = RealDisk().lock(settings.prices_dir.parent / "loader.lock")
    assert lock is not None
    yield lock
    RealDisk().close(lock)


def test_alone_a_command_does_it_itself(bench: Bench, gateway: SpoolingGateway, settings: Settings) -> None:
    gateway.call()
    bench.load()
    looked: list[str] = []
    assert Errands(settings).do("analyze", looked.append).task == "analyze"
    assert looked == ["here"]
    assert RealDisk().names(settings.errands_dir) == []


def test_beside_a_running_control_the_loader_does_it(
    bench: Bench, gateway: SpoolingGateway, settings: Settings, held: int
) -> None:
    gateway.call()
    bench.load()
    done = Errands(settings, rounds_of(bench)).do("compact", lambda _: None)
    assert (done.task, done.is_whole) == ("compact", True)
    assert RealDisk().names(settings.errands_dir) == []
    gateway.call()
    bench.load()
    assert len(bench.rows()) == 2


def test_what_the_loader_refuses_is_told(bench: Bench, settings: Settings, held: int) -> None:
    with pytest.raises(StoreError, match="is none of"):
        Errands(settings, rounds_of(bench)).do("nonsense", lambda _: None)
    RealDisk().make_folder(settings.errands_dir)
    (settings.errands_dir / "0-odd.json").write_bytes(b"[]")
    bench.loader._careful_round()
    assert (settings.errands_dir / "0-odd.refused").read_text() == "TypeError"


def test_a_control_that_leaves_gives_it_back(bench: Bench, settings: Settings) -> None:
    """A compaction that is ended in the middle waits again, and the command does it once the control is gone."""
    RealDisk().make_folder(settings.errands_dir)
    path = settings.errands_dir / "1-x.json"
    path.write_bytes(orjson.dumps({"task": "compact"}))
    bench.loader._side_work._errands.do_next(bench.loader._writer, lambda: True)
    assert RealDisk().names(settings.errands_dir) == ["1-x.json"]


def test_a_control_that_never_answers_is_told(settings: Settings, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "_PATIENCE_SECONDS", -1.0)
    if settings.database.is_postgres:
        # There nobody has to be asked.
        assert Errands(settings).do("analyze", lambda _: None).is_whole
        return
    with pytest.raises(UnreachableError, match="has not begun"):
        Errands(settings, lambda _: None).do("analyze", lambda _: None)
    assert RealDisk().names(settings.errands_dir) == []


def test_what_an_earlier_control_had_begun_is_forgotten(settings: Settings) -> None:
    RealDisk().make_folder(settings.errands_dir)
    (settings.errands_dir / "1-x.begun").write_bytes(b"{}")
    errands.WaitingErrands(settings.errands_dir)
    assert RealDisk().names(settings.errands_dir) == []


def test_regular_upkeep_comes_after_the_calls(bench: Bench, gateway: SpoolingGateway) -> None:
    clock = [0.0]
    bench.loader._side_work._upkeep = Upkeep(3600, lambda: clock[0])
    gateway.call()
    clock[0] = 3600.0
    rounds = 0
    while bench.loader._careful_round() == 0.0:
        rounds += 1
    assert rounds >= 1
    assert bench.rows()[0]["outcome"] == "completed"
    if not bench.settings.database.is_postgres:
        assert ask(bench.settings.database, "SELECT count(*) > 0 FROM sqlite_stat1") == [(1,)]


def test_what_cannot_be_answered_is_over_all_the_same(bench: Bench, settings: Settings) -> None:
    """As on a full disk: whoever asked must not wait for ever, nor the calls for it."""
    RealDisk().make_folder(settings.errands_dir / "1-x.done")
    (settings.errands_dir / "1-x.json").write_bytes(orjson.dumps({"task": "analyze"}))
    bench.loader._careful_round()
    assert RealDisk().names(settings.errands_dir) == ["1-x.done"]
    assert bench.loader.last_error is None


def test_a_defect_in_the_middle_of_an_errand_ends_it(bench: Bench, settings: Settings) -> None:
    def defective() -> bool:
        raise RuntimeError("a defect")

    if settings.database.is_postgres:
        # There nothing is looked at in between.
        return
    RealDisk().make_folder(settings.errands_dir)
    (settings.errands_dir / "1-x.json").write_bytes(orjson.dumps({"task": "compact"}))
    with pytest.raises(RuntimeError):
        bench.loader._side_work._errands.do_next(bench.loader._writer, defective)
    assert RealDisk().names(settings.errands_dir) == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_an_errand_that_vanishes_is_told(settings: Settings, held: int) -> None:
    """Its control was killed in the middle of it, and the next one forgot it."""

    def forget(_seconds: float) -> None:
        for name in RealDisk().names(settings.errands_dir):
            path = settings.errands_dir / name
            path.rename(path.with_suffix(".begun"))
        errands.WaitingErrands(settings.errands_dir)

    with pytest.raises(UnreachableError, match="left this without an answer"):
        Errands(settings, forget).do("analyze", lambda _: None)
