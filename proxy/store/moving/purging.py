"""What the source has let go of while it was copied: it goes from the target, too, with everything of it.

A call that was erased or pruned has left a tombstone in the source; one that is older than a spool becomes may have
lost even that (``retention``), and a Postgres drops whole months (``database.keep_months``), never the running one nor
the one before it. Amendments go with their call. Of slices nothing is left when they are swept; none is missed, since
calls and slices say the same on both sides in the end. Both engines drop old deeds of the audit log, days old at least.
Whatever else the target has and the source has not was written by somebody, or removed by hand: that is refused, and
left as it is. Sums, feedback and tombstones come from the source as they are (``merging``).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from proxy.errors import StoreError
from proxy.store.engines import partitions
from proxy.store.erasure.erasing import erased
from proxy.store.erasure.passes import REPLAYED_MS
from proxy.store.moving.plan import AMENDMENT, AUDIT_LOG, BODY_CHUNK, INTERACTION, Growing, Key
from proxy.store.moving.side import Side, delete, fetch
from proxy.store.schema.columns import instant_text

_HANDFUL = 500
_DAY_MS = 86_400_000


def let_go(source: Side, target: Side, kind: Growing, strangers: Collection[Key]) -> None:
    """Remove rows that only the target has where the source has let go of them; ``StoreError`` for others."""
    keys = sorted(strangers, key=str)
    for start in range(0, len(keys), _HANDFUL):
        part = keys[start : start + _HANDFUL]
        others = set(part) - _gone(source, target, kind, part)
        if others:
            raise StoreError(f"the target has {kind.name} {min(others, key=str)}, which the source has not",
                             hint="copy into an empty database")  # fmt: skip
        remove(target, kind, part)


def remove(target: Side, kind: Growing, keys: Sequence[Key]) -> None:
    """Remove rows from the target, and their parts."""
    with target.begin() as connection:
        for table in kind.parts:
            delete(connection, table, ("interaction_id",), [(key,) for key in keys])
        delete(connection, kind.table, (kind.key,), [(key,) for key in keys])


def _gone(source: Side, target: Side, kind: Growing, keys: Sequence[Key]) -> set[Key]:
    """Return which of these rows of the target the source has let go of."""
    if kind is BODY_CHUNK:
        return set(keys)
    if kind is INTERACTION:
        calls = _gone_calls(source, [str(key) for key in keys])
        return {key for key in keys if key in calls}
    if kind is AMENDMENT:
        called = _values_of(target, kind, "interaction_id", keys)
        calls = _gone_calls(source, sorted(set(called.values())))
        return {key for key, call in called.items() if call in calls}
    if kind is AUDIT_LOG:
        bound = instant_text(round(time.time() * 1000) - _DAY_MS)
        return {key for key, at in _values_of(target, kind, "at", keys).items() if at < bound}
    return set()


def _gone_calls(source: Side, calls: Sequence[str]) -> set[str]:
    """Return which of these calls, that the source has not, were erased there or are too old to leave a trace."""
    now = time.time()
    bound = partitions.id_at(round(now * 1000) - REPLAYED_MS)
    if source.database.is_postgres:
        kept = partitions.months_before(datetime.fromtimestamp(now, UTC).date(), 1)
        bound = max(bound, partitions.first_id(kept))
    with source.begin() as connection:
        traced = erased(connection, calls)
    return traced | {call for call in calls if call < bound}


def _values_of(side: Side, kind: Growing, column: str, keys: Sequence[Key]) -> dict[Key, str]:
    marks = ", ".join("?" * len(keys))
    sql = f"SELECT {kind.key}, {column} FROM {kind.name} WHERE {kind.key} IN ({marks})"  # noqa: S608 - our names
    with side.begin() as connection:
        return {row[0]: str(row[1]) for row in fetch(connection, sql, tuple(keys))}
