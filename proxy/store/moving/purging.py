"""What the source has dropped for its age while it was copied: it goes from the target, too.

A Postgres drops whole months (``database.keep_months``), never the running one nor the one before it; both engines drop
old deeds of the audit log, days old at least. Whatever else the target has and the source has not was written by
somebody, or removed by hand: that is refused, and left as it is.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime

from proxy.errors import StoreError
from proxy.store.engines import partitions
from proxy.store.moving.plan import AMENDMENT, AUDIT_LOG, BODY_CHUNK, INTERACTION, Growing, Key
from proxy.store.moving.side import Side, delete, fetch
from proxy.store.schema.columns import instant_text

_AGED = {INTERACTION.name: "id", AMENDMENT.name: "interaction_id", BODY_CHUNK.name: "day", AUDIT_LOG.name: "at"}
"""The tables that are dropped by age, and the column that says how old a row is."""
_HANDFUL = 500
_DAY_MS = 86_400_000


def let_go(source: Side, target: Side, kind: Growing, strangers: Collection[Key]) -> None:
    """Remove rows that only the target has where the source has dropped their month; ``StoreError`` for others."""
    keys = sorted(strangers, key=str)
    for start in range(0, len(keys), _HANDFUL):
        part = keys[start : start + _HANDFUL]
        dropped = _dropped(source, target, kind, part)
        if len(dropped) < len(part):
            stranger = min(set(part) - dropped, key=str)
            raise StoreError(f"the target has {kind.name} {stranger}, which the source has not",
                             hint="copy into an empty database")  # fmt: skip
        with target.begin() as connection:
            for table in kind.parts:
                delete(connection, table, ("interaction_id",), [(key,) for key in part])
            delete(connection, kind.table, (kind.key,), [(key,) for key in part])


def _dropped(source: Side, target: Side, kind: Growing, keys: Sequence[Key]) -> set[Key]:
    """Return which of these rows are so old that the source may have dropped them."""
    column = _AGED.get(kind.name)
    if column is None or not (source.database.is_postgres or kind is AUDIT_LOG):
        return set()
    bound = _bound(kind)
    marks = ", ".join("?" * len(keys))
    sql = f"SELECT {kind.key} FROM {kind.name} WHERE {kind.key} IN ({marks}) AND {column} < ?"  # noqa: S608 - our names
    with target.begin() as connection:
        return {row[0] for row in fetch(connection, sql, (*keys, bound))}


def _bound(kind: Growing) -> str:
    """Return before what a row of this table may have been dropped."""
    now = time.time()
    if kind is AUDIT_LOG:
        return instant_text(round(now * 1000) - _DAY_MS)
    kept: date = partitions.months_before(datetime.fromtimestamp(now, UTC).date(), 1)
    return kept.isoformat() if kind is BODY_CHUNK else partitions.first_id(kept)
