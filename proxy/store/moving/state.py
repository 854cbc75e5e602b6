"""What a target is, kept in it: a copy under way, one that is complete, or the record since.

``copying``: rows come in, nothing else may be written. ``complete``: all of the source is there, and nobody has
written since. ``in_use``: a Dashcam has opened it as its record; it is never copied into again. A database that was
never copied into has no such row.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.place import is_nothing
from proxy.store.moving.plan import carried
from proxy.store.moving.side import Side, fetch
from proxy.store.schema.columns import instant_text

COPYING, COMPLETE, IN_USE = "copying", "complete", "in_use"
_COLUMNS = "id, source, instance, state, started_at, finished_at"
_WORD = 500


@dataclass(frozen=True, slots=True)
class CopyState:
    """One database's row; instants as they are stored. ``instance`` is the data folder whose record it is to be."""

    id: str
    source: str
    instance: str
    state: str
    started_at: str
    finished_at: str | None


def read(side: Side) -> CopyState | None:
    """Return what a database is, None when it was never copied into."""
    found = side.ask(f"SELECT {_COLUMNS} FROM copy_state")  # noqa: S608 - our names
    return CopyState(*found[0]) if found else None


def of(database: DatabaseSettings) -> CopyState | None:
    """Return what a database is, None also where there is none yet; ``StoreError`` when it cannot be read."""
    if not database.is_postgres and is_nothing(database.path):
        return None
    side = Side(database)
    try:
        return read(side) if side.has("copy_state") else None
    finally:
        side.close()


def use(database: DatabaseSettings) -> None:
    """Say that a complete copy is in use."""
    side = Side(database, is_target=True)
    try:
        set_state(side, IN_USE)
    finally:
        side.close()


def begin(target: Side, source: DatabaseSettings, instance: str) -> CopyState:
    """Mark a target as a copy under way, or take up one that is; ``StoreError`` for any other database."""
    found = read(target)
    if found is not None:
        return _resumed(target, found, source, instance)
    now = instant_text(time.time_ns() // 1_000_000)
    made = CopyState(uuid.uuid4().hex, source.shown[:_WORD], instance, COPYING, now, None)
    with target.begin() as connection:
        refuse_rows(connection, target.database, [str(table.name) for table in carried()])
        values = (made.id, made.source, made.instance, made.state, made.started_at, made.finished_at)
        connection.exec_driver_sql(f"INSERT INTO copy_state ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608
    return made


def _resumed(target: Side, found: CopyState, source: DatabaseSettings, instance: str) -> CopyState:
    if found.state == IN_USE:
        raise StoreError(f"{target.database.shown} is a record in use, copied from {found.source} on "
                         f"{found.started_at[:10]}", hint="copy into an empty database")  # fmt: skip
    if (found.source, found.instance) != (source.shown[:_WORD], instance):
        raise StoreError(f"{target.database.shown} is a copy of {found.source}, made for another data folder or "
                         "from another source", hint="copy into an empty database")  # fmt: skip
    set_state(target, COPYING)
    return found


def set_state(target: Side, state: str) -> None:
    """Say what a target is from now on."""
    with target.begin() as connection:
        connection.exec_driver_sql("UPDATE copy_state SET state = ?", (state,))
        if state == COMPLETE:
            now = instant_text(time.time_ns() // 1_000_000)
            connection.exec_driver_sql("UPDATE copy_state SET finished_at = ?", (now,))


def refuse_rows(connection: Connection, database: DatabaseSettings, names: Iterable[str]) -> None:
    """Raise ``StoreError`` where one of these tables has a row."""
    for name in names:
        if fetch(connection, f"SELECT 1 FROM {name} LIMIT 1"):  # noqa: S608 - our names
            raise StoreError(f"{database.shown} is not empty: table {name} has rows",
                             hint="copy into an empty database, which is made as it is needed")  # fmt: skip
