"""Many rows at once, in each engine's own best way.

On SQLite a prepared statement is run for each row. Postgres would plan it anew each time, at twenty times what storing
the row costs: there the rows of new calls arrive by COPY, however few (measured: 7 µs of the server a row instead of
118, and no batch is so small that an INSERT were cheaper), and rows that add to others as one INSERT of arrays. COPY
goes into the tables themselves: calls that are there were left out before, and the rare one that comes in between is
told by its key, whereupon the batch is tried again. A temporary table and ON CONFLICT would cost twice as much.

On SQLite a column that is empty in all of the rows is given as NULL in the statement, which is most of those of a call:
sqlite3 looks for an adapter of each None that it is to bind, at 0.2 µs, and a row would have some fifty of them. It is
named all the same, so that a table which somebody has altered refuses the first row and not some later one.

No statement carries more than some megabytes and one row (``portions``): Postgres takes no message above 1 GB and ends
the connection of who sends one, and neither side should have to hold a batch of large bodies twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress
from typing import Any

from sqlalchemy import Connection, Dialect, Float, Table

Rows = Sequence[tuple[Any, ...]]
_AT_ONCE, _IDS_AT_ONCE, _UPSERTS_AT_ONCE = 200, 900, 2000
_BYTES_AT_ONCE = 16 * 1024 * 1024
_VALUES = re.compile(r"VALUES (\([?, ]+\))")


def add_rows(connection: Connection, table: Table, values: Rows) -> None:
    """Put new rows into a table; whole rows, in the order of its columns."""
    if not values:
        return
    if connection.dialect.name == "postgresql":
        from proxy.store.engines.copying import copy

        copy(connection, table, values)
        return
    nothing = (None,) * len(values)
    is_filled = tuple([column != nothing for column in zip(*values, strict=True)])
    connection.exec_driver_sql(_insert(table, is_filled), [tuple(compress(row, is_filled)) for row in values])


def run_many(connection: Connection, sql: str, values: Rows) -> None:
    """Run a statement for each of the values; nothing where there are none. An upsert's keys are all different."""
    if not values:
        return
    if connection.dialect.name != "postgresql" or not _VALUES.search(sql):
        connection.exec_driver_sql(sql, list(values))
        return
    for part in portions(values, _AT_ONCE):
        connection.exec_driver_sql(widened(sql, len(part)), tuple(value for row in part for value in row))


def add_up(connection: Connection, table: Table, sql: str, values: Rows) -> None:
    """Run an upsert for each of the values, which are whole rows of a table without NULL; all keys are different.

    Postgres gets one value for each column: hundreds of places are read anew each time, by psycopg and by the server.
    """
    if not values:
        return
    if connection.dialect.name != "postgresql":
        connection.exec_driver_sql(sql, list(values))
        return
    numbers = [isinstance(column.type, Float) for column in table.columns]
    for start in range(0, len(values), _UPSERTS_AT_ONCE):
        columns = zip(*values[start : start + _UPSERTS_AT_ONCE], strict=True)
        arrays = [list(map(float, column)) if is_number else list(column)
                  for column, is_number in zip(columns, numbers, strict=True)]  # fmt: skip
        connection.exec_driver_sql(_by_columns(sql, table, connection.dialect), tuple(arrays))


@lru_cache(maxsize=64)
def _by_columns(sql: str, table: Table, dialect: Dialect) -> str:
    """Return an INSERT of one row as one of rows that come as an array for each column."""
    types = [str(column.type.compile(dialect)) for column in table.columns]
    # A cast to a text of bounded length would cut what is too long, where a column refuses it.
    arrays = [f"CAST(? AS {'TEXT' if found.startswith('VARCHAR') else found}[])" for found in types]
    return _VALUES.sub(f"SELECT * FROM unnest({', '.join(arrays)}) AS new", sql, count=1)  # noqa: S608 - our types


def ids_in(connection: Connection, table: str, ids: Sequence[str]) -> set[str]:
    """Return which of these calls have a row in a table that is by their ``id``.

    Postgres gets one value: hundreds of them it would read, and psycopg look for places, at 20 µs a call.
    """
    found = set()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        part = list(ids[start : start + _IDS_AT_ONCE])
        values: list[Any]
        if connection.dialect.name == "postgresql":
            where, values = "= ANY(CAST(? AS uuid[]))", [part]
        else:
            where, values = f"IN ({','.join('?' * len(part))})", part
        sql = f"SELECT id FROM {table} WHERE id {where}"  # noqa: S608 - placeholders only
        found |= {str(identity) for (identity,) in connection.exec_driver_sql(sql, tuple(values))}
    return found


def portions(values: Iterable[tuple[Any, ...]], at_once: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows in lists of at most so many, and of so many bytes that a further row does not make them too large."""
    part: list[tuple[Any, ...]] = []
    size = 0
    for row in values:
        weight = sum(len(value) for value in row if isinstance(value, bytes))
        if part and (len(part) == at_once or size + weight > _BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(row)
        size += weight
    if part:
        yield part


@lru_cache(maxsize=512)
def widened(sql: str, count: int) -> str:
    """Return an INSERT of one row as one of so many."""
    return _VALUES.sub(lambda found: "VALUES " + ", ".join([found[1]] * count), sql, count=1)


@lru_cache(maxsize=512)
def _insert(table: Table, is_filled: tuple[bool, ...]) -> str:
    """Return an INSERT of a row with a place for each column that is filled."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join("?" if filled else "NULL" for filled in is_filled)
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own tables
