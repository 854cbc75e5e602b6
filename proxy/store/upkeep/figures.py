"""Figures about a database: how large its tables are, and how long the usual questions take.

Sizes come from SQLite's own table of pages where it was built with one, else they are not known (None); counting rows
reads an index of each table. Nothing is written, except that ``commit_ms`` syncs a small file of its own.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError

from proxy.store.migrating.soundness import row_counts

_FREE = ("page_size", "freelist_count")
_TIMES = 3
_SYNCS = 20
_SIZES = "SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name"
_POSTGRES_SIZES = (
    "SELECT coalesce(parent.relname, part.relname), sum(pg_table_size(part.oid)), sum(pg_indexes_size(part.oid)) "
    "FROM pg_class AS part LEFT JOIN pg_inherits ON inhrelid = part.oid "
    "LEFT JOIN pg_class AS parent ON parent.oid = inhparent "
    "WHERE part.relkind = 'r' AND part.relnamespace = quote_ident(current_schema())::regnamespace GROUP BY 1"
)
_KEPT = (
    "SELECT coalesce(sum(kept_length), 0) AS kept, coalesce(sum(length), 0) AS length FROM interaction_body"
)  # fmt: skip
_QUESTIONS = {
    "newest 20 calls": "SELECT * FROM interaction ORDER BY started_at DESC, id DESC LIMIT 20",
    "20 calls of a model": "SELECT * FROM interaction WHERE model = (SELECT model FROM interaction ORDER BY started_at "
    "DESC LIMIT 1) ORDER BY started_at DESC LIMIT 20",
    "20 failures": "SELECT * FROM interaction WHERE outcome = 'upstream_error' ORDER BY started_at DESC LIMIT 20",
    "count of all calls": "SELECT count(*) FROM interaction",
}


@dataclass(frozen=True, slots=True)
class TableSize:
    """One table: rows, and bytes with and without its indexes."""

    name: str
    rows: int
    bytes: int | None
    index_bytes: int | None


def table_sizes(connection: Connection) -> list[TableSize]:
    """Return all tables, the largest first."""
    sizes = _postgres_sizes(connection) if connection.dialect.name == "postgresql" else _sqlite_sizes(connection)
    found = [TableSize(name, rows, *sizes.get(name, (None, None))) for name, rows in row_counts(connection).items()]
    return sorted(found, key=lambda item: (-(item.bytes or 0), -item.rows, item.name))


def _sqlite_sizes(connection: Connection) -> dict[str, tuple[int, int]]:
    try:
        sizes = {str(name): int(size) for name, size in connection.exec_driver_sql(_SIZES)}
    except DBAPIError:
        # Built without the table of pages.
        return {}
    tables = inspect(connection).get_table_names()
    indexes = {name: _indexes_of(connection, name) for name in tables}
    return {name: (sizes.get(name, 0), sum(sizes.get(item, 0) for item in indexes[name])) for name in tables}


def _indexes_of(connection: Connection, table: str) -> list[str]:
    names = [str(item["name"]) for item in inspect(connection).get_indexes(table)]
    return [*names, *(f"sqlite_autoindex_{table}_{number}" for number in (1, 2))]


def _postgres_sizes(connection: Connection) -> dict[str, tuple[int, int]]:
    return {str(name): (int(table), int(index)) for name, table, index in connection.exec_driver_sql(_POSTGRES_SIZES)}


def totals(connection: Connection) -> dict[str, Any]:
    """Return what is true of the whole: calls, first and last, bytes of bodies as they were and as they lie here."""
    span = "SELECT count(*) AS calls, min(started_at) AS first_call, max(started_at) AS last_call FROM interaction"
    found = dict(connection.exec_driver_sql(span).mappings().one())
    found |= {f"body_{name}": int(value) for name, value in connection.exec_driver_sql(_KEPT).mappings().one().items()}
    stored = "SELECT (SELECT coalesce(sum(length(data)), 0) FROM interaction_body) + " \
             "(SELECT coalesce(sum(length(data)), 0) FROM body_chunk)"  # fmt: skip
    return found | {"body_stored": int(connection.exec_driver_sql(stored).scalar() or 0)}


def free_bytes(connection: Connection) -> int | None:
    """Return how much of a SQLite file is free for new rows; None for Postgres, which does not say."""
    if connection.dialect.name != "sqlite":
        return None
    size, free = (int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0) for name in _FREE)
    return size * free


@dataclass(frozen=True, slots=True)
class Timed:
    """A question and how long it took, in milliseconds: the median of three. ``plan`` is how it was answered."""

    question: str
    median_ms: float
    plan: str


def view_names(connection: Connection) -> list[str]:
    """Return the views that are there."""
    return sorted(inspect(connection).get_view_names())


def timings(engine: Engine, views: Sequence[str]) -> list[Timed]:
    """Ask the usual questions, and every view for its first rows."""
    questions = _QUESTIONS | {f"view {name}": f"SELECT * FROM {name} LIMIT 100" for name in views}  # noqa: S608 - names that are there
    return [_timed(engine, name, sql) for name, sql in questions.items()]


def _timed(engine: Engine, name: str, sql: str) -> Timed:
    took = []
    for _ in range(_TIMES):
        with engine.connect() as connection:
            took.append(_milliseconds(lambda: connection.exec_driver_sql(sql).fetchall()))
    with engine.connect() as connection:
        return Timed(name, round(statistics.median(took), 2), _plan(connection, sql))


def _plan(connection: Connection, sql: str) -> str:
    if connection.dialect.name == "postgresql":
        lines = [str(row[0]).strip("-> ") for row in connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {sql}")]
        return next((line for line in lines if "Scan" in line), lines[0])
    lines = [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
    used = [line for line in lines if line.startswith(("SEARCH", "SCAN"))]
    return used[0].replace("USING ", "by ").replace("COVERING INDEX", "index").replace("INDEX", "index") if used else ""


def commit_ms(folder: Path) -> float:
    """Return how long a synced write of one page takes in a folder: the median, in milliseconds."""
    path = folder / f".timing.{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    sync = getattr(os, "fdatasync", os.fsync)

    def write() -> None:
        os.write(descriptor, bytes(4096))
        sync(descriptor)

    try:
        return round(statistics.median(_milliseconds(write) for _ in range(_SYNCS)), 3)
    finally:
        os.close(descriptor)
        path.unlink()


def _milliseconds(do: Callable[[], object]) -> float:
    begun = time.perf_counter()
    do()
    return (time.perf_counter() - begun) * 1000
