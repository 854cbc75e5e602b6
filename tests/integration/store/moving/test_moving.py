"""A record moves as a whole, there and back, also while somebody writes into it."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.contents.set_aside import ParkedPart, Quarantined
from proxy.store.moving import plan, state
from proxy.store.moving.procedure import Watch, copy
from proxy.store.moving.side import PAGE_BYTES, Side
from proxy.store.reading.reader import Reader
from proxy.store.schema import tables
from proxy.store.writing.writer import StoreWriter
from tests.support.any_rows import Rows, everything, put, records
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.moving import (
    AWAY,
    CUTS,
    HOME,
    LARGE,
    OURS,
    TURN,
    WATCH,
    amend,
    judge,
    move,
    rows_in,
    state_of,
    write,
)  # fmt: skip
from tests.support.rollups import ask, assert_rollups_equal_the_rows

if TYPE_CHECKING:
    from tests.support.postgres import Databases


def test_every_table_is_carried_or_said_to_stay() -> None:
    assert plan.unnamed() == [], "say in store/moving/plan.py how these tables are carried, or why they stay"
    carried = [table.name for table in plan.carried()]
    assert len(carried) == len(set(carried))
    assert set(carried) | plan.STAYS.keys() >= set(tables.metadata.tables)
    assert set(carried) & plan.STAYS.keys() == set()
    assert all(plan.STAYS.values())


def test_what_was_made_by_hand_is_named_and_left_behind(
    source: DatabaseSettings, target: DatabaseSettings, tmp_path: Path
) -> None:
    for database, other in ((source, target), (target, sqlite_at(tmp_path / "back.db"))):
        for made in ("CREATE TABLE notes (word text)", "CREATE VIEW odd AS SELECT 1 AS one",
                     "ALTER TABLE attempt ADD COLUMN colour text"):  # fmt: skip
            ask(database, made)
        with copy(database, other, OURS, WATCH) as copying:
            assert copying.left_behind() == ["attempt.colour", "notes", "odd"]


@settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.generate],
)
@given(record=records())
def test_a_record_comes_back_from_postgres_as_it_was(
    record: Rows, template: Path, tmp_path: Path, postgres: Databases
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    here, back = (sqlite_at(shutil.copy(template, folder / name)) for name in ("here.db", "back.db"))
    away = postgres.cleared()
    side = Side(here, is_target=True)
    put(side, record)
    before = everything(side)
    side.close()
    move(here, away)
    move(away, back, HOME)
    assert {name for name, rows in before.items() if not rows} == set()
    assert rows_in(back) == before
    assert rows_in(here) == before, "the source was changed"


def test_bodies_are_the_same_bytes_and_chunks_stay_shared(
    source: DatabaseSettings, target: DatabaseSettings, tmp_path: Path
) -> None:
    entries = [
        with_body(an_entry(response=b"\x00\xed\xa0\x80 odd"), LARGE[: TURN * turns], CUTS[: turns - 1])
        for turns in (99, 300)
    ]
    write(source, *entries)
    rows = move(source, target)
    assert rows["body_chunk"] == 300, "two turns of one talk share their chunks"
    for database in (target, sqlite_at(tmp_path / "back.db")):
        if not database.is_postgres:
            move(target, database, HOME)
        reader = Reader(database)
        for entry in entries:
            assert entry.request is not None
            found = [reader.body(entry.interaction.id, side) for side in ("request", "response")]
            assert [body.content for body in found if body] == [entry.request.content, b"\x00\xed\xa0\x80 odd"]
        reader.close()
    # Numbers go on behind those that came along, and a slice that is known is not stored again.
    write(target, with_body(an_entry(), LARGE + b"one more", CUTS))
    assert ask(target, "SELECT count(*) FROM body_chunk") == [(301,)]


def test_a_body_larger_than_a_page_arrives_whole(source: DatabaseSettings, target: DatabaseSettings) -> None:
    huge = random.Random(7).randbytes(PAGE_BYTES + 1)
    entries = [with_body(an_entry(), huge, (cut,)) for cut in (1, PAGE_BYTES)]
    write(source, *entries)
    assert move(source, target)["body_chunk"] >= 4
    reader = Reader(target)
    for entry in entries:
        found = reader.body(entry.interaction.id, "request")
        assert found is not None
        assert found.content == huge
    reader.close()


def test_the_ledger_moves_to_the_name_of_the_instance_and_others_keep_theirs(
    source: DatabaseSettings, target: DatabaseSettings, tmp_path: Path
) -> None:
    parked = [ParkedPart(an_entry().interaction.id, 0, "boot-0", 5, b"START \x00")]
    lost = [Quarantined("boot-0", 1, 2, "no good", STARTED_AT, data=b"\xff")]
    write(source, an_entry(), parked=parked, quarantined=lost)
    writer = StoreWriter(source)
    writer.fold(["boot-0"])
    writer.close()
    write(source, an_entry(), parked=parked)
    move(source, target)
    positions = "SELECT source, stored, instance FROM spool_position ORDER BY source"
    assert ask(target, positions) == [("boot-0", 1, OURS), (f"earlier-{OURS}", 1, OURS)]
    assert ask(target, "SELECT instance, value FROM metric_total") == [(OURS, 2.0)]
    ask(target, "INSERT INTO metric_total (instance, family, labels, value) VALUES ('another', 'f', '', 9)")
    back = sqlite_at(tmp_path / "back.db")
    move(target, back, HOME)
    assert ask(back, positions) == [("boot-0", 1, ""), ("earlier", 1, "")]
    assert ask(back, "SELECT instance, value FROM metric_total ORDER BY 1") == [("", 2.0), ("another", 9.0)]
    assert ask(back, "SELECT count(*) FROM open_call") == ask(back, "SELECT count(*) FROM quarantine") == [(1,)]


def test_what_is_stored_late_amended_or_counted_meanwhile_comes_along(
    source: DatabaseSettings, target: DatabaseSettings
) -> None:
    late = with_body(an_entry(), LARGE, CUTS)
    first, second = an_entry(), an_entry()
    write(source, first, second)
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        amend(source, first.interaction.id, 9)
        judge(source, second.interaction.id)
        write(source, late)
        found = copying.compare()
        assert (found.missing, found.different, found.rows["interaction"]) == ({}, [], 3)
        amend(source, second.interaction.id, 7)
        judge(source, first.interaction.id)
        write(source, an_entry())
        assert copying.catch_up() == 1
        copying.finish(AWAY)
    assert sorted(ask(target, "SELECT cost_pico_usd FROM interaction")) == [(7,), (9,), (2_500_000,), (2_500_000,)]
    for table in ("interaction_text", "interaction_metadata", "feedback"):
        assert rows_in(target)[table] == rows_in(source)[table]
    assert ask(target, "SELECT count(*) FROM interaction WHERE score = 1 AND tags IS NOT NULL") == [(2,)]
    assert_rollups_equal_the_rows(target)


def test_a_writer_during_the_last_step_is_noticed(source: DatabaseSettings, target: DatabaseSettings) -> None:
    write(source, an_entry())
    more = iter([an_entry()])

    def write_once(_table: str, _count: int) -> None:
        write(source, *list(more))

    watch = Watch(rows=write_once)
    with copy(source, target, OURS, watch) as copying, pytest.raises(StoreError, match="wrote meanwhile"):
        copying.finish(AWAY)
    assert state_of(target) == state.COPYING


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_slice_that_another_program_would_pack_otherwise_stays_as_it_is(
    engine: str, source: DatabaseSettings, target: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = source if engine == "sqlite" else target
    first, second = (with_body(an_entry(), LARGE, CUTS) for _ in range(2))
    write(store, first)
    monkeypatch.setattr("proxy.store.contents.bodies.pack", lambda data: ("plain", data))
    write(store, second)
    reader = Reader(store)
    for entry in (first, second):
        found = reader.body(entry.interaction.id, "request")
        assert found is not None
        assert found.content == LARGE
    reader.close()
