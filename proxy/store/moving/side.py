"""One of the two databases of a copy: pages of rows out, batches of rows in.

Every question is a transaction of its own, read to its end at once: no reader keeps SQLite's write-ahead log from
shrinking. Values are those that the driver gives and takes, which are the same for both engines; nothing is converted.
Errors are the store's: ``StoreUnavailableError`` may be tried again, ``RowError`` means a value that cannot go in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Table, inspect
from sqlalchemy.exc import SQLAlchemyError

from proxy.settings.database import DatabaseSettings
from proxy.store.engines.bulk import run_many
from proxy.store.engines.engine import backend_of
from proxy.store.moving.plan import Changing, Growing, Key, Rows, columns_of, position

PAGE_BYTES = 16 * 1024 * 1024
"""A page of a table with a heavy column is cut here; a single row may be larger."""
_PATIENT_SECONDS = 600.0
_MARKS = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one table behind ``after`` up to ``last``, and the rows of its parts by table name."""

    rows: Rows
    parts: dict[str, Rows]
    after: Key
    last: Key


class Side:
    """A database, opened for reading or (the target) for writing; for one thread."""

    def __init__(self, database: DatabaseSettings, *, is_target: bool = False) -> None:
        # Counting a large range takes longer than what a loader may wait for.
        self.database = replace(database, statement_timeout=max(database.statement_timeout, _PATIENT_SECONDS))
        self._backend = backend_of(self.database)
        self._is_target = is_target
        self._engine = self._backend.writer() if is_target else self._backend.reader()

    def __repr__(self) -> str:
        return f"<Side {self.database.shown}{' target' if self._is_target else ''}>"

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction; errors as above."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OverflowError, ValueError, TypeError) as error:
            raise self._backend.refusal(error) from error

    def ask(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """Return all rows of one statement of ours."""
        with self.begin() as connection:
            return fetch(connection, sql, values)

    def has(self, table: str) -> bool:
        """Return True where there is such a table."""
        with self.begin() as connection:
            return inspect(connection).has_table(table)

    # -- growing tables -------------------------------------------------------------------------------------

    def last(self, kind: Growing) -> Key:
        """Return the highest key, or one below every key."""
        found = self.ask(f"SELECT {kind.key} FROM {kind.name} ORDER BY {kind.key} DESC LIMIT 1")  # noqa: S608 - our names
        return found[0][0] if found else kind.lowest

    def before(self, kind: Growing) -> Key | None:
        """Return a key just below the first one; None where no rows are."""
        found = self.ask(f"SELECT {kind.key} FROM {kind.name} ORDER BY {kind.key} LIMIT 1")  # noqa: S608 - our names
        return kind.below(found[0][0]) if found else None

    def count(self, kind: Growing, after: Key, last: Key) -> int:
        """Return how many rows there are behind one key up to another."""
        sql = f"SELECT count(*) FROM {kind.name} WHERE {kind.key} > ? AND {kind.key} <= ?"  # noqa: S608 - our names
        return int(self.ask(sql, (after, last))[0][0])

    def tally(self, kind: Growing, after: Key, last: Key) -> tuple[int, int]:
        """Return how many rows there are behind one key up to another, and a sum that says which they are."""
        code = "ascii" if self.database.is_postgres else "unicode"
        number = kind.key
        if isinstance(kind.lowest, str):
            signs = (f"{code}(substr(CAST({kind.key} AS text), {at}, 1))" for at in range(31, 37))
            # The last six of an id are chance. An integer of 64 bits has room for their sum over 100 million calls.
            number = " + ".join(f"CAST({sign} - 48 AS bigint) * {64**place}" for place, sign in enumerate(signs))
        sql = f"SELECT count(*), sum({number}) FROM {kind.name} WHERE {kind.key} > ? AND {kind.key} <= ?"  # noqa: S608
        count, total = self.ask(sql, (after, last))[0]
        return int(count), int(total or 0)

    def keys(self, kind: Growing, after: Key, last: Key) -> list[Key]:
        """Return the keys behind one up to another."""
        sql = f"SELECT {kind.key} FROM {kind.name} WHERE {kind.key} > ? AND {kind.key} <= ? ORDER BY 1"  # noqa: S608
        return [row[0] for row in self.ask(sql, (after, last))]

    def page(self, kind: Growing, after: Key) -> Page | None:
        """Return the next rows behind a key with their parts, as of one transaction; None when there are none."""
        with self.begin() as connection:
            last = _end_of_page(connection, kind, after)
            return None if last is None else _between(connection, kind, after, last)

    def between(self, kind: Growing, after: Key, last: Key) -> Page:
        """Return the rows behind one key up to another, with their parts."""
        with self.begin() as connection:
            return _between(connection, kind, after, last)

    def named(self, kind: Growing, keys: Sequence[Key]) -> Page:
        """Return the rows with these keys, with their parts."""
        with self.begin() as connection:
            found = _in(connection, kind.table, kind.key, keys)
            there = [kind.key_of(row) for row in found]
            parts = {part.name: _in(connection, part, "interaction_id", there) for part in kind.parts}
            return Page(found, parts, min(keys), max(keys))

    # -- changing tables ------------------------------------------------------------------------------------

    def next_key(self, kind: Changing, after: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        """Return the key that ends the next page behind another, None when no rows are left."""
        where, values = _behind(kind, after)
        keys = ", ".join(kind.keys)
        sql = f"SELECT {keys} FROM {kind.name}{where} ORDER BY {keys} LIMIT ?"  # noqa: S608 - our names
        found = self.ask(sql, (*values, kind.page))
        return tuple(found[-1]) if found else None

    def range(self, kind: Changing, after: tuple[Any, ...] | None, last: tuple[Any, ...] | None) -> Rows:
        """Return the rows behind one key up to another; None is no bound."""
        where, values = _behind(kind, after)
        if last is not None:
            marks = ", ".join("?" * len(last))
            where += f"{' AND' if where else ' WHERE'} ({', '.join(kind.keys)}) <= ({marks})"
        sql = f"SELECT {columns_of(kind.table)} FROM {kind.name}{where}"  # noqa: S608 - our names
        return self.ask(sql, (*values, *(last or ())))


def fetch(connection: Connection, sql: str, values: Sequence[Any] = ()) -> Rows:
    """Return all rows as plain tuples."""
    return [tuple(row) for row in connection.exec_driver_sql(sql, tuple(values))]


def delete(connection: Connection, table: Table, columns: Sequence[str], keys: Rows) -> None:
    """Remove the rows with these values."""
    terms = " AND ".join(f'"{name}" = ?' for name in columns)
    run_many(connection, f"DELETE FROM {table.name} WHERE {terms}", keys)  # noqa: S608 - our names


def present(connection: Connection, kind: Growing, keys: Sequence[Key]) -> set[Key]:
    """Return which of these keys are there."""
    sql = f"SELECT {kind.key} FROM {kind.name} WHERE {kind.key} IN "  # noqa: S608 - our names
    return {row[0] for part, marks in _in_parts(keys) for row in fetch(connection, f"{sql}({marks})", part)}


def _end_of_page(connection: Connection, kind: Growing, after: Key) -> Key | None:
    size = f"length({kind.heavy})" if kind.heavy else "0"
    sql = f"SELECT {kind.key}, {size} FROM {kind.name} WHERE {kind.key} > ? ORDER BY {kind.key} LIMIT ?"  # noqa: S608
    last, room = None, PAGE_BYTES
    for key, length in fetch(connection, sql, (after, kind.page)):
        room -= length or 0
        if last is not None and room < 0:
            break
        last = key
    return last


def _between(connection: Connection, kind: Growing, after: Key, last: Key) -> Page:
    found = fetch(connection, _range_sql(kind.table, kind.key), (after, last))
    there = {kind.key_of(row) for row in found}
    parts = {}
    for part in kind.parts:
        at = position(part, "interaction_id")
        rows_of_part = fetch(connection, _range_sql(part, "interaction_id"), (after, last))
        # A call that was committed between two statements comes with the next look, whole.
        parts[part.name] = [row for row in rows_of_part if row[at] in there]
    return Page(found, parts, after, last)


def _range_sql(table: Table, key: str) -> str:
    order = ", ".join(f'"{column.name}"' for column in table.primary_key)
    return f"SELECT {columns_of(table)} FROM {table.name} WHERE {key} > ? AND {key} <= ? ORDER BY {order}"  # noqa: S608


def _in(connection: Connection, table: Table, key: str, keys: Sequence[Key]) -> Rows:
    order = ", ".join(f'"{column.name}"' for column in table.primary_key)
    sql = f"SELECT {columns_of(table)} FROM {table.name} WHERE {key} IN "  # noqa: S608 - our names
    found = (fetch(connection, f"{sql}({marks}) ORDER BY {order}", part) for part, marks in _in_parts(keys))
    return [row for part in found for row in part]


def _in_parts(keys: Sequence[Key]) -> Iterator[tuple[Sequence[Key], str]]:
    for start in range(0, len(keys), _MARKS):
        part = keys[start : start + _MARKS]
        yield part, ", ".join("?" * len(part))


def _behind(kind: Changing, after: tuple[Any, ...] | None) -> tuple[str, tuple[Any, ...]]:
    if after is None:
        return "", ()
    return f" WHERE ({', '.join(kind.keys)}) > ({', '.join('?' * len(after))})", after
