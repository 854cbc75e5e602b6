"""Bringing back a copy: it is checked before, and what was there is set aside, never overwritten.

Only for a store that nobody has open: the caller holds the loader's lock. The copy is made complete beside the
database's place and then moved there in one step. Calls that were loaded after the copy was made are in the file that
is set aside; the account of gateways whose files are gone says so under ``dropped{restored}``.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, DBAPIError

from proxy.errors import NotFoundError, StoreError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.copies.backup import Tell, beside, check_room, copy_database, silent, size_of, unused
from proxy.store.copies.placing import sync
from proxy.store.engines.engine import backend_of
from proxy.store.engines.place import check_file
from proxy.store.engines.sqlite import Sqlite
from proxy.store.hosts import accounts
from proxy.store.migrating import soundness
from proxy.store.migrating.compatibility import check
from proxy.store.migrating.revisions import known_revisions

REASON = "restored"


@dataclass(frozen=True, slots=True)
class Content:
    """What a copy holds: its revision, calls, and when the last one began (as stored, None without any)."""

    revision: str
    calls: int
    last_call: str | None
    bytes: int


def examine(copy: Path, tell: Tell = silent) -> Content:
    """Look at a copy of a SQLite database; ``StoreError`` says why it cannot be worked with."""
    if not copy.exists():
        raise NotFoundError(
            f"there is no file {copy}", hint="list the copies: ls -l $(dirname $(dashcam db path))/backups"
        )
    check_place_of_copy(copy)
    engine = Sqlite(sqlite_at(copy)).reader()
    try:
        return _look(engine, copy, tell)
    except DatabaseError as error:
        raise StoreError(f"{copy} cannot be read: {error.orig}", hint="take another copy") from error
    finally:
        engine.dispose()


def check_place_of_copy(copy: Path) -> None:
    """Raise ``StoreError`` when what is there is no SQLite file."""
    if not copy.is_file():
        raise StoreError(f"{copy} is no file", hint="give a copy that dashcam db backup has made")
    with copy.open("rb") as file:
        if file.read(16) != b"SQLite format 3\x00":
            raise StoreError(f"{copy} is no SQLite database", hint="give a copy that dashcam db backup has made")


def _look(engine: Engine, copy: Path, tell: Tell) -> Content:
    with engine.connect() as connection:
        revision = check(connection, known_revisions())
        if revision is None:
            raise StoreError(f"{copy} is no database of ours", hint="give a copy that dashcam db backup has made")
        tell("checked", 0, 0)
        wrong = soundness.page_problems(connection)
        if wrong:
            raise StoreError(f"{copy} is damaged: {wrong[0]}", hint="take another copy")
        calls, last = connection.exec_driver_sql("SELECT count(*), max(started_at) FROM interaction").one()
    return Content(revision, int(calls), last, copy.stat().st_size)


def restore(
    copy: Path, target: Path, sources: Collection[str], tell: Tell = silent, *, is_ours: bool = False
) -> Path | None:
    """Put a copy that was examined in the database's place; return where the old one is now, None without one.

    ``sources`` are those that are still in the spool. A copy that ``is_ours`` lies beside that place, and is used up.
    Raises ``StoreError``; then the old one is where it was.
    """
    _check_target(target)
    incoming = target.with_name(f".{target.name}.restoring")
    for left in beside(incoming):
        left.unlink(missing_ok=True)
    try:
        if is_ours:
            copy.rename(incoming)
        else:
            check_room(size_of(copy), target.parent, "restoring")
            copy_database(copy, incoming, tell)
        settle_accounts(sqlite_at(incoming), sources)
        aside = _set_aside(target)
        incoming.replace(target)
        sync(target.parent)
    except OSError as error:
        raise StoreError(f"{target} cannot be replaced: {error.strerror}", hint="dashcam doctor") from error
    finally:
        with contextlib.suppress(OSError):
            incoming.unlink(missing_ok=True)
    return aside


def _check_target(target: Path) -> None:
    """Whatever lies there may be replaced, except what is no file at all."""
    if target.exists() and not target.is_file():
        check_file(target)


def settle_accounts(database: DatabaseSettings, sources: Collection[str], instance: str = "") -> None:
    """Close the accounts of gateways whose files are gone: what they had not stored is in what was set aside."""
    backend = backend_of(database)
    engine = backend.writer()
    try:
        with engine.begin() as connection:
            accounts.settle(connection, sources, instance, REASON)
    except DBAPIError as error:
        raise backend.unusable(error) from error
    finally:
        engine.dispose()


def _set_aside(target: Path) -> Path | None:
    """Give the old database a name of its own, with all that belongs to it, while it keeps its place."""
    if not target.exists():
        return None
    _fold_log(target)
    instant = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = unused(target.with_name(f"{target.name}.aside-{instant}"))
    os.link(target, aside)
    # A log that could not be folded belongs to the old file, and would spoil the new one.
    for old, new in zip(beside(target)[1:], beside(aside)[1:], strict=True):
        with contextlib.suppress(FileNotFoundError):
            old.rename(new)
    return aside


def _fold_log(target: Path) -> None:
    """Fold the write-ahead log in, where the old database still can."""
    if not beside(target)[1].exists():
        return
    engine = Sqlite(sqlite_at(target)).writer()
    # A damaged one goes aside as it is, with its log.
    with contextlib.suppress(DatabaseError), engine.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
    engine.dispose()
