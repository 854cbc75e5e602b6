"""Opening the database: one writer, any number of readers.

SQLite runs in WAL mode with one connection that writes *and* checkpoints, since older versions lose pages when two do
(fixed in 3.51.3); readers are read-only and never checkpoint. ``synchronous=FULL``: the commit that lets a spool
segment be unlinked must itself survive a power cut. Files are private to their owner.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, StaticPool

from proxy.errors import StoreError

SAFE_SQLITE = (3, 51, 3)
_WRITER = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", "cache_size=-65536",
           "temp_store=MEMORY", "wal_autocheckpoint=2000")  # fmt: skip
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
    return _engine(lambda: sqlite3.connect(path, check_same_thread=False), _WRITER, is_writer=True)


def open_reader(path: Path) -> Engine:
    """Open the database read-only; ``StoreError`` when it is not there."""
    if not path.exists():
        raise StoreError(f"there is no database at {path} yet", hint="start Dashcam with: dashcam serve")
    address = f"{path.absolute().as_uri()}?mode=ro"
    return _engine(lambda: sqlite3.connect(address, uri=True, check_same_thread=False), _READER, is_writer=False)


def is_damaged(error: DBAPIError) -> bool:
    """Return True when the file itself is at fault, and not what was to be written."""
    return _code_of(error) in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


def _code_of(error: DBAPIError) -> int:
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF


def unusable(path: Path, error: DBAPIError) -> StoreError:
    """Return what to tell a person about a database that cannot be opened, upgraded or written."""
    code = _code_of(error)
    if is_damaged(error):
        hint = "move the file away and start again (a new one is made), or restore a backup"
    elif code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        hint = "end the other program that holds it"
    else:
        hint = "check the folder's rights and the disk's space"
    return StoreError(f"the database {path} cannot be used: {error.orig}", hint=hint)


def _engine(connect: Callable[[], sqlite3.Connection], pragmas: tuple[str, ...], *, is_writer: bool) -> Engine:
    # Connected by hand: in an address put together from it, a path with '#', '?' or '%' leads elsewhere.
    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool if is_writer else NullPool)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")  # type: ignore[attr-defined]

    return engine
