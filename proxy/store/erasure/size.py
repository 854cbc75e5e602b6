"""What a record takes, and what goes where that is above its ceiling (``retention.max_size``).

Of a file the oldest texts go, and where there are none left the oldest calls, some at a time: how many is reckoned once
from what is in use, and gone through before it is measured again. Slices give their space back when they are swept
(``sweeping``): until then nothing more is taken. A file does not get shorter by it; it fills what is free. Of a
Postgres whole months go (``oldest_months``).
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from proxy.store.erasure import oldest_months
from proxy.store.erasure.archive import Archive, What, let_go
from proxy.store.erasure.erasing import AT_ONCE
from proxy.store.erasure.notes import keep, note
from proxy.store.erasure.passes import REPLAYED_MS

_EXCESS = "retention_excess"
_FILLED = 0.97
"""So much of the ceiling is left in use, for there to be some room again."""


def used_bytes(connection: Connection) -> int:
    """Return how much of a file is in use; of a Postgres what its months and slices hold."""
    if connection.dialect.name == "postgresql":
        return oldest_months.held_bytes(connection)
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def shrink(connection: Connection, most: int, now: int, archive: Archive | None) -> str | None:
    """Take some of the oldest texts or calls away, on Postgres a month; return that in words, None: enough is free."""
    if connection.dialect.name == "postgresql":
        erase_some = None if archive is None else partial(let_go, connection, what="calls", now=now, archive=archive)
        return oldest_months.shrink(connection, most, now, max(0, now - REPLAYED_MS), erase_some)
    excess = int(note(connection, _EXCESS) or 0) or _excess(connection, most)
    if not excess:
        return None
    at_once = min(AT_ONCE, excess)
    what, ids = _oldest(connection, at_once)
    done = let_go(connection, ids, what, now, archive)
    keep(connection, _EXCESS, str(max(0, excess - done) if done else 0))
    return f"{done} of the oldest calls went, or their texts, for the size" if done else None


def _excess(connection: Connection, most: int) -> int:
    """Return how many calls are to go, as if each took as much as the others; 0 while slices are being swept."""
    used = used_bytes(connection)
    if used <= most or connection.exec_driver_sql("SELECT 1 FROM loose_slice LIMIT 1").first() is not None:
        return 0
    calls = int(connection.exec_driver_sql("SELECT count(*) FROM interaction").scalar_one())
    return max(1, round(calls * (used - most * _FILLED) / used))


def _oldest(connection: Connection, most: int) -> tuple[What, list[str]]:
    """Return what goes next, and of which calls: texts while there are any."""
    texts = "SELECT DISTINCT interaction_id FROM interaction_body ORDER BY interaction_id LIMIT ?"
    if ids := _ids(connection, texts, most):
        return "texts", ids
    return "calls", _ids(connection, "SELECT id FROM interaction ORDER BY id LIMIT ?", most)


def _ids(connection: Connection, sql: str, most: int) -> list[str]:
    return [str(identity) for (identity,) in connection.exec_driver_sql(sql, (most,))]
