"""Until when texts of the record were sealed: what searches say once ``database.seal`` is off again.

A sealed row has no words that could be looked for, and to count such rows would be to read all of them. So whoever
seals notes the day, once a day, in the transaction of what is sealed; a record whose oldest call is younger has no such
row any more. Rows that were sealed before there was this note are not told of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

_NAME = "sealed_until"
_NOTE = (
    "INSERT INTO deployment (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value "
    "WHERE deployment.value < excluded.value"
)
_READ = "SELECT value FROM deployment WHERE name = ?"
_OLDEST = "SELECT started_at FROM interaction ORDER BY started_at, id LIMIT 1"
Ask = Callable[[str, Sequence[Any]], list[dict[str, Any]]]


def note(connection: Connection, day: str) -> None:
    """Say that on a day something is sealed; a later day that is noted stays."""
    connection.exec_driver_sql(_NOTE, (_NAME, day))


def sealed_until(ask: Ask) -> str | None:
    """Return the last day on which a call may have been sealed that is on record, None where there is none."""
    noted = ask(_READ, (_NAME,))
    oldest = ask(_OLDEST, ()) if noted else []
    return str(noted[0]["value"]) if oldest and oldest[0]["started_at"][:10] <= noted[0]["value"] else None
