"""A copy goes on: after any end of its process, after a full disk, after a server that was away."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.catalogue import audit
from proxy.store.catalogue.audit import Deed
from proxy.store.engines import partitions
from proxy.store.engines.engine import backend_of
from proxy.store.moving import state
from proxy.store.moving.merging import Renaming
from proxy.store.moving.procedure import Watch, copy
from proxy.store.writing.writer import StoreWriter
from tests.support.checkout import ROOT
from tests.support.entries import an_entry, with_body
from tests.support.moving import (
    AWAY,
    CUTS,
    HOME,
    LARGE,
    OURS,
    TURN,
    WATCH,
    all_of_it,
    amend,
    move,
    rows_in,
    state_of,
    write,
)  # fmt: skip
from tests.support.rollups import ask, assert_rollups_equal_the_rows

if TYPE_CHECKING:
    from tests.support.postgres import Databases


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


def test_a_copy_that_is_killed_before_any_of_its_steps_goes_on(
    source: DatabaseSettings, template: Path, tmp_path: Path, postgres: Databases
) -> None:
    write(source, *[with_body(an_entry(), LARGE[: TURN * turns], CUTS[: turns - 1]) for turns in range(2, 6)])
    amend(source, ask(source, "SELECT id FROM interaction ORDER BY id LIMIT 1")[0][0], 3)
    away, anew = postgres.empty(), sqlite_at(tmp_path / "anew.db")
    assert killed_every(7, tmp_path / "there", source, away) > 7
    assert killed_every(16, tmp_path / "here", source, anew, str(template)) > 3, "from the beginning each time"
    before = rows_in(source)
    assert rows_in(anew) == before
    alike = before.keys() - {"metric_total", "spool_position"}
    assert {name: rows_in(away)[name] for name in alike} == {name: before[name] for name in alike}
    postgres.drop(away)


def killed_every(stride: int, data_dir: Path, source: DatabaseSettings, target: DatabaseSettings, *more: str) -> int:
    data_dir.mkdir()
    command = [sys.executable, "-m", "tests.support.killed_copying", str(stride), str(data_dir), source.url, target.url]
    done = subprocess.run([*command, *more], cwd=ROOT, check=False, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert state_of(target) == state.COMPLETE
    return int(done.stdout)


def test_a_full_disk_is_waited_for(source: DatabaseSettings, tmp_path: Path) -> None:
    write(source, with_body(an_entry(), random.Random(7).randbytes(1 << 20), (1 << 19,)))
    target, told = sqlite_at(tmp_path / "small.db"), list[str]()
    with copy(source, target, OURS, Watch(waiting=told.append)) as copying:

        def room(pages: int) -> None:
            with copying.target.begin() as connection:
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        room(1)
        copying.sleep = lambda _seconds: room(1 << 30)
        all_of_it(copying, Renaming("", ""))
    assert [text.rpartition(": ")[2] for text in told] == ["database or disk is full"]
    assert rows_in(target) == rows_in(source)


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


@pytest.mark.parametrize("when", ["filled", "compared"])
def test_months_that_the_source_drops_meanwhile_go_from_the_target_too(
    target: DatabaseSettings, tmp_path: Path, when: str
) -> None:
    there, here = target, sqlite_at(tmp_path / "home.db")
    today = datetime.fromtimestamp(time.time(), UTC).date()
    old = partitions.months_before(today, 3)
    entries = [called_at(old), called_at(partitions.next_month(old)), called_at(today), called_at(today)]
    write(there, *entries)
    amend(there, entries[0].interaction.id, 3)
    amend(there, entries[2].interaction.id, 4)
    with copy(there, here, OURS, WATCH) as copying:
        copying.fill()
        if when == "compared":
            copying.compare()
        drop_before(there, partitions.months_before(today, 1))
        write(there, called_at(today), called_at(old))
        all_of_it(copying, HOME)
    found = rows_in(here)
    assert {name: found[name] for name in CALLS} == {name: rows_in(there)[name] for name in CALLS}
    assert len(found["interaction"]) == 4
    assert len(found["amendment"]) == 1


def test_deeds_that_the_source_forgets_meanwhile_go_from_the_target_too(
    source: DatabaseSettings, target: DatabaseSettings
) -> None:
    with contextlib.closing(StoreWriter(source)) as writer:
        with writer.transaction() as connection:
            deeds = (Deed(actor="a", action="b", noun="c", object=str(number)) for number in range(3))
            audit.add(connection, writer.backend, *deeds)
            connection.exec_driver_sql("UPDATE audit_log SET at = ? WHERE object = '0'", ("2020-01-01T00:00:00.000Z",))
        with copy(source, target, OURS, WATCH) as copying:
            copying.fill()
            with writer.transaction() as connection:
                assert audit.drop_before(connection, 1_700_000_000_000) == 1
            all_of_it(copying, AWAY)
    assert rows_in(target)["audit_log"] == rows_in(source)["audit_log"]
    assert len(rows_in(target)["audit_log"]) == 2


CALLS = ("interaction", "interaction_body", "interaction_text", "attempt", "amendment", "body_chunk")


def called_at(day: date) -> Entry:
    at = (day - date(1970, 1, 1)).days * 86_400_000 + 1
    entry = an_entry(id=id_text(IdentityMint().mint(at * 1_000_000)), started_at=at)
    return with_body(entry, f"{day} ".encode() * 1000, (3000,))


def drop_before(database: DatabaseSettings, month: date) -> None:
    engine = backend_of(database).writer()
    with engine.begin() as connection:
        while partitions.drop_next(connection, month):
            pass
    engine.dispose()
