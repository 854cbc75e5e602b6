"""The small tables that change: both sides are read by ranges of the key, and the target is made to say the same.

Rows that bear an instance's name bear the other database's name of it afterwards: SQLite has one writer, whose name is
empty. What other instances have counted is carried as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.store.engines.bulk import add_rows
from proxy.store.hosts.accounts import earlier
from proxy.store.moving.plan import CHANGING, Changing, Rows, position
from proxy.store.moving.side import Side, delete

Found = Mapping[tuple[Any, ...], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Renaming:
    """What the instance that moves is called in the source and in the target."""

    before: str
    after: str

    def apply(self, kind: Changing, rows: Rows) -> Rows:
        """Return a table's rows with the instance's new name."""
        return [self._row(kind, row) for row in rows] if kind.is_own else rows

    def _row(self, kind: Changing, row: tuple[Any, ...]) -> tuple[Any, ...]:
        at = position(kind.table, "instance")
        if row[at] != self.before:
            return row
        names = {at: self.after}
        if "source" in kind.keys:
            source = position(kind.table, "source")
            names[source] = earlier(self.after) if row[source] == earlier(self.before) else row[source]
        return tuple(names.get(index, value) for index, value in enumerate(row))


@dataclass(frozen=True, slots=True)
class Difference:
    """What of one range differs: keys that must go from the target, rows that must come; and what both have alike."""

    gone: Rows
    coming: Rows
    same: Rows


def differences(source: Side, target: Side, kind: Changing, renaming: Renaming | None) -> Iterator[Difference]:
    """Yield what differs, range by range; without a renaming, own rows are left out."""
    if kind.is_own and renaming is None:
        return
    if kind.is_own:
        # Few rows, and another order once they are renamed.
        yield _difference(kind, _found(kind, source, renaming, None, None), _found(kind, target, None, None, None))
        return
    after = None
    while True:
        last = source.next_key(kind, after)
        yield _difference(kind, _found(kind, source, None, after, last), _found(kind, target, None, after, last))
        if last is None:
            return
        after = last


def merge(source: Side, target: Side, renaming: Renaming | None) -> int:
    """Make the target's changing tables those of the source; return how many rows were written or removed.

    Without a renaming what belongs to an instance waits: it is only right while nobody writes.
    """
    changed = 0
    for kind in CHANGING:
        for found in differences(source, target, kind, renaming):
            if found.gone or found.coming:
                with target.begin() as connection:
                    delete(connection, kind.table, kind.keys, found.gone)
                    add_rows(connection, kind.table, found.coming)
                changed += max(len(found.gone), len(found.coming))
    return changed


def _found(kind: Changing, side: Side, renaming: Renaming | None, after: Any, last: Any) -> Found:
    rows = side.range(kind, after, last)
    return {kind.key_of(row): row for row in (renaming.apply(kind, rows) if renaming else rows)}


def _difference(kind: Changing, wanted: Found, there: Found) -> Difference:
    coming = [row for key, row in wanted.items() if there.get(key) != row]
    gone = [key for key in there if key not in wanted]
    changed = [kind.key_of(row) for row in coming if kind.key_of(row) in there]
    return Difference([*gone, *changed], coming, [there[key] for key in sorted(there) if wanted.get(key) == there[key]])
