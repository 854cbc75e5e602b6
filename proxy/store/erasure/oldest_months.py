"""What a Postgres has above its ceiling: whole months go, the oldest first, for only those give their space back.

A row that goes leaves its space to rows of its own part, and to old parts none come any more. So what is held against
the ceiling is what the parts take on disk, and of slices, which are not cut into months, what they hold. One month goes
after the other, and it is measured again when nothing of it is left; calls that a spool may still bring back stay, and
with them their month. It is measured once an hour, and only where the database as a whole is above its ceiling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import structlog
from sqlalchemy import Connection

from proxy.store.engines import partitions
from proxy.store.erasure import months
from proxy.store.erasure.erasing import AT_ONCE
from proxy.store.erasure.months import Month
from proxy.store.erasure.notes import keep, note
from proxy.store.schema.tables import metadata

log = structlog.get_logger("retention")

EraseSome = Callable[[Sequence[str]], int]
_GOING, _MEASURED = "retention_size_month", "retention_size_measured"
_HOUR_MS = 3_600_000
_BESIDE = 160
"""So many bytes a slice takes beside its content, its indexes included."""
_PARTS = (
    "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits WHERE inhparent = to_regclass('{name}')"
)
_WHOLE = "SELECT pg_database_size(current_database())"
_SLICES = f"SELECT coalesce(sum(pg_column_size(data) + {_BESIDE}), 0) FROM body_chunk"  # noqa: S608 - ours


def held_bytes(connection: Connection) -> int:
    """Return what months take on disk, and all that is not cut into months; of slices what they hold."""
    asked = [_PARTS.format(name=name) for name in partitions.TABLES]
    others = sorted({*metadata.tables} - {*partitions.TABLES, "body_chunk"})
    asked += [f"SELECT pg_total_relation_size(to_regclass('{name}'))" for name in others]
    return sum(int(connection.exec_driver_sql(sql).scalar() or 0) for sql in (*asked, _SLICES))


def shrink(
    connection: Connection, most: int, now: int, replayed_since: int, erase_some: EraseSome | None
) -> str | None:
    """Let some of the oldest month go where it is due; "" in its middle, None: nothing to do.

    Calls from ``replayed_since`` on stay. Where ``erase_some`` is given, it lets a month's calls go, some at once.
    """
    going = note(connection, _GOING) or _chosen(connection, most, now, replayed_since)
    if not going:
        return None
    month = Month(date.fromisoformat(going))
    if month.first not in partitions.months_of(connection, "interaction"):
        keep(connection, _GOING, "")
        # Its slices are swept before it is measured again.
        return ""
    if erase_some is not None and (ids := months.some_of(connection, month, AT_ONCE)):
        erase_some(ids)
        return ""
    return months.let_go(connection, month, now, "for the size")


def _chosen(connection: Connection, most: int, now: int, replayed_since: int) -> str:
    """Return the month that is to go next, by its first day; "" for none."""
    if abs(now - int(note(connection, _MEASURED) or 0)) < _HOUR_MS:
        return ""
    is_swept = connection.exec_driver_sql("SELECT 1 FROM loose_slice LIMIT 1").first() is None
    if not is_swept or int(connection.exec_driver_sql(_WHOLE).scalar_one()) <= most:
        return ""
    keep(connection, _MEASURED, str(now))
    held = held_bytes(connection)
    if held <= most:
        return ""
    month = months.oldest(connection, replayed_since)
    if month is None:
        log.warning(
            "retention_size_exceeded", bytes=held, max_bytes=most,
            hint="whole months go, and none that is younger than 30 days; set retention.text, or a larger ceiling",
        )  # fmt: skip
        return ""
    keep(connection, _GOING, month.first.isoformat())
    keep(connection, _MEASURED, "0")
    return month.first.isoformat()
