"""The accounts of gateways long gone, folded into one row: restarts must not make the ledger longer for ever.

After a restore those that the copy had as open, and whose files are gone by now, are closed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import orjson
from sqlalchemy import Connection

from proxy.store.schema.rows import json_text

_EARLIER = "earlier"
_COUNTS = ("accepted", "stored", "quarantined")
_INSERT = (
    'INSERT INTO spool_position (source, segment, "offset", accepted, stored, quarantined, dropped, is_closed, '
    "instance) VALUES (?, 0, 0, ?, ?, ?, ?, TRUE, ?)"
)
_OPEN = "SELECT * FROM spool_position WHERE NOT is_closed"
_CLOSE = "UPDATE spool_position SET is_closed = TRUE, dropped = ? WHERE source = ?"


def earlier(instance: str) -> str:
    """Return the name of the row that holds the accounts of an instance's gateways that are gone."""
    return f"{_EARLIER}-{instance}" if instance else _EARLIER


def fold(connection: Connection, names: Sequence[str], instance: str) -> None:
    """Add the accounts of closed sources to that of the earlier ones, and remove their own."""
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for name in dict.fromkeys((*names, earlier(instance))):
        sql = "SELECT accepted, stored, quarantined, dropped FROM spool_position WHERE source = ?"
        row = connection.exec_driver_sql(sql, (name,)).one_or_none()
        if row is not None:
            counts.update(dict(zip(_COUNTS, row[:3], strict=True)))
            dropped.update(orjson.loads(row[3] or "{}"))
            connection.exec_driver_sql("DELETE FROM spool_position WHERE source = ?", (name,))
    values = [counts[name] for name in _COUNTS]
    connection.exec_driver_sql(_INSERT, (earlier(instance), *values, json_text(dict(dropped)) or "{}", instance))


def settle(connection: Connection, sources: Collection[str], instance: str, reason: str) -> None:
    """Close the accounts of an instance's sources that are not there any more; what they lack is dropped for a reason.

    The database may be of an older revision, which knew no instances.
    """
    for row in connection.exec_driver_sql(_OPEN).mappings().all():
        if row["source"] in sources or row.get("instance", "") != instance:
            continue
        dropped = orjson.loads(row["dropped"] or "{}")
        missing = row["accepted"] - row["stored"] - row["quarantined"] - sum(dropped.values())
        values = {**dropped, reason: dropped.get(reason, 0) + missing} if missing > 0 else dropped
        connection.exec_driver_sql(_CLOSE, (json_text(values) or "{}", row["source"]))
