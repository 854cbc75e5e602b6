"""Which days of the record can be counted: those of which every call that was counted is still there.

Sums outlive the calls that retention has dropped, and a month goes by its ids, of which the last may be some seconds
older than their month. So a day before the first month that is kept is neither held against its sums nor counted anew.
"""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Connection

from proxy.store.engines.partitions import months_before
from proxy.store.sums.counting import ROLLUPS


def day_after(connection: Connection, after: str | None) -> str | None:
    """Return the next day that has calls, the first one for None; None where there is no more."""
    since = "" if after is None else (date.fromisoformat(after) + timedelta(days=1)).isoformat()
    where, values = ("WHERE started_at >= ? ", (f"{since}T00:00:00.000Z",)) if since else ("", ())
    sql = f"SELECT started_at FROM interaction {where}ORDER BY started_at LIMIT 1"  # noqa: S608 - ours
    found = connection.exec_driver_sql(sql, values).scalar()
    return None if found is None else str(found)[:10]


def first_whole_day(connection: Connection, keep_months: int) -> str:
    """Return the first day that has calls, but none before the months that are kept (0: all); "" where is none."""
    kept = months_before(_today(connection), keep_months).isoformat() if keep_months else ""
    return max(kept, day_after(connection, None) or "")


def days_to_count(connection: Connection, keep_months: int) -> list[str]:
    """Return the days that have calls or sums, from the first whole one on."""
    first = first_whole_day(connection, keep_months)
    if not first:
        return []
    days = set()
    found = day_after(connection, _before(first))
    while found is not None:
        days.add(found)
        found = day_after(connection, found)
    for rollup in ROLLUPS:
        sql = f"SELECT DISTINCT substr({rollup.by}, 1, 10) FROM {rollup.table.name} WHERE {rollup.by} >= ?"  # noqa: S608
        days |= {str(day) for (day,) in connection.exec_driver_sql(sql, (first,))}
    return sorted(days)


def _before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def _today(connection: Connection) -> date:
    """Return the day by the database's calendar, whatever that of this host says."""
    return date.fromisoformat(str(connection.exec_driver_sql("SELECT current_date").scalar_one())[:10])
