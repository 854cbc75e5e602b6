"""Looking after a database in use, on both engines: smaller files, new statistics, in steps that can be ended."""

from __future__ import annotations

import itertools
import os
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from sqlalchemy import Engine

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.care.maintenance import TASKS, Done, Upkeep, maintain
from proxy.store.engines.engine import Backend, backend_of, lent
from proxy.store.upkeep import figures
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.rollups import ask

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@dataclass
class Opened:
    """A database as its writer has it."""

    database: DatabaseSettings
    backend: Backend
    engine: Engine

    def maintain(self, task: str, *, is_leaving: bool = False) -> Done:
        return maintain(self.backend, self.engine, task, lambda: is_leaving)

    def number(self, pragma: str) -> int:
        return int(ask(self.database, f"PRAGMA {pragma}")[0][0])

    def has_statistics(self) -> bool:
        if self.database.is_postgres:
            sql = "SELECT sum(reltuples) FROM pg_class WHERE relname LIKE 'interaction\\_20%' AND relkind = 'r'"
            return float(ask(self.database, sql)[0][0]) > 0
        if not ask(self.database, "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"):
            return False
        return ask(self.database, "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'interaction'") == [(5,)]


def opened(database: DatabaseSettings) -> Iterator[Opened]:
    """Fill a database, and remove most of it again."""
    writer = StoreWriter(database)
    for _ in range(6):
        entries = [("s", an_entry(request=os.urandom(3500))) for _ in range(500)]
        writer.write(WriteBatch(entries=entries), lambda _: {})
    writer.close()
    ask(database, "DELETE FROM interaction_body WHERE side = 'request'")
    backend = backend_of(database)
    engine = backend.writer()
    yield Opened(database, backend, engine)
    engine.dispose()


@pytest.fixture
def either(own: DatabaseSettings) -> Iterator[Opened]:
    yield from opened(own)


@pytest.fixture
def file(path: Path) -> Iterator[Opened]:
    yield from opened(sqlite_at(path))


def test_compacting_gives_back_free_space(either: Opened) -> None:
    done = either.maintain("compact")
    assert done.is_whole
    assert done.bytes_after < done.bytes_before * 0.7
    assert ask(either.database, "SELECT count(*) FROM interaction") == [(3000,)]
    assert either.has_statistics() or not either.database.is_postgres


@pytest.mark.parametrize("task", ["analyze", "optimize"])
def test_statistics_are_renewed(either: Opened, task: str) -> None:
    assert not either.has_statistics()
    assert either.maintain(task).is_whole
    assert either.has_statistics()


def test_what_is_no_task_is_refused(either: Opened) -> None:
    with pytest.raises(StoreError, match="is none of analyze, optimize, compact"):
        either.maintain("rm -rf")


@pytest.mark.parametrize("task", TASKS)
def test_a_table_that_somebody_holds_is_named_and_not_waited_for_without_end(postgres: Databases, task: str) -> None:
    own = postgres.cleared()
    backend = backend_of(replace(own, lock_timeout=0.05))
    with psycopg.connect(own.url) as holder, lent(backend, backend.writer()) as engine:
        holder.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError, match="another session has held table") as held:
            maintain(backend, engine, task)
        assert held.value.hint == "see who holds the lock: dashcam doctor"
        with pytest.raises(StoreError, match="is busy: canceling statement due to lock timeout"), lent(
            backend, backend.reader()
        ) as reader, reader.connect() as connection:  # fmt: skip
            figures.totals(connection)


def test_what_the_server_passes_over_is_not_told_as_done(postgres: Databases) -> None:
    """ANALYZE and VACUUM of another role's table are a warning to the server."""
    own = postgres.cleared()
    role = f"writer_{uuid.uuid4().hex[:8]}"
    refusal = r"permission denied to (analyze|vacuum)|only table or database owner can (analyze|vacuum)"
    rights = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    with psycopg.connect(own.url, autocommit=True) as admin:
        for statement in (f"CREATE ROLE {role} LOGIN", rights):
            admin.execute(statement)
        try:
            parts = urlsplit(own.url)
            url = urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))
            backend = backend_of(replace(own, url=url))
            with lent(backend, backend.writer()) as engine:
                for task in ("analyze", "optimize"):
                    with pytest.raises(StoreError, match=refusal) as refused:
                        maintain(backend, engine, task)
                    assert f"GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO {role}" in str(refused.value.hint)
        finally:
            admin.execute(f"DROP OWNED BY {role}")
            admin.execute(f"DROP ROLE {role}")


