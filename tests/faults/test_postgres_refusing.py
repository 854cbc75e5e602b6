"""A Postgres that is there and refuses (D): full, read-only, crowded, locked, without rights, without a partition.

Each is told with its reason, holds rows back without setting any aside, and ends by itself once the cause is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest

from proxy.settings.database import DatabaseSettings
from tests.faults.conftest import HURRIED, Amount, Start, is_in_trouble, opened, slow
from tests.support.dashcam import RunningDashcam
from tests.support.load import PIECES, Load
from tests.support.means import require
from tests.support.postgres import Databases, PostgresServer
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.engines("postgres")


@contextlib.asynccontextmanager
async def refused(dashcam: RunningDashcam, words: str, pieces: int = PIECES) -> AsyncIterator[Load]:
    """Run a load until the database is said to refuse; the block ends that; then all must go in by itself."""
    load = Load(dashcam.url, pieces=pieces)
    async with load.running():
        await load.progress()
        await wait_until_async(lambda: is_in_trouble(dashcam, words), f"it says {words!r}", seconds=100)
        await load.progress()
        assert dashcam.get("/readyz")[0] == 200
        yield load
        await load.progress()
    assert [call for call in load.calls if not call.is_finished] == []
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


def run(server: PostgresServer, sql: LiteralString, database: str = "postgres") -> None:
    """Do something as the server's owner."""
    with psycopg.connect(server.url(database), autocommit=True) as session:
        session.execute(sql)


def end_sessions(server: PostgresServer, name: str) -> None:
    """End those that do not know of a change yet."""
    with psycopg.connect(server.url(), autocommit=True) as session:
        session.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])


def name_of(database: DatabaseSettings) -> str:
    return urlsplit(database.url).path.removeprefix("/")


def mount(folder: Path, options: str, *arguments: str) -> None:
    subprocess.run(["mount", *arguments, "-o", options, "none", folder], check=True)


@contextlib.contextmanager
def small_disk(server: PostgresServer, room: int) -> Iterator[Path]:
    """Give the server a table space ``small`` on a disk in memory, the template's size and so many bytes to spare."""
    require("linux", "root", "mount")
    folder = Path(tempfile.gettempdir()) / f"dashcam-space-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    mount(folder, f"size={room},mode=0777", "-t", "tmpfs")
    try:
        inside = folder / "space"
        inside.mkdir()
        shutil.chown(inside, "nobody")
        with psycopg.connect(server.url(), autocommit=True) as session:
            session.execute(f"create tablespace small location '{inside}'".encode())
        yield folder
        run(server, "drop tablespace small")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


async def test_d5_on_a_full_disk(start: Start, server: PostgresServer, engine: Databases) -> None:
    with small_disk(server, engine.template_bytes() + (1 << 20)) as folder:
        small = engine.migrated("TABLESPACE small")
        dashcam = opened(start(database=small, environment=HURRIED))
        async with refused(dashcam, "no room left", pieces=200):
            await asyncio.to_thread(mount, folder, "remount,size=400m")
        dashcam.stop()
        engine.drop(small)


async def test_d5_read_only(start: Start, server: PostgresServer, engine: Databases) -> None:
    """As after a fail-over, or where the operator has pulled the brake."""
    database = engine.migrated()
    dashcam, name = opened(start(database=database, environment=HURRIED)), name_of(database)
    with psycopg.connect(server.url(), autocommit=True) as session:
        session.execute(f"alter database {name} set default_transaction_read_only = on".encode())
        end_sessions(server, name)
        async with refused(dashcam, "read-only"):
            session.execute(f"alter database {name} set default_transaction_read_only = off".encode())
            end_sessions(server, name)


def with_role(server: PostgresServer, database: DatabaseSettings) -> DatabaseSettings:
    """Return a database as a role that owns nothing in it and may do what we need."""
    name, role = name_of(database), f"app_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.url(name), autocommit=True) as session:
        for sql in ("create role {role} login", "grant all on all tables in schema public to {role}",
                    "grant all on all sequences in schema public to {role}",
                    "alter database {name} owner to {role}"):  # fmt: skip
            session.execute(sql.format(role=role, name=name).encode())
    return DatabaseSettings(url=server.url(name, user=role))


@pytest.mark.parametrize("table", ["interaction", slow("spool_position")])
async def test_d5_without_the_right_to_write(
    start: Start, server: PostgresServer, engine: Databases, table: str
) -> None:
    mine = with_role(server, engine.migrated())
    role, name = str(urlsplit(mine.url).username), name_of(mine)
    dashcam = opened(start(database=mine, environment=HURRIED))
    with psycopg.connect(server.url(name), autocommit=True) as session:
        session.execute(f"revoke all on {table} from {role}".encode())
        async with refused(dashcam, "refuses us a right"):
            session.execute(f"grant all on {table} to {role}".encode())


async def test_d6_without_a_connection_to_spare(start: Start, server: PostgresServer, engine: Databases) -> None:
    """Others hold all connections; later two may be had in all, and it still progresses."""
    mine = with_role(server, engine.migrated())
    name = name_of(mine)
    dashcam = opened(start(database=mine, environment=HURRIED))
    with psycopg.connect(server.url(), autocommit=True) as session:
        session.execute(f"alter database {name} connection limit 0".encode())
        end_sessions(server, name)
        async with refused(dashcam, "too many connections") as load:
            session.execute(f"alter database {name} connection limit 2".encode())
            await wait_until_async(lambda: not is_in_trouble(dashcam), "it loads again", seconds=60)
            await load.progress(100)
            session.execute(f"alter database {name} connection limit -1".encode())


@pytest.mark.parametrize("table", ["interaction", slow("spool_position"), slow("metric_total")])
async def test_d7_a_lock_that_is_held_for_long(
    start: Start, server: PostgresServer, engine: Databases, amount: Amount, table: str
) -> None:
    database = engine.migrated()
    dashcam = opened(start(database=database, environment=HURRIED))
    with psycopg.connect(server.url(name_of(database))) as session:
        session.execute(f"lock table {table} in access exclusive mode".encode())
        async with refused(dashcam, "busy") as load:
            await load.progress(amount(20, 5000), seconds=600)
            session.rollback()


async def test_d5_a_month_without_its_partition_is_kept_all_the_same(
    start: Start, server: PostgresServer, engine: Databases
) -> None:
    """Nobody has made it ahead: rows lie in the default part and are read from there."""
    database = engine.migrated()
    with psycopg.connect(server.url(name_of(database)), autocommit=True) as session:
        drop_this_month(session)
        dashcam = opened(start(database=database, environment=HURRIED))
        load = Load(dashcam.url)
        async with load.running():
            await load.progress(60)
        endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
        assert endings == {"completed": len(load.calls)}


async def test_d5_without_any_partition_it_waits(start: Start, server: PostgresServer, engine: Databases) -> None:
    database = engine.migrated()
    dashcam = opened(start(database=database, environment=HURRIED))
    with psycopg.connect(server.url(name_of(database)), autocommit=True) as session:
        drop_this_month(session)
        session.execute("drop table interaction_default")
        async with refused(dashcam, "partition"):
            session.execute("create table interaction_default partition of interaction default")


def drop_this_month(session: psycopg.Connection[tuple[object, ...]]) -> None:
    """Drop what rows of today belong in."""
    for table in ("interaction", "interaction_text", "interaction_body", "interaction_metadata", "attempt"):
        session.execute(f"drop table {table}_{datetime.now(UTC):%Y_%m}".encode())
