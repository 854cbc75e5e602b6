"""A clock that jumps deletes nothing.

Each look of retention leaves its instant; where the last one, or on the first look the newest call, is over a week ago,
either Dashcam was away or the clock is wrong. Nobody can tell which, so nothing goes until somebody says that the clock
is right (``dashcam prune --force``), or until it has come back. What the time is, callers say.
"""

from __future__ import annotations

from sqlalchemy import Connection

from proxy.store.erasure.notes import keep, note
from proxy.store.schema.columns import milliseconds_of

JUMP_MS = 7 * 86_400_000
_SEEN = "retention_seen"


def jump(connection: Connection, now: int) -> int | None:
    """Return since when nobody has looked where that is too long ago for a clock that is right, else None."""
    said = note(connection, _SEEN)
    last = int(said) if said else _newest(connection)
    return last if last is not None and now - last > JUMP_MS else None


def trust_clock(connection: Connection, now: int) -> None:
    """Take the clock for right from now on."""
    keep(connection, _SEEN, str(now))


def _newest(connection: Connection) -> int | None:
    found = connection.exec_driver_sql("SELECT started_at FROM interaction ORDER BY started_at DESC LIMIT 1").scalar()
    return None if found is None else milliseconds_of(str(found))
