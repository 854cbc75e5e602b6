"""The months of a Postgres store: made ahead, dropped as a whole when they are no longer wanted.

The tables that grow with every call are cut by the call's id, a UUIDv7, which begins with its millisecond: the first id
of a month is the month's first millisecond and zeros. What no month was made for lies in a table's ``default`` part, so
that nothing is ever refused; when its month is made, it moves there. Both is done by the leading host's periodic work;
nothing is dropped unless ``database.keep_months`` says so, and rollups and counters never are. What retention drops
of them is ``erasure/months``.

Whoever looks for a span of time says between which ids as well (``bounded``), so that no other month is looked at. An
id is minted just after its call began; a clock that is set back makes it later, by a day at most (``domain/identity``).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from proxy.store.filters.statements import Filters

TABLES = {
    "interaction": "id",
    "interaction_text": "interaction_id",
    "interaction_body": "interaction_id",
    "interaction_metadata": "interaction_id",
    "attempt": "interaction_id",
    "text_index": "interaction_id",
}
"""The tables that are cut, and by which column."""
_SOME = 5000
"""So many rows are deleted in one transaction."""
_NOTED = (("amendment", "interaction_id"), ("feedback", "interaction_id"))
MONTHS_AHEAD = 3
_DAY = 86_400_000
_EARLIER, _LATER = _DAY, 31 * _DAY
"""By how much an id may lie before and behind its call's instant; a month more to look at costs little."""
_MOST = 2**48
PART = re.compile(rf"(?P<table>{'|'.join(TABLES)})_(?:default|(?P<year>\d{{4}})_(?P<month>\d\d))\Z")
_PARTS = (
    "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid "
    "JOIN pg_class AS parent ON parent.oid = inhparent WHERE parent.oid = to_regclass('{table}')"
)


def first_id(month: date) -> str:
    """Return the lowest id of a month."""
    return id_at(int(datetime(month.year, month.month, 1, tzinfo=UTC).timestamp() * 1000))


def id_at(milliseconds: int) -> str:
    """Return the lowest id of an instant (Unix milliseconds), or of the nearest that ids have room for."""
    return str(uuid.UUID(int=min(max(milliseconds, 0), _MOST - 1) << 80))


def bounded(filters: Filters) -> Filters:
    """Return filters that say of a span of time which ids its calls have as well."""
    since, until = filters.since, filters.until
    return replace(
        filters,
        from_id=None if since is None else id_at(since - _EARLIER),
        to_id=None if until is None or until + _LATER >= _MOST else id_at(max(until, 0) + _LATER),
    )


def months_before(day: date, count: int) -> date:
    """Return the first day of the month so many before a day's own."""
    number = day.year * 12 + day.month - 1 - count
    return date(number // 12, number % 12 + 1, 1) if number >= 12 else date.min


def next_month(month: date) -> date:
    """Return the first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def make(connection: Connection, today: date | None = None) -> list[str]:
    """Make this month's partitions and those of the next ones, where they are not there; return their names."""
    made = []
    while (name := make_next(connection, today)) is not None:
        made.append(name)
    return made


def make_next(connection: Connection, today: date | None = None) -> str | None:
    """Make the first partition that ``make`` would; None when all are there.

    While hosts write, each is made in a transaction of its own: two tables locked at once could be waited for in a
    circle by a writer that has one of them and wants the other.
    """
    month = (today or datetime.fromtimestamp(time.time(), UTC).date()).replace(day=1)
    for _ in range(1 + MONTHS_AHEAD):
        for table, column in TABLES.items():
            name = name_of(table, month)
            if name not in _parts(connection, table):
                _make(connection, table, column, month)
                return name
        month = next_month(month)
    return None


def drop_next(connection: Connection, month: date) -> str | None:
    """Drop or empty the next of what is older than a month; say what it was, None when nothing is left.

    Partitions as a whole, the calls first; then what lies about in ``default``, what was noted of the calls, and their
    bodies' slices, the oldest day first, some thousand rows at a time: a transaction takes moments, however much a day
    or ``default`` has. One thing a transaction, as with ``make_next``.
    """
    month = month.replace(day=1)
    for table in TABLES:
        for first in sorted(months_of(connection, table)):
            if first < month:
                connection.exec_driver_sql(f"DROP TABLE {name_of(table, first)}")
                return f"dropped {name_of(table, first)}"
    lowest = first_id(month)
    for table, column in (*((f"{name}_default", column) for name, column in TABLES.items()), *_NOTED):
        some = f"SELECT {column} FROM {table} WHERE {column} < ? LIMIT {_SOME}"  # noqa: S608 - names of ours
        sql = f"DELETE FROM {table} WHERE {column} < ? AND {column} IN ({some})"  # noqa: S608
        if connection.exec_driver_sql(sql, (lowest, lowest)).rowcount:
            return f"emptied {table}"
    return _drop_slices(connection, (month - timedelta(milliseconds=_LATER)).isoformat())


def _drop_slices(connection: Connection, day: str) -> str | None:
    """Drop slices of the oldest day before one. They bear their call's day, which its id may be later than."""
    oldest = "SELECT min(day) FROM body_chunk WHERE day < ?"
    some = f"SELECT number FROM body_chunk WHERE day = ({oldest}) LIMIT {_SOME}"  # noqa: S608 - ours
    sql = f"DELETE FROM body_chunk WHERE number IN ({some})"  # noqa: S608
    return "dropped a day's slices" if connection.exec_driver_sql(sql, (day,)).rowcount else None


def name_of(table: str, month: date) -> str:
    """Return what a table's part for a month is called."""
    return f"{table}_{month:%Y_%m}"


def months_of(connection: Connection, table: str) -> set[date]:
    """Return the months, by their first days, that a table has parts for."""
    found = (PART.match(name) for name in _parts(connection, table))
    return {date(int(part["year"]), int(part["month"]), 1) for part in found if part and part["year"]}


def _parts(connection: Connection, table: str) -> set[str]:
    return {str(name) for (name,) in connection.exec_driver_sql(_PARTS.format(table=table))}


def _make(connection: Connection, table: str, column: str, month: date) -> None:
    """Make one partition; what its months' rows have left in ``default`` goes along, in the caller's transaction."""
    name, first, behind = name_of(table, month), first_id(month), first_id(next_month(month))
    for statement in _statements(table, name, column, first, behind):
        connection.exec_driver_sql(statement)


def _statements(table: str, name: str, column: str, first: str, behind: str) -> Iterator[str]:
    inside = f"{column} >= '{first}' AND {column} < '{behind}'"
    # Who reads waits here, and not at ``default``, which ATTACH locks: it would know the old parts only by then, and
    # see nothing of what moved.
    yield f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
    yield f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    moved = f"DELETE FROM {table}_default WHERE {inside} RETURNING *"  # noqa: S608 - names and ids of our own
    yield f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved"  # noqa: S608
    yield f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{behind}')"
