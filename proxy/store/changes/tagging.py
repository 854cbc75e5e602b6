"""Tags put on calls that are on record, and taken off again; what the row said before stays beside, as always."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.store.changes.amending import Amendment, Change, amend
from proxy.store.engines.engine import Backend
from proxy.store.schema.decoding import decoded
from proxy.store.schema.rows import TAG_KEY

MOST = 32
_ADD = "INSERT INTO interaction_metadata (interaction_id, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_REMOVE = "DELETE FROM interaction_metadata WHERE interaction_id = ? AND key = ?"


def tag(
    connection: Connection, backend: Backend, identity: str, add: Sequence[str], remove: Sequence[str]
) -> list[str]:
    """Change a call's tags, and return them; what is to go and to come both comes. ``InvalidError``: too many."""
    lock = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
    sql = f"SELECT tags FROM interaction WHERE id = ?{lock}"  # noqa: S608 - ours
    found = connection.exec_driver_sql(sql, (identity,)).mappings().first()
    if found is None:
        raise NotFoundError(f"no call {identity!r} is on record", hint="list them with: dashcam logs")
    old = decoded(dict(found))["tags"]
    new = list(dict.fromkeys([*(item for item in old or () if item not in remove), *add]))
    if len(new) > MOST:
        raise InvalidError([Problem("add", f"would make more than {MOST} tags")])
    if new == (old or []):
        return new
    change = Change(id=identity, before={"tags": old}, after={"tags": new or None})
    amend(
        connection, Amendment(command="tag", reason="tags were changed", at=backend.now(connection), changes=[change])
    )
    for name in sorted(set(old or ()) - set(new)):
        connection.exec_driver_sql(_REMOVE, (identity, f"{TAG_KEY}{name}"))
    for name in sorted(set(new) - set(old or ())):
        connection.exec_driver_sql(_ADD, (identity, f"{TAG_KEY}{name}", name))
    return new
