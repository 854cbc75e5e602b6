"""What SQLite's errors mean: one table from its result codes to who is at fault, what to say and what to do next.

A row is at fault only where a constraint of ours refuses its values. What a person has added to a table by hand (a
column that must be filled, a unique index, a trigger) would refuse every row, whatever is in it: then the batch waits.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from proxy.errors import StoreError
from proxy.store.engines import place
from proxy.store.engines.failures import RowError, StoreUnavailableError, reason_of
from proxy.store.schema.tables import metadata


@dataclass(frozen=True, slots=True)
class _Meaning:
    what: str
    hint: str


RESTORE = (
    "bring back a copy: dashcam db restore FILE; without one: sqlite3 {path} .recover | sqlite3 recovered.db, and "
    "restore that (a sqlite3 that says 'SQL logic error' cannot do it, such as Debian 12's; that of sqlite.org can)"
)
"""What to do about damage; the damaged file is set aside by it."""
_DAMAGED = _Meaning("is damaged", RESTORE)
_ALTERED = _Meaning("was altered by hand", "dashcam db check")
_BUSY = _Meaning("is held by another program", "dashcam doctor names it")
_OTHER = _Meaning("cannot be used", "dashcam doctor")
_BY_CODE = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _Meaning("has no room left", "free some space on the disk of {folder}"),
    sqlite3.SQLITE_IOERR: _Meaning("cannot be read or written", "see what the system says of the disk of {folder}"),
    sqlite3.SQLITE_READONLY: _Meaning("is read-only", "make {path} and its folder writable for us"),
    sqlite3.SQLITE_CANTOPEN: _Meaning("cannot be opened", "check the rights of {folder} and the space on its disk"),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _Meaning("cannot be used", RESTORE),
    sqlite3.SQLITE_ERROR: _Meaning("has tables that are not as ours", "dashcam db check"),
    sqlite3.SQLITE_SCHEMA: _ALTERED,
}
_PAGE_BYTES = 65536
"""Less room than SQLite's largest page, or its shared memory, is none."""
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}
_BY_HAND = {sqlite3.SQLITE_CONSTRAINT_TRIGGER, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY}
_NOT_FILLED = re.compile(r"NOT NULL constraint failed: (?P<table>\w+)\.(?P<column>.*)")
_NOT_UNIQUE = re.compile(r"UNIQUE constraint failed: (?P<columns>.*)")
_NOT_TRUE = re.compile(r"CHECK constraint failed: (?P<name>.*)")
_OUR_CHECKS = {
    str(item.name)
    for table in metadata.tables.values()
    for item in table.constraints
    if isinstance(item, CheckConstraint)
}


def _our_unique_columns() -> set[str]:
    """Return what SQLite says of each set of columns that is unique by our own word."""
    found = set()
    for table in metadata.tables.values():
        sets = [list(item.columns) for item in table.constraints if isinstance(item, UniqueConstraint)]
        sets += [list(item.columns) for item in table.indexes if item.unique]
        sets.append(list(table.primary_key.columns))
        found |= {", ".join(f"{table.name}.{column.name}" for column in columns) for columns in sets}
    return found


_OUR_UNIQUE = _our_unique_columns()


def refusal(error: Exception, path: Path) -> StoreError:
    """Return what a failed write means: ``RowError``, or ``StoreUnavailableError`` with what to do."""
    reason = reason_of(error)
    if isinstance(error, IntegrityError | DataError):
        if _is_by_hand(error, reason):
            return StoreUnavailableError(f"the database {path} {_ALTERED.what}: {reason}", hint=_ALTERED.hint)
        return RowError(f"the database refuses a row: {reason}")
    if isinstance(error, OperationalError | InterfaceError) or _code(error) in _BY_CODE:
        # The spool keeps every call until somebody has seen to it.
        told = unusable(error, path)
        return StoreUnavailableError(told.message, hint=told.hint)
    return RowError(f"a value cannot be stored: {reason}")


def unusable(error: Exception, path: Path) -> StoreError:
    """Return what to tell a person about a file that cannot be opened, upgraded or read."""
    code = _code(error)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOTADB):
        try:
            place.check_file(path)
        except StoreError as reason:
            return reason
    if code == sqlite3.SQLITE_IOERR and _is_full(path.parent):
        # Its own small files could not be made: it does not say why.
        code = sqlite3.SQLITE_FULL
    meaning = _BY_CODE.get(code, _OTHER)
    hint = meaning.hint.format(path=path, folder=path.parent)
    return StoreError(f"the database {path} {meaning.what}: {reason_of(error)}", hint=hint)


def _is_full(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize < _PAGE_BYTES
    return False


def is_passing(error: DBAPIError) -> bool:
    """Return True while somebody holds it, or the disk takes nothing."""
    return _code(error) in _PASSING


def _is_by_hand(error: DBAPIError, reason: str) -> bool:
    """True where what refuses the row is none of ours."""
    if getattr(error.orig, "sqlite_errorcode", 0) in _BY_HAND:
        return True
    if found := _NOT_FILLED.match(reason):
        table = metadata.tables.get(found["table"])
        return table is not None and found["column"] not in table.columns
    if found := _NOT_UNIQUE.match(reason):
        return found["columns"] not in _OUR_UNIQUE
    found = _NOT_TRUE.match(reason)
    return found is not None and found["name"] not in _OUR_CHECKS


def _code(error: Exception) -> int:
    return int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & 0xFF
