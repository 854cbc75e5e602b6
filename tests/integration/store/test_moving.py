"""Carrying a record into another database: every table, both ways, interrupted, while somebody writes."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from proxy.domain.interaction import Entry
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store import tables
from proxy.store.amending import Amendment, Change
from proxy.store.migration import upgrade
from proxy.store.moving import plan, state
from proxy.store.moving.merging import Renaming
from proxy.store.moving.procedure import Copy, Watch, copy, open_copy
from proxy.store.moving.side import PAGE_BYTES, Side
from proxy.store.reading import Reader
from proxy.store.writing import ParkedPart, Quarantined, SourceState, StoreWriter, WriteBatch
from tests.support.any_rows import Rows, everything, put, records
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.rollups import ask, assert_rollups_equal_the_rows

if TYPE_CHECKING:
    from tests.support.postgres import Databases

OURS = "0123456789abcdef0123456789abcdef"
AWAY, HOME = Renaming("", OURS), Renaming(OURS, "")


def _refuse_to_wait(reason: str) -> None:
    raise AssertionError(f"waits, and nothing is away: {reason}")


WATCH = Watch(waiting=_refuse_to_wait)
LARGE = b"".join(b'{"turn":%03d,"said":"\x00\xff %b"}' % (turn, b"x" * 4000) for turn in range(300))
TURN = len(LARGE) // 300
CUTS = tuple(range(TURN, len(LARGE), TURN))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables, to be copied: quicker than making them."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    upgrade(sqlite_at(path))
    return path


@pytest.fixture
def source(template: Path, tmp_path: Path) -> DatabaseSettings:
    return sqlite_at(shutil.copy(template, tmp_path / "source.db"))


@pytest.fixture
def target(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.migrated()
    yield made
    postgres.drop(made)


def write(database: DatabaseSettings, *entries: Entry, **more: Any) -> None:
    writer = StoreWriter(database)
    states = [SourceState("boot-0", 3, 77, accepted=len(entries) + 2, dropped={"policy": 2})]
    writer.write(WriteBatch([("boot-0", item) for item in entries], states, **more), lambda new: {("f", ""): len(new)})
    writer.close()


def all_of_it(copying: Copy, renaming: Renaming) -> dict[str, int]:
    copying.fill()
    copying.compare()
    copying.catch_up()
    return copying.finish(renaming).rows


def move(source: DatabaseSettings, target: DatabaseSettings, renaming: Renaming = AWAY) -> dict[str, int]:
    with copy(source, target, OURS, WATCH) as copying:
        return all_of_it(copying, renaming)


def rows_in(database: DatabaseSettings) -> Rows:
    side = Side(database)
    try:
        return everything(side)
    finally:
        side.close()


# -- all of it ----------------------------------------------------------------------------------------------


def test_every_table_is_carried_or_said_to_stay() -> None:
    carried = [table.name for table in plan.carried()]
    assert len(carried) == len(set(carried))
    assert set(carried) | plan.STAYS >= set(tables.metadata.tables)
    assert set(carried) & plan.STAYS == set()


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
    assert move(source, target)["body_chunk"] == 4
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


# -- while somebody writes ----------------------------------------------------------------------------------


def test_what_is_stored_late_amended_or_counted_meanwhile_comes_along(
    source: DatabaseSettings, target: DatabaseSettings
) -> None:
    late = with_body(an_entry(), LARGE, CUTS)
    first, second = an_entry(), an_entry()
    write(source, first, second)
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        amend(source, first.interaction.id, 9)
        write(source, late)
        found = copying.compare()
        assert (found.missing, found.different, found.rows["interaction"]) == ({}, [], 3)
        amend(source, second.interaction.id, 7)
        write(source, an_entry())
        assert copying.catch_up() == 1
        copying.finish(AWAY)
    assert sorted(ask(target, "SELECT cost_pico_usd FROM interaction")) == [(7,), (9,), (2_500_000,), (2_500_000,)]
    assert rows_in(target)["interaction_text"] == rows_in(source)["interaction_text"]
    assert_rollups_equal_the_rows(target)


def amend(database: DatabaseSettings, identity: str, cost: int) -> None:
    writer = StoreWriter(database)
    change = Change(id=identity, before={}, after={"cost_pico_usd": cost}, texts=("asked anew", str(cost)))
    assert writer.amend(Amendment(command="recost", reason="test", at=STARTED_AT, changes=[change])) == 1
    writer.close()


def test_a_writer_during_the_last_step_is_noticed(source: DatabaseSettings, target: DatabaseSettings) -> None:
    write(source, an_entry())
    more = iter([an_entry()])

    def write_once(_table: str, _count: int) -> None:
        write(source, *list(more))

    watch = Watch(rows=write_once)
    with copy(source, target, OURS, watch) as copying, pytest.raises(StoreError, match="wrote meanwhile"):
        copying.finish(AWAY)
    there = state.of(target)
    assert there is not None
    assert there.state == state.COPYING


# -- interrupted --------------------------------------------------------------------------------------------


class _KilledError(BaseException):
    """As a signal would end it, between any two batches."""


@pytest.mark.parametrize("after", range(1, 7))
def test_a_copy_that_is_ended_anywhere_goes_on(source: DatabaseSettings, target: DatabaseSettings, after: int) -> None:
    write(source, *[with_body(an_entry(), LARGE[: TURN * turns], CUTS[: turns - 1]) for turns in range(2, 12)])
    amend(source, ask(source, "SELECT id FROM interaction ORDER BY id LIMIT 1")[0][0], 3)
    left = iter(range(after))

    def die(_table: str, _count: int) -> None:
        if next(left, None) is None:
            raise _KilledError

    with pytest.raises(_KilledError), copy(source, target, OURS, Watch(rows=die)) as copying:
        all_of_it(copying, AWAY)
    move(source, target)
    assert rows_in(target)["interaction_body"] == rows_in(source)["interaction_body"]
    assert_rollups_equal_the_rows(target)


# -- refused ------------------------------------------------------------------------------------------------


def test_a_target_with_rows_or_of_another_copy_is_refused(source: DatabaseSettings, target: DatabaseSettings) -> None:
    write(source, an_entry())
    write(target, an_entry())
    with pytest.raises(StoreError, match="is not empty: table interaction has rows"):
        move(source, target)


def test_a_copy_of_another_record_is_not_taken_up(
    source: DatabaseSettings, target: DatabaseSettings, template: Path, tmp_path: Path
) -> None:
    move(source, target)
    other = sqlite_at(shutil.copy(template, tmp_path / "other.db"))
    with pytest.raises(StoreError, match=r"is a copy of .*source\.db, made for another"):
        move(other, target)
    state.use(target)
    with pytest.raises(StoreError, match="is a record in use"):
        move(source, target)


def test_a_call_that_only_the_target_has_is_named(source: DatabaseSettings, target: DatabaseSettings) -> None:
    write(source, an_entry())
    stranger = an_entry()
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        write(target, stranger)
        with pytest.raises(StoreError, match=f"the target has interaction {stranger.interaction.id}"):
            copying.catch_up()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("interaction", "UPDATE interaction SET cost_pico_usd = 1 WHERE id = ?"),
        ("interaction", "UPDATE attempt SET reused = NOT reused WHERE interaction_id = ?"),
        ("interaction", "DELETE FROM interaction_text WHERE interaction_id = ?"),
    ],
)
def test_the_first_call_that_differs_is_named(
    source: DatabaseSettings, target: DatabaseSettings, table: str, change: str
) -> None:
    from proxy.domain.interaction import Attempt

    entries = [an_entry() for _ in range(3)]
    identities = [item.interaction.id for item in entries]
    tries = [Attempt(interaction_id=i, number=1, provider="p", upstream="u", started_at=STARTED_AT) for i in identities]
    write(source, *[replace(item, attempts=(made,)) for item, made in zip(entries, tries, strict=True)])
    move(source, target)
    for identity in identities[1:]:
        ask(target, change, identity)
    opened = open_copy(source, target, WATCH)
    found = opened.verify(AWAY)
    opened.close()
    assert (found.different, found.is_same) == ([f"{table} {min(identities[1:])}"], False)


def test_bytes_that_were_damaged_before_are_told_and_carried_as_they_are(
    source: DatabaseSettings, target: DatabaseSettings
) -> None:
    write(source, with_body(an_entry(), LARGE, CUTS))
    ask(source, "UPDATE body_chunk SET data = ? WHERE number = 2", b"not what it was")
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        assert copying.compare().damaged == ["body_chunk 2"]


def test_a_text_with_a_nul_is_mended_for_postgres_and_a_row_that_cannot_go_in_is_named(
    source: DatabaseSettings, target: DatabaseSettings
) -> None:
    odd, long = an_entry(), an_entry()
    write(source, an_entry(), odd, long, an_entry())
    ask(source, "UPDATE interaction SET app = ? WHERE id = ?", "a\0b", odd.interaction.id)
    ask(source, "UPDATE interaction SET app = ? WHERE id = ?", "x" * 101, long.interaction.id)
    with copy(source, target, OURS, WATCH) as copying:
        with pytest.raises(StoreError, match=f"interaction {long.interaction.id}: the database refuses a row"):
            copying.fill()
        ask(source, "UPDATE interaction SET app = NULL WHERE id = ?", long.interaction.id)
        all_of_it(copying, AWAY)
        assert copying.mended == 1
    assert ask(target, "SELECT app FROM interaction WHERE id = ?", odd.interaction.id) == [("a\ufffdb",)]


# -- a database that is away --------------------------------------------------------------------------------


def test_a_server_that_is_restarted_in_the_middle_is_waited_for(source: DatabaseSettings) -> None:
    from tests.support.postgres import Databases, PostgresServer

    write(source, *[with_body(an_entry(), LARGE[: TURN * turns], CUTS[: turns - 1]) for turns in range(2, 12)])
    server = PostgresServer()
    server.start()
    try:
        target = Databases(server.url()).empty()
        told: list[str] = []
        stops = iter([server.stop, server.stop])
        watch = Watch(rows=lambda *_: next(stops, lambda: None)(), waiting=told.append)
        with copy(source, target, OURS, watch) as copying:
            copying.sleep = lambda _seconds: None if server._process else server.start()
            all_of_it(copying, AWAY)
        assert told
        assert "cannot be reached" in told[0] or "terminat" in told[0]
        assert rows_in(target)["interaction"] == rows_in(source)["interaction"]
    finally:
        server.remove()
