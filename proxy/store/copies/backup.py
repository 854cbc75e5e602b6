"""Copies of a SQLite database: one plain file each, consistent, private, and whole or not there at all.

The copy is of one instant, whatever is written meanwhile: the source's read transaction is held for its length (so the
write-ahead log grows for as long), and no page is written by it. It is made beside its place, synced and then moved
there. Copies before an upgrade are named ``upgrade-REVISION-INSTANT.db``, and only of those the oldest are removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from proxy.errors import StoreError
from proxy.settings.database import sqlite_at
from proxy.store.copies.placing import ROOM, placed
from proxy.store.engines.sqlite import Sqlite

Tell = Callable[[str, int, int], None]
"""Told what is done, how far it has come, and of how much; 0 where that is not known."""
PAGES = 1024
SPARE_BYTES = 16 * 1024 * 1024
"""What must stay free beside a copy, unless somebody says otherwise."""
_UPGRADES = re.compile(r"upgrade-.*\.db(?:\.sealed)?")
_COPIES = {False: re.compile(r".*\.db(?:\.sealed)?"), True: re.compile(r".*\.dump(?:\.sealed)?")}


class NoRoomError(StoreError):
    """The disk has no room for a copy."""

    code = "no_room"


def silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def size_of(path: Path) -> int:
    """Return the bytes of a database with its write-ahead log."""
    return sum(item.stat().st_size for item in beside(path) if item.exists())


def beside(path: Path) -> list[Path]:
    """Return the file and those that SQLite keeps beside it; only together they are the database."""
    return [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))]


def backup_name(kind: str, revision: str | None) -> str:
    """Return the name of a copy made now."""
    instant = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{kind}-{revision or 'empty'}-{instant}.db"


def copies_in(folder: Path, *, is_postgres: bool) -> list[Path]:
    """Return the copies in a folder: those of SQLite files, or those of Postgres databases."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if _COPIES[is_postgres].fullmatch(path.name)]


def unused(path: Path) -> Path:
    """Return the path, or one with a number where it is taken."""
    number, found = 2, path
    while found.exists():
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return found


def check_room(needed: int, folder: Path, what: str, spare: int = SPARE_BYTES) -> None:
    """Raise ``NoRoomError`` when a folder's disk has not so many bytes free, and those to spare."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    status = os.statvfs(existing)
    free = status.f_bavail * status.f_frsize
    if free < needed + spare:
        raise NoRoomError(
            f"{what} needs {needed / 1e6:,.1f} MB in {folder}, where {free / 1e6:,.1f} MB are free and "
            f"{spare / 1e6:,.0f} MB must stay so",
            hint=ROOM,
        )


def copy_database(source: Path, target: Path, tell: Tell = silent, spare: int = SPARE_BYTES) -> int:
    """Copy a database while it may be in use; return the copy's bytes. A file that is there is not replaced.

    Raises ``NoRoomError`` before anything is written, ``StoreError`` when either side fails.
    """
    check_room(size_of(source), target.parent, "the copy", spare)
    with placed(target) as part:
        copy_pages(source, part, tell)
    return target.stat().st_size


def copy_pages(source: Path, part: Path, tell: Tell) -> None:
    """Copy a database into an empty file; ``StoreError`` when either side fails."""
    engine = Sqlite(sqlite_at(source)).reader()
    try:
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
            # Nothing of it counts before it is whole and synced; the rest would only cost time.
            copy.execute("PRAGMA synchronous=OFF")
            with engine.connect() as connection:
                # The first read fixes the instant: a copy in steps does not begin again when somebody writes.
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
                driver = connection.connection.driver_connection
                assert driver is not None
                driver.backup(copy, pages=PAGES, progress=lambda _state, left, all_: tell("copied", all_ - left, all_))
            copy.execute("PRAGMA journal_mode=DELETE")
            # Another file's mark (file_mark) is not this one's.
            copy.execute("PRAGMA user_version=0")
    except (DBAPIError, sqlite3.Error) as error:
        reason = getattr(error, "orig", None) or error
        hint = ROOM if "full" in str(reason) else "see: dashcam db check"
        raise StoreError(f"the database {source} cannot be copied: {reason}", hint=hint) from error
    finally:
        engine.dispose()


def forget_old_copies(newest: Path, keep: int) -> None:
    """Remove the oldest copies from before upgrades, whatever the clock says of the newest; nobody else's file."""
    others = [path for path in newest.parent.iterdir() if _UPGRADES.fullmatch(path.name) and path != newest]
    for old in sorted(others, key=lambda path: path.stat().st_mtime)[: max(0, len(others) + 1 - keep)]:
        old.unlink(missing_ok=True)
