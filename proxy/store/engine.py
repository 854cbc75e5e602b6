"""Opening the database: one writer, any number of readers.

SQLite runs in WAL mode with one connection that writes *and* checkpoints, since older versions lose pages when two do
(fixed in 3.51.3); readers are read-only and never checkpoint. ``synchronous=FULL``: the commit that lets a spool
segment be unlinked must itself survive a power cut. Files are private to their owner.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError
from sqlalchemy.pool import NullPool, StaticPool

from proxy.errors import StoreError

SAFE_SQLITE = (3, 51, 3)
_WRITER = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", "cache_size=-65536",
           "temp_store=MEMORY", "wal_autocheckpoint=2000")  # fmt: skip
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_READER = ("query_only=1", "wal_autocheckpoint=0", "busy_timeout=5000", "cache_size=-16384")


def sqlite_version() -> str:
    """Return the version of the linked SQLite."""
    return sqlite3.sqlite_version


def sqlite_warning() -> str | None:
    """Return why the linked SQLite deserves a warning, or None."""
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return None
    needed = ".".join(map(str, SAFE_SQLITE))
    return f"SQLite {sqlite3.sqlite_version} is older than {needed}; do not write to the file with other programs"


def open_writer(path: Path) -> Engine:
    """Open the database for the one writer, creating it when it is not there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    return _engine(URL.create("sqlite", database=str(path)), _WRITER, is_writer=True)


def open_reader(path: Path) -> Engine:
    """Open the database read-only; ``StoreError`` when it is not there."""
    if not path.exists():
        raise StoreError(f"there is no database at {path} yet", hint="start Dashcam with: dashcam serve")
    place = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    return _engine(place, _READER, is_writer=False)


def unusable(path: Path, error: DatabaseError) -> StoreError:
    """Return what to tell a person about a database that cannot be opened or upgraded."""
    code = _code(error)
    if code in _DAMAGED:
        hint = "move the file away and start again (a new one is made), or restore a backup"
    elif code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        hint = "end the other program that holds it"
    else:
        hint = "check the folder's rights and the disk's space"
    return StoreError(f"the database {path} cannot be used: {error.orig}", hint=hint)


def is_damaged(error: DBAPIError) -> bool:
    """True when the file is no database, or no longer a sound one: the fault of no row."""
    return _code(error) in _DAMAGED


def _code(error: DBAPIError) -> int:
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF


def _engine(url: URL, pragmas: tuple[str, ...], *, is_writer: bool) -> Engine:
    engine = create_engine(
        url, poolclass=StaticPool if is_writer else NullPool, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")  # type: ignore[attr-defined]

    return engine