def test_whoever_leaves_ends_it_in_the_middle(either: Opened) -> None:
    done = either.maintain("compact", is_leaving=True)
    assert not done.is_whole
    assert done.bytes_after == done.bytes_before
    assert either.maintain("compact").is_whole
    assert ask(either.database, "SELECT count(*) FROM interaction") == [(3000,)]


def test_a_file_keeps_no_free_page_and_no_setting_of_the_compaction(file: Opened) -> None:
    file.maintain("compact")
    assert file.number("freelist_count") == 0
    assert list(file.database.path.parent.glob("*etilqs*")) == []
    with file.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_a_database_from_before_learns_to_give_space_back_when_it_is_compacted(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (a)")
    database.close()
    backend = backend_of(sqlite_at(path))
    engine = backend.writer()
    assert ask(sqlite_at(path), "PRAGMA auto_vacuum") == [(0,)]
    maintain(backend, engine, "compact")
    engine.dispose()
    assert ask(sqlite_at(path), "PRAGMA auto_vacuum") == [(2,)]


def test_optimizing_gives_back_all_but_a_little(file: Opened) -> None:
    before = file.number("freelist_count")
    file.maintain("optimize")
    assert file.number("freelist_count") <= file.number("page_count") // 20 + 512 < before


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_sampled_indexes_of_a_table_have_the_same_number_of_rows(file: Opened) -> None:
    """One that seemed shorter would be read from end to end by lists that it is no use for."""
    file.maintain("optimize")
    found = ask(file.database, "SELECT CAST(stat AS integer) FROM sqlite_stat1 WHERE tbl = 'interaction'")
    assert len(found) == 5
    assert len(set(found)) == 1


def test_upkeep_goes_in_steps_while_nothing_else_is_to_do(either: Opened) -> None:
    clock = Clock()
    upkeep = Upkeep(3600, clock)
    assert not upkeep.step(either.backend, either.engine, is_idle=True)
    clock.now = Upkeep.FIRST_SECONDS + 1
    assert not upkeep.step(either.backend, either.engine, is_idle=False)
    steps = 1
    while upkeep.step(either.backend, either.engine, is_idle=True):
        steps += 1
    assert steps > 2
    assert either.has_statistics()
    assert not upkeep.step(either.backend, either.engine, is_idle=True)
    # Busy for so long that it has its turn all the same.
    clock.now += 3600 + 1801
    assert upkeep.step(either.backend, either.engine, is_idle=False)


def test_a_step_gives_back_a_few_pages(file: Opened) -> None:
    clock = Clock()
    upkeep = Upkeep(3600, clock)
    clock.now = Upkeep.FIRST_SECONDS + 1
    free = [file.number("freelist_count")]
    while upkeep.step(file.backend, file.engine, is_idle=True):
        free.append(file.number("freelist_count"))
    assert all(before - after <= 512 for before, after in itertools.pairwise(free))


def test_upkeep_can_be_turned_off(either: Opened) -> None:
    clock = Clock()
    upkeep = Upkeep(0, clock)
    clock.now = 1e9
    assert not upkeep.step(either.backend, either.engine, is_idle=True)


def test_upkeep_that_fails_waits_for_its_next_turn(file: Opened) -> None:
    clock = Clock()
    upkeep = Upkeep(3600, clock)
    clock.now = 200
    other = sqlite3.connect(file.database.path, isolation_level=None)
    with file.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=1")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        upkeep.step(file.backend, file.engine, is_idle=True)
    other.close()
    assert not upkeep.step(file.backend, file.engine, is_idle=True)
    clock.now += 3601
    assert upkeep.step(file.backend, file.engine, is_idle=True)
