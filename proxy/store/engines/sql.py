"""A statement that somebody typed, on either engine: one, read-only, bounded in time and rows.

It goes to the driver as it is; none of our words for both engines are put into it. SQLite's file is opened for reading
only, and no other one beside it. On Postgres the transaction is read-only, and only one statement is taken at a time,
so that none can end it and go on in another; COPY, which writes files and runs programs there also when reading, is not
taken at all. Values and rows are bounded by their size as well. SQLite counts steps, of which a single one may take
minutes (a pattern looked for in a long text): a thread of ours ends it, and where that is not heeded, whoever asked.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.errors import UsageError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.engine import backend_of, lent

_TELLS = re.compile(r"\s*(?:show|explain)\b", re.IGNORECASE)
MOST_BYTES = 256 * 1024 * 1024
"""So much of an answer is held in memory, at most."""
_LARGEST_VALUE = 64 * 1024 * 1024
GRACE_SECONDS = 2.0
"""So long after its time is over a statement of SQLite may go on with what cannot be interrupted."""
_CHANGES_SOMETHING = re.compile(
    r"\s*(?:insert|update|delete|replace|merge|truncate|drop|alter|create|vacuum|reindex|grant|revoke)\b", re.IGNORECASE
)
_IS_A_CHANGE = ("readonly database", "read-only transaction")
_CHANGES = "erase calls with: dashcam purge or delete; say something of them with: dashcam tag or feedback"
_TOOK_TOO_LONG = ("interrupted", "statement timeout")


@dataclass(frozen=True, slots=True)
class Answer:
    """``columns`` are the names in their order, each only once; ``has_more``: there were more rows than wanted."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    has_more: bool


def ask(
    database: DatabaseSettings, sql: str, most: int, seconds: float, give_up: Callable[[], object] = object
) -> Answer:
    """Return what a statement gives, up to so many rows; ``UsageError`` says what the engine has against it.

    ``give_up`` is called, in a thread, where SQLite is at one thing that it does not interrupt.
    """
    if not sql.strip():
        raise UsageError("the database does not take this statement: it is empty", hint=_HINT)
    chosen = database.for_reading()
    backend = backend_of(chosen)
    lending = lent(backend, backend.examiner(), is_replica=chosen is not database)
    with lending as engine, engine.begin() as connection:
        backend.bound(connection, seconds)
        driver: Any = connection.connection.driver_connection
        try:
            with (
                _ended(driver, seconds, give_up, is_postgres=database.is_postgres),
                contextlib.closing(_cursor(driver, sql, is_postgres=database.is_postgres)) as cursor,
            ):
                cursor.execute(sql)
                columns = tuple(item[0] for item in cursor.description or ())
                rows = _taken(cursor, most + 1) if columns else []
        except (connection.dialect.loaded_dbapi.Error, connection.dialect.loaded_dbapi.Warning) as error:
            raise _refusal(sql, str(error).strip() or type(error).__name__, seconds) from error
        return Answer(_told_apart(columns), [tuple(row) for row in rows[:most]], len(rows) > most)


def _refusal(sql: str, told: str, seconds: float) -> UsageError:
    """Return what a driver has told of a statement, in our words."""
    if any(words in told for words in _TOOK_TOO_LONG):
        return too_slow(seconds)
    if _CHANGES_SOMETHING.match(sql) or any(words in told for words in _IS_A_CHANGE):
        return UsageError("the database does not take this statement: it would change the record", hint=_CHANGES)
    # What Postgres quotes behind it is our cursor's beginning, with the statement.
    return UsageError(f"the database does not take this statement: {told.splitlines()[0]}", hint=_HINT)


def too_slow(seconds: float) -> UsageError:
    """Return what to say of a statement that has taken its time."""
    return UsageError(f"no answer within {seconds:g} s", hint="narrow it, or give it --seconds")


_HINT = "dashcam sql without a statement lists tables and views"


@contextlib.contextmanager
def _ended(driver: Any, seconds: float, give_up: Callable[[], object], *, is_postgres: bool) -> Iterator[None]:
    """End what takes longer; Postgres does so itself."""
    if is_postgres:
        yield
        return
    is_over = threading.Event()

    def watch() -> None:
        if not is_over.wait(seconds):
            driver.interrupt()
            if not is_over.wait(GRACE_SECONDS):
                give_up()

    watcher = threading.Thread(target=watch, name="sql-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _cursor(driver: Any, sql: str, *, is_postgres: bool) -> Any:
    """Return what a statement is to be executed with."""
    if not is_postgres:
        driver.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        return driver.cursor()
    if _TELLS.match(sql):
        # What no cursor of the server's is for; in the binary form no more than one statement is taken.
        return driver.cursor(binary=True)
    # A cursor of the server's: it is for nothing but rows, and those that nobody wants stay there.
    return driver.cursor(name="dashcam_sql")


def _taken(rows: Iterable[Any], most: int) -> list[Any]:
    """Return so many rows; ``UsageError`` where they do not fit into memory."""
    found, size = list[Any](), 0
    for row in rows:
        found.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes | memoryview))
        if size > MOST_BYTES:
            raise UsageError(f"the answer has more than {MOST_BYTES:,} bytes", hint="ask for less, or --limit it")
        if len(found) == most:
            break
    return found


def _told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Return names where the second ``count`` is ``count_2``."""
    found: list[str] = []
    for name in names:
        number, told = 1, name
        while told in found:
            number += 1
            told = f"{name}_{number}"
        found.append(told)
    return tuple(found)
