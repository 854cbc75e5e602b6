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
    """What of one range differs: keys that must go from the target, rows that must come; and what the target has."""

    gone: Rows
    coming: Rows
    there: Found

    @property
    def same(self) -> Rows:
        """The rows that both have alike, in the order of their keys."""
        others = set(map(tuple, self.gone))
        return [self.there[key] for key in sorted(self.there) if key not in others]


@dataclass(frozen=True, slots=True)
class Range:
    """A part of a changing table on both sides: behind one key up to another; None is no bound."""

    source: Side
    target: Side
    kind: Changing
    renaming: Renaming | None
    after: tuple[Any, ...] | None = None
    last: tuple[Any, ...] | None = None

    def difference(self) -> Difference:
        """Read both."""
        wanted, there = self._found(self.source, self.renaming), self._found(self.target, None)
        if wanted == there:
            return Difference([], [], there)
        coming = [row for key, row in wanted.items() if there.get(key) != row]
        gone = [key for key in there if there[key] != wanted.get(key)]
        return Difference(gone, coming, there)

    def write(self, found: Difference) -> None:
        """Let the target say what the source says."""
        with self.target.begin() as connection:
            delete(connection, self.kind.table, self.kind.keys, found.gone)
            add_rows(connection, self.kind.table, found.coming)

    def _found(self, side: Side, renaming: Renaming | None) -> Found:
        rows = side.range(self.kind, self.after, self.last)
        return {self.kind.key_of(row): row for row in (renaming.apply(self.kind, rows) if renaming else rows)}


def ranges(source: Side, target: Side, kind: Changing, renaming: Renaming | None) -> Iterator[Range]:
    """Yield the ranges of a table; without a renaming, own rows are left out."""
    if kind.is_own:
        # Few rows, and another order once they are renamed.
        if renaming is not None:
            yield Range(source, target, kind, renaming)
        return
    after = None
    while True:
        last = source.next_key(kind, after)
        yield Range(source, target, kind, None, after, last)
        if last is None:
            return
        after = last


def merge(source: Side, target: Side) -> int:
    """Make the target's changing tables those of the source; return how many rows were written or removed.

    What belongs to an instance waits: it is only right while nobody writes.
    """
    changed = 0
    for kind in CHANGING:
        for part in ranges(source, target, kind, None):
            found = part.difference()
            if found.gone or found.coming:
                part.write(found)
                changed += max(len(found.gone), len(found.coming))
    return changed
