"""The two databases before anything is carried: whether they can be used, and whether the target is free to be one.

A target is looked at before it is given our tables: what is somebody's record, or anything else, stays as it is, at the
revision that it has. What is wrong is told of ``source`` or ``target``, with what to type next. What the source has and
the target has no place for (tables and columns made by hand) is not carried; ``left_behind`` names it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.engine import backend_of
from proxy.store.engines.place import check_file
from proxy.store.hosts import instances
from proxy.store.migrating import migration
from proxy.store.moving import state
from proxy.store.moving.plan import carried
from proxy.store.moving.side import Side, fetch

_AGAIN = "then give the same command again"
_EMPTY = "copy into an empty database, which is made as it is needed"
_NEXT = (
    ("there is no database at", "give where it is: --from, or --data-dir", ""),
    ("newer", "copy with the newer Dashcam", _EMPTY),
    ("which is older", "copy with the newer Dashcam", _EMPTY),
    ("cannot be reached", f"start it, or correct {{flag}}; {_AGAIN}", ""),
    ("is not there", "correct --from", f"create it: createdb -O USER NAME; {_AGAIN}"),
    ("does not let us in", f"correct the user or password in {{flag}}, PGPASSWORD or ~/.pgpass; {_AGAIN}", ""),
    ("refuses us a right", "", f"{{hint}}; {_AGAIN}"),
    ("is read-only", "", "give the primary, which takes changes"),
    ("another program's", "", _EMPTY),
    ("already exists", "", _EMPTY),
    ("no SQLite database", "", "choose another place with --to"),
    ("no ordinary file", "", "choose another place with --to"),
    ("is a folder", "", "choose another place with --to"),
    ("cannot be made", "", "choose another place with --to"),
)
"""What is wrong, and what comes next for the source and for the target; empty: what is said anyway."""
_CATALOGUE = (
    "SELECT found.name, part.name FROM sqlite_master AS found, pragma_table_info(found.name) AS part "
    "WHERE found.type IN ('table', 'view') AND substr(found.name, 1, 7) <> 'sqlite_'"
)
_CATALOGUE_OF_POSTGRES = (
    "SELECT found.relname, part.attname FROM pg_class AS found JOIN pg_attribute AS part ON part.attrelid = found.oid "
    "WHERE found.relnamespace = quote_ident(current_schema())::regnamespace "
    "AND found.relkind IN ('r', 'p', 'f', 'v', 'm') "
    "AND NOT found.relispartition AND part.attnum > 0 AND NOT part.attisdropped "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = found.oid AND deptype = 'e')"
)


def check_source(database: DatabaseSettings) -> None:
    """Raise ``StoreError`` where a source cannot be read, is of another revision, or not yet wholly of ours."""
    _told("source", database, _check)


def check_target(database: DatabaseSettings) -> None:
    """Raise ``StoreError`` where a target cannot be compared with."""
    _told("target", database, _check)


def make_target(database: DatabaseSettings) -> None:
    """Give a target our tables; ``StoreError`` where that cannot be, or where it has rows that no copy brought."""
    _told("target", database, _make)


def others_in(side: Side, own: str) -> list[str]:
    """Return which hosts beside our own instance record into a database now; a SQLite file has only one."""
    if not side.database.is_postgres:
        return []
    with side.begin() as connection:
        found = instances.listing(connection)
    return [
        f"{row['host']} ({row['place']}, seen {row['seen_seconds_ago']:.0f} s ago)"
        for row in found
        if row["id"] != own and row["left_at"] is None and row["seen_seconds_ago"] < instances.SILENT_SECONDS
    ]


TEXT_INDEX = "text_index"
"""How the tables of the full-text index begin, which each database makes of its own texts."""


def left_behind(source: Side, target: Side) -> list[str]:
    """Return what of the source has no place in the target: tables, and columns as ``table.column``."""
    here = {name: columns for name, columns in _catalogue(source).items() if not name.startswith(TEXT_INDEX)}
    there = _catalogue(target)
    found = [name if name not in there else f"{name}.{column}" for name, columns in here.items() for column in columns
             if column not in there.get(name, ())]  # fmt: skip
    return sorted(set(found))


def _check(database: DatabaseSettings) -> None:
    """Refuse what is newer also where we could work with it: we do not know all that must come along."""
    _refuse_newer(database, migration.check(database))
    with _looking(database) as connection:
        if fetch(connection, "SELECT 1 FROM schema_revision WHERE NOT is_filled LIMIT 1"):
            raise StoreError(f"the upgrade of {database.shown} is not finished", hint="dashcam db migrate")


def _make(database: DatabaseSettings) -> None:
    if not database.is_postgres:
        check_file(database.path)
    if database.is_postgres or (database.path.exists() and database.path.stat().st_size):
        with _looking(database) as connection:
            _refuse_used(connection, database)
    _refuse_newer(database, migration.upgrade(database).after)


def _refuse_newer(database: DatabaseSettings, revision: str) -> None:
    if revision != migration.head():
        raise StoreError(f"the database {database.shown} is at revision {revision}, which is newer than this program "
                         f"({migration.head()})")  # fmt: skip


def _refuse_used(connection: Connection, database: DatabaseSettings) -> None:
    there = {row[0] for row in fetch(connection, _catalogue_sql(database))}
    # What a copy is, is decided with our tables there.
    if "copy_state" in there and fetch(connection, "SELECT 1 FROM copy_state LIMIT 1"):
        return
    state.refuse_rows(connection, database, [str(table.name) for table in carried() if str(table.name) in there])


@contextlib.contextmanager
def _looking(database: DatabaseSettings) -> Iterator[Connection]:
    backend = backend_of(database)
    engine = backend.reader()
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise backend.unusable(error) from error
    finally:
        engine.dispose()


def _catalogue(side: Side) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, column in side.ask(_catalogue_sql(side.database)):
        found.setdefault(name, set()).add(column)
    return found


def _catalogue_sql(database: DatabaseSettings) -> str:
    return _CATALOGUE_OF_POSTGRES if database.is_postgres else _CATALOGUE


def _told(role: str, database: DatabaseSettings, step: Callable[[DatabaseSettings], object]) -> None:
    """Do a step; say which of the two it failed for, and what to type next."""
    try:
        step(database)
    except StoreError as error:
        hint = next((said for words, *said in _NEXT if words in error.message), ["", ""])
        wanted = hint[1] or hint[0] if role == "target" else hint[0]
        flag = "--to" if role == "target" else "--from"
        told = wanted.format(flag=flag, hint=error.hint) or error.hint
        raise StoreError(f"{role}: {error.message}", hint=told) from error
