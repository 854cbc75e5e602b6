"""What would go, and how the record grows: for whoever looks before a prune, or plans for a disk.

It reads only, and counts by the conditions that retention goes by. It looks at every call, so it is for people who ask,
and not for what runs by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from proxy.domain.retention import EXPIRES
from proxy.settings.values import RetentionSettings
from proxy.store.erasure.clock import jump
from proxy.store.erasure.passes import passes_of
from proxy.store.erasure.size import used_bytes
from proxy.store.schema.columns import hour_text, instant_text, milliseconds_of

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """``due`` is how many calls by the name of each pass; ``bytes`` what is in use, ``per_day`` how it grows.

    ``paused_since`` is the last look where the clock has jumped since; ``full_in_days`` when the ceiling is reached.
    """

    due: dict[str, int]
    paused_since: int | None
    bytes: int
    per_day: int
    full_in_days: float | None


def outlook(connection: Connection, retention: RetentionSettings, now: int) -> Outlook:
    """Return what would go and how the record grows."""
    used = used_bytes(connection)
    per_day = _growth(connection, used, now)
    full = (retention.max_size - used) / per_day if retention.max_size and per_day else None
    return Outlook(
        due=_due(connection, retention, now), paused_since=jump(connection, now), bytes=used, per_day=per_day,
        full_in_days=None if full is None else round(max(0.0, full), 1),
    )  # fmt: skip


def _due(connection: Connection, retention: RetentionSettings, now: int) -> dict[str, int]:
    due = dict[str, int]()
    for item in passes_of(retention):
        where, values = item.due(now)
        due[item.name] = _number(connection, f"SELECT count(*) FROM interaction WHERE {where}", values)  # noqa: S608
    wished = "SELECT count(*) FROM interaction_metadata WHERE key = ? AND value < ?"
    return due | {"by their callers' wish": _number(connection, wished, (EXPIRES, instant_text(now)))}


def _growth(connection: Connection, used: int, now: int) -> int:
    """Return how many bytes a day come, as many a call as on record and as many calls as in the last week."""
    calls = _number(connection, "SELECT coalesce(sum(calls), 0) FROM usage_daily", ())
    if not calls:
        return 0
    since = hour_text(max(0, now - _WEEK_MS))
    lately = _number(connection, "SELECT coalesce(sum(calls), 0) FROM rollup_hourly WHERE hour >= ?", (since,))
    return round(used / calls * lately / _days_on_record(connection, now))


def _days_on_record(connection: Connection, now: int) -> float:
    """Return how many days of the last week there were calls in, by when the first one began; a day at least."""
    first = str(connection.exec_driver_sql("SELECT min(hour) FROM rollup_hourly").scalar_one())
    return min(7.0, max(1.0, (now - milliseconds_of(f"{first}:00:00.000Z")) / _DAY_MS))


def _number(connection: Connection, sql: str, values: tuple[Any, ...]) -> int:
    return int(connection.exec_driver_sql(sql, values).scalar_one())
