"""Whole months that are too old, on Postgres: dropped at once, instead of row by row.

For its age a month goes where each of its calls is past every span, those of failures, routes and keys included, and
so old that no spool brings one back: it needs no tombstones. Where calls go to an archive first, a month goes when it
is empty. For the size it goes whatever its calls are (``oldest_months``). Sums count them no more, as with those that
go one by one; what ``database.keep_months`` drops leaves its sums.

The calls and their sums go in one transaction, in which nobody stores any; then, a piece a transaction, what belonged
to them. A note says which month that is, so that it goes on wherever it was broken off. Who reads for long is not
waited for: then calls go by rows, and it is tried again later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from proxy.store.engines import partitions
from proxy.store.engines.engine import ERASED
from proxy.store.erasure.erasing import AT_ONCE, PRUNED, erase
from proxy.store.erasure.notes import keep, note
from proxy.store.erasure.purges import wait_for_writers
from proxy.store.schema.columns import instant_text
from proxy.store.sums.rebuilding import count_days_anew

_UNDER_WAY, _BUSY = "retention_month", "retention_month_busy"
_WAIT, _AGAIN_MS, _LOCKED = "1s", 900_000, "55P03"
_SOME = 5000
_OPINIONS = (
    "DELETE FROM feedback WHERE interaction_id IS NULL AND reference IS NULL AND session_id IN "
    "(SELECT session_id FROM {name}) AND NOT EXISTS (SELECT 1 FROM interaction AS other "
    "WHERE other.session_id = feedback.session_id AND (other.id < ? OR other.id >= ?))"
)
_LEFT = (
    "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE interaction_id >= ? AND interaction_id < ? "
    "AND NOT EXISTS (SELECT 1 FROM interaction WHERE id = {table}.interaction_id) LIMIT ?)"
)
_LOOSE = (
    "INSERT INTO loose_slice (number, day, noted) SELECT number, day, 1 FROM body_chunk WHERE day = ? ORDER BY number "
    "ON CONFLICT (number) DO UPDATE SET noted = loose_slice.noted + 1"
)


@dataclass(frozen=True, slots=True)
class Month:
    """A month, by its first day."""

    first: date

    @property
    def behind(self) -> date:
        """The first day after it."""
        return partitions.next_month(self.first)

    @property
    def ids(self) -> tuple[str, str]:
        """The lowest id of it, and the lowest behind it."""
        return partitions.first_id(self.first), partitions.first_id(self.behind)

    @property
    def instants(self) -> tuple[str, str]:
        """When it begins, and when the next one does."""
        return tuple(f"{day.isoformat()}T00:00:00.000Z" for day in (self.first, self.behind))  # type: ignore[return-value]


def step(connection: Connection, before: int | None, now: int, *, is_archived: bool) -> str | None:
    """Do a piece of what is due: calls before an instant are; "" in the middle of a month, None: nothing to do."""
    if begun := note(connection, _UNDER_WAY):
        return _go_on(connection, *begun.split())
    if connection.dialect.name != "postgresql" or before is None:
        return None
    month = oldest(connection, before)
    if month is None or not _is_due(connection, month, before) or (is_archived and some_of(connection, month, 1)):
        return None
    return let_go(connection, month, now, "for their age", before)


def let_go(connection: Connection, month: Month, now: int, why: str, before: int | None = None) -> str | None:
    """Drop a month's calls; None where somebody holds them just now. With ``before`` only if all began before that."""
    if now < int(note(connection, _BUSY) or 0):
        return None
    if odd := _odd(connection, month):
        erase(connection, odd, now, PRUNED)
        return ""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT}'")
            wait_for_writers(connection)
            if _odd(connection, month) or (before is not None and not _is_due(connection, month, before)):
                # Stored since we looked.
                return ""
            calls = _drop(connection, month)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCKED:
            raise
        keep(connection, _BUSY, str(now + _AGAIN_MS))
        return None
    keep(connection, _UNDER_WAY, f"{month.first} {month.first}")
    return f"{calls} calls of {month.first:%Y-%m} went {why}, as a whole" if calls else ""


