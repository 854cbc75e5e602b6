"""Who writes into a Postgres: each Dashcam with its data folder is one instance, and says every other second that it is
there, what waits in its spool, and how wrong its clock is.

An instance is its data folder: the id lies in it (``settings.installation``). Where a folder was copied, two would
write under one name, and each overwrite the other's positions: ``claim`` lets only one of them begin. A folder that was
moved is taken over at once when its last user has left in order, else after ``SILENT_SECONDS``; the same place (host
and path) never waits, since there the loader's lock decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from proxy.errors import StoreError
from proxy.store.hosts import accounts

SILENT_SECONDS = 15
FORGOTTEN_DAYS = 30
_CLAIM = (
    "INSERT INTO instance (id, holder, host, place, version, started_at, seen_at, left_at, clock_ahead_ms, "  # noqa: S608 - ours
    "config_revision) VALUES (?, ?, ?, ?, ?, clock_timestamp(), clock_timestamp(), NULL, 0, 0) "
    "ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, host = excluded.host, place = excluded.place, "
    "version = excluded.version, started_at = excluded.started_at, seen_at = excluded.seen_at, left_at = NULL "
    "WHERE instance.place = excluded.place OR instance.left_at IS NOT NULL "
    f"OR instance.seen_at < clock_timestamp() - interval '{SILENT_SECONDS} seconds' "
    f"OR instance.seen_at > clock_timestamp() + interval '{SILENT_SECONDS} seconds' RETURNING id"
)
_BEAT = (
    "UPDATE instance SET seen_at = clock_timestamp(), clock_ahead_ms = ?, config_revision = ?, pending = ?, "
    "pending_bytes = ?, oldest_pending_seconds = ? WHERE id = ? AND holder = ?"
)
_LEAVE = "UPDATE instance SET seen_at = clock_timestamp(), left_at = clock_timestamp() WHERE id = ? AND holder = ?"
_ALL = (
    "SELECT instance.id, host, place, version, started_at, seen_at, left_at, clock_ahead_ms, config_revision, pending, "
    "pending_bytes, oldest_pending_seconds, extract(epoch FROM clock_timestamp() - seen_at) AS seen_seconds_ago, "
    "coalesce(leader.until > clock_timestamp(), FALSE) AS is_leader FROM instance LEFT JOIN leader "
    "ON leader.instance = instance.id AND leader.holder = instance.holder ORDER BY host, instance.id"
)
_FORGET = (
    f"DELETE FROM instance WHERE seen_at < clock_timestamp() - interval '{FORGOTTEN_DAYS} days' AND NOT EXISTS "  # noqa: S608 - ours
    "(SELECT 1 FROM spool_position WHERE spool_position.instance = instance.id AND NOT is_closed) RETURNING id"
)
_SOURCES = "SELECT source FROM spool_position WHERE instance = ? ORDER BY source"
_TOTALS_OF = (
    "INSERT INTO metric_total (instance, family, labels, value) SELECT '', family, labels, sum(value) "
    "FROM metric_total WHERE instance = ? GROUP BY family, labels ORDER BY family, labels "
    "ON CONFLICT (instance, family, labels) DO UPDATE SET value = metric_total.value + excluded.value"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Who we are: the folder's id, this process' mark, the host's name, the place (host and folder), the version."""

    id: str
    holder: str
    host: str
    place: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an instance tells of itself; None where it does not know yet. ``now_ms`` is its own clock."""

    now_ms: int
    config_revision: int = 0
    pending: int | None = None
    pending_bytes: int | None = None
    oldest_pending_seconds: float | None = None


def claim(connection: Connection, who: Instance) -> None:
    """Begin to write as this instance; ``StoreError`` while another process elsewhere does."""
    values = (who.id, who.holder, who.host[:255], who.place[:500], who.version[:50])
    if connection.exec_driver_sql(_CLAIM, values).first() is not None:
        return
    found = connection.exec_driver_sql("SELECT host, place FROM instance WHERE id = ?", (who.id,)).one()
    raise StoreError(
        f"a Dashcam on {found[0]} ({found[1]}) writes under the id of this data folder: one is a copy of the other",
        hint="stop the other one; or, where both shall live: stop this one and remove the file instance-id and the "
        "folder spool from the copied data folder",
    )


def beat(connection: Connection, who: Instance, report: Report, now_ms: int) -> bool:
    """Say that we are there; False when another process has claimed our name since. ``now_ms`` is the database's."""
    told = (report.config_revision, report.pending, report.pending_bytes, report.oldest_pending_seconds)
    return connection.exec_driver_sql(_BEAT, (float(report.now_ms - now_ms), *told, who.id, who.holder)).rowcount == 1


def leave(connection: Connection, who: Instance) -> None:
    """Say that we have left in order: whoever has our folder next need not wait."""
    connection.exec_driver_sql(_LEAVE, (who.id, who.holder))


def listing(connection: Connection) -> list[dict[str, Any]]:
    """Return all instances, with how long ago they were seen and which one leads."""
    found = [dict(row) for row in connection.exec_driver_sql(_ALL).mappings()]
    return [{**row, "is_leader": bool(row["is_leader"])} for row in found]


def fold_gone(connection: Connection) -> str | None:
    """Add what instances long gone have counted to the accounts of nobody, and forget them; return what was done.

    Only of those whose spool was loaded to its end: one that left something behind is remembered until it is back.
    """
    # First of all, so that one that comes back in this moment waits for us and then begins anew.
    gone = sorted(str(row[0]) for row in connection.exec_driver_sql(_FORGET))
    for identity in gone:
        connection.exec_driver_sql(_TOTALS_OF, (identity,))
        connection.exec_driver_sql("DELETE FROM metric_total WHERE instance = ?", (identity,))
        accounts.fold(connection, [row[0] for row in connection.exec_driver_sql(_SOURCES, (identity,))], "")
    return f"folded {len(gone)} instances not seen for {FORGOTTEN_DAYS} days" if gone else None
