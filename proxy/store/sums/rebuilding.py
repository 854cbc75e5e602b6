"""Rollups made anew from the rows, a day at a time: each in one transaction, so that nobody ever reads half a day.

A day that is made anew twice is the same as once, so what is broken off goes on with the day that it was at. Who adds
to rollups meanwhile waits for the day's end (seconds at some hundred thousand calls), and then adds to what is right:
on SQLite there is one writer, on Postgres the tables are locked before the rows are read.

Which days those are is said by ``days``: sums outlive the calls that retention has dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Connection, Float

from proxy.domain.interaction import Interaction
from proxy.store.engines.partitions import bounded
from proxy.store.filters.statements import Condition, Filters, conditions_of
from proxy.store.schema.columns import Instant
from proxy.store.schema.decoding import Row, decoded
from proxy.store.sums.counting import COUNTED, ROLLUPS, Recount, Rollup, count, counted

_PAGE = 5000
_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made anew: how many calls the day has, and how many rows of rollups said something else before."""

    calls: int
    mended: int


def rebuild_day(connection: Connection, day: str, rollups: Sequence[Rollup] = ROLLUPS) -> Rebuilt:
    """Make a day's rollups anew, in the caller's transaction; ``ValueError`` where the text is no day."""
    begin = _begin(date.fromisoformat(day))
    _lock(connection, rollups)
    before = [_counts(connection, rollup, day) for rollup in rollups]
    for rollup in rollups:
        connection.exec_driver_sql(f"DELETE FROM {rollup.table.name} WHERE {_of_day(rollup)}", _bounds(rollup, day))  # noqa: S608 - ours
    calls = 0
    for items in _pages(connection, begin, begin + _DAY):
        calls += len(items)
        count(connection, Recount([], items), rollups)
    after = [_counts(connection, rollup, day) for rollup in rollups]
    return Rebuilt(calls, sum(len(old ^ new) for old, new in zip(before, after, strict=True)))


def count_days_anew(connection: Connection, first: date, behind: date, but_ids: tuple[str, str]) -> None:
    """Let the sums of days count the calls that are there, without those with ids from the one to below the other.

    In a transaction in which nobody stores calls or changes them.
    """
    for rollup in ROLLUPS:
        sql = f"DELETE FROM {rollup.table.name} WHERE {rollup.by} >= ? AND {rollup.by} < ?"  # noqa: S608 - ours
        connection.exec_driver_sql(sql, (first.isoformat(), behind.isoformat()))
    without = Condition("NOT (id >= ? AND id < ?)", but_ids)
    for items in _pages(connection, _begin(first), _begin(behind), (without,)):
        count(connection, Recount([], items))


def _begin(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp() * 1000)


def _lock(connection: Connection, rollups: Sequence[Rollup]) -> None:
    """Let nobody add to the rollups before we have ended; who has added and not ended is waited for."""
    if connection.dialect.name == "postgresql":
        for rollup in rollups:
            connection.exec_driver_sql(f"LOCK TABLE {rollup.table.name} IN SHARE ROW EXCLUSIVE MODE")


def _of_day(rollup: Rollup) -> str:
    return "day = ?" if rollup.by == "day" else "hour >= ? AND hour <= ?"


def _bounds(rollup: Rollup, day: str) -> tuple[str, ...]:
    return (day,) if rollup.by == "day" else (f"{day}T00", f"{day}T23")


def _counts(connection: Connection, rollup: Rollup, day: str) -> set[tuple[Any, ...]]:
    """Return the day's rows with their whole numbers: sums of fractions depend on the order."""
    exact = [column.name for column in rollup.table.columns if not isinstance(column.type, Float | Instant)]
    columns = ", ".join(f'"{name}"' for name in exact if name != "last_id")
    sql = f"SELECT {columns} FROM {rollup.table.name} WHERE {_of_day(rollup)}"  # noqa: S608 - ours
    return {tuple(row) for row in connection.exec_driver_sql(sql, _bounds(rollup, day))}


def _pages(
    connection: Connection, begin: int, end: int, others: tuple[Condition, ...] = ()
) -> Iterator[list[Interaction]]:
    span = Filters(since=begin, until=end, others=others)
    conditions, values = conditions_of(bounded(span) if connection.dialect.name == "postgresql" else span)
    columns, where = ", ".join(f'"{name}"' for name in COUNTED), " AND ".join(conditions)
    behind: tuple[Any, ...] = ()
    while True:
        more = " AND (started_at, id) > (?, ?)" if behind else ""
        sql = f"SELECT {columns} FROM interaction WHERE {where}{more} ORDER BY started_at, id LIMIT ?"  # noqa: S608 - ours
        rows = connection.exec_driver_sql(sql, (*values, *behind, _PAGE)).mappings().all()
        if rows:
            yield [counted(_plain(dict(row))) for row in rows]
        if len(rows) < _PAGE:
            return
        behind = (rows[-1]["started_at"], rows[-1]["id"])


def _plain(row: Mapping[str, Any]) -> Row:
    """Return a row as readers give it; an upgrade's connection has the driver's own values."""
    at = row["started_at"]
    return decoded({**row, "id": str(row["id"]), "started_at": at if isinstance(at, str) else at.isoformat()})