def oldest(connection: Connection, before: int) -> Month | None:
    """Return the oldest month that has a part and ended before the day of an instant."""
    bound = datetime.fromtimestamp(before / 1000, UTC).date()
    found = [
        first for first in partitions.months_of(connection, "interaction") if partitions.next_month(first) <= bound
    ]
    return Month(min(found)) if found else None


def some_of(connection: Connection, month: Month, most: int) -> list[str]:
    """Return some of a month's calls, the oldest first."""
    sql = f"SELECT id FROM {_calls(month)} ORDER BY id LIMIT ?"  # noqa: S608 - ours
    return [str(identity) for (identity,) in connection.exec_driver_sql(sql, (most,))]


def _calls(month: Month) -> str:
    return partitions.name_of("interaction", month.first)


def _is_due(connection: Connection, month: Month, before: int) -> bool:
    """Tell whether no call is younger than its id says: one from elsewhere may be."""
    sql = f"SELECT 1 FROM {_calls(month)} WHERE started_at >= ? LIMIT 1"  # noqa: S608 - ours
    return connection.exec_driver_sql(sql, (instant_text(before),)).first() is None


def _odd(connection: Connection, month: Month) -> list[str]:
    """Return calls that other months' sums count: they go by themselves, some at a time."""
    sql = f"SELECT id FROM {_calls(month)} WHERE started_at < ? OR started_at >= ? LIMIT ?"  # noqa: S608 - ours
    return [str(identity) for (identity,) in connection.exec_driver_sql(sql, (*month.instants, AT_ONCE))]


def _drop(connection: Connection, month: Month) -> int:
    """Drop a month's calls, and let sums count them no more; return how many they were."""
    name = _calls(month)
    calls = int(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one())  # noqa: S608 - ours
    ids = f"SELECT id FROM {name}"  # noqa: S608 - ours
    connection.exec_driver_sql(_OPINIONS.format(name=name), month.ids)
    connection.exec_driver_sql(f"UPDATE quarantine SET data = NULL WHERE interaction_id IN ({ids})")  # noqa: S608 - ours
    connection.exec_driver_sql(f"DELETE FROM open_call WHERE id IN ({ids})")  # noqa: S608 - ours
    # What has a later id and began in this month is counted again: those stay, and go by rows.
    count_days_anew(connection, month.first, month.behind, but_ids=month.ids)
    connection.exec_driver_sql(f"DROP TABLE {name}")
    return calls


# -- what belonged to its calls ------------------------------------------------------------------------------------


def _go_on(connection: Connection, first: str, day: str) -> str:
    month = Month(date.fromisoformat(first))
    if next(_pieces(connection, month), None) is not None:
        return ""
    if date.fromisoformat(day) >= month.behind:
        connection.exec_driver_sql("DELETE FROM deployment WHERE name = ?", (_UNDER_WAY,))
        return ""
    connection.exec_driver_sql(_LOOSE, (day,))
    keep(connection, _UNDER_WAY, f"{first} {date.fromisoformat(day) + timedelta(days=1)}")
    return ""


def _pieces(connection: Connection, month: Month) -> Iterator[bool]:
    """Do the next piece and yield; nothing where none is left."""
    if connection.dialect.name == "postgresql":
        for table in partitions.TABLES:
            if table != "interaction" and month.first in partitions.months_of(connection, table):
                connection.exec_driver_sql(f"DROP TABLE {partitions.name_of(table, month.first)}")
                yield True
    for table, key in (("amendment", "number"), ("feedback", "id")):
        sql = _LEFT.format(table=table, key=key)
        if connection.exec_driver_sql(sql, (*month.ids, _SOME)).rowcount:
            connection.info[ERASED] = True
            yield True
