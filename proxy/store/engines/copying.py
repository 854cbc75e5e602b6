"""COPY on Postgres: rows as text, through psycopg's own writer, in the transaction that is open."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError


def copy(connection: Connection, table: Table, values: Sequence[tuple[Any, ...]]) -> None:
    """Put rows into a table; whole rows, in the order of its columns. Errors as those of any statement."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    sql = _copy_sql(table)
    try:
        with driver.cursor() as cursor, cursor.copy(sql) as incoming:
            for row in values:
                incoming.write_row(row)
    except psycopg.Error as error:
        if driver.closed:
            # The pool must not hand it out again.
            connection.invalidate(error)
        told: Exception = error
        raise DBAPIError.instance(sql, None, told, psycopg.Error) from error


@lru_cache(maxsize=32)
def _copy_sql(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f"COPY {table.name} ({names}) FROM STDIN"
