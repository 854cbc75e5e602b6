"""The rows that come and stay: first all in the order of their keys, then what came meanwhile.

Where to go on follows from the target: behind its highest key. A call that is stored late has an older id than others
that were carried before it, and one that was erased is missing somewhere; so both are found by counting: ranges with as
many rows and the same sum of their keys are the same, others are halved until they can be listed. What only the target
has goes where the source has let go of it (``purging``). SQLite gives the number of a highest row that went to the next
one: so the highest rows of the target are looked at first, down to where they are those of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from proxy.errors import StoreError
from proxy.store.engines.bulk import add_rows
from proxy.store.engines.failures import RowError
from proxy.store.moving.plan import AMENDED, AMENDMENT, BODY_CHUNK, GROWING, INTERACTION, Growing, Key, Rows, position
from proxy.store.moving.purging import let_go, remove
from proxy.store.moving.side import Page, Side, delete, present

LISTED = 5000
"""A range of so many rows is listed instead of halved further."""
_HANDFUL = 500
_HIGHEST = 100
"""So many numbers at once are looked at from the highest on."""
Tell = Callable[[str, int], None]
"""Is told a table's name and how many of its rows were carried."""


class Carrier:
    """Carries growing tables from one side to the other."""

    def __init__(self, source: Side, target: Side, tell: Tell) -> None:
        self._source = source
        self._target = target
        self._tell = tell
        self.mended = 0

    def fill(self) -> None:
        """Carry everything behind the target's highest keys."""
        for kind in GROWING:
            after = self._let_go(kind)
            while page := self._source.page(kind, after):
                self._carry(kind, page)
                after = page.last

    def _let_go(self, kind: Growing) -> Key:
        """Remove what was carried before and is gone by now, return the highest key that is left.

        A slice may have come again under another number.
        """
        last = self._target.last(kind)
        if last == kind.lowest:
            return last
        self._let_renumbered_go(kind)
        for _ in self._missing(kind, kind.lowest, last):
            pass
        return self._target.last(kind)

    def _swept_meanwhile(self) -> bool:
        """Remove slices that were swept since they were carried; return True where there were any."""
        before = self._target.count(BODY_CHUNK, BODY_CHUNK.lowest, self._target.last(BODY_CHUNK))
        last = self._let_go(BODY_CHUNK)
        return self._target.count(BODY_CHUNK, BODY_CHUNK.lowest, last) < before

    def _let_renumbered_go(self, kind: Growing) -> None:
        """Remove the highest rows of the target whose number is another one's in the source by now."""
        last = self._target.last(kind)
        if self._source.database.is_postgres or isinstance(last, str):
            return
        is_like = False
        while not is_like and last > 0:
            after = max(0, last - _HIGHEST)
            there, here = self._target.between(kind, after, last), self._source.between(kind, after, last)
            like = {*here.rows, *mended(here).rows}
            others = [kind.key_of(row) for row in there.rows if row not in like]
            known = {kind.key_of(row) for row in here.rows}
            if renumbered := [key for key in others if key in known]:
                remove(self._target, kind, renumbered)
            is_like, last = not others, after

    def catch_up(self) -> int:
        """Carry what is missing, and look whether it arrived; return how many calls that were."""
        calls = 0
        for kind in GROWING:
            self._let_renumbered_go(kind)
            last = max(self._source.last(kind), self._target.last(kind))
            count = self.settle(kind, kind.lowest, last)
            calls += count if kind is INTERACTION else 0
        return calls

    def settle(self, kind: Growing, after: Key, last: Key) -> int:
        """Make a range of the target have those rows that the source's has; return how many were carried."""
        count = 0
        for found in self._missing(kind, after, last):
            for start in range(0, len(found), _HANDFUL):
                keys = found[start : start + _HANDFUL]
                page = self._source.named(kind, keys)
                self._carry(kind, page)
                self._look_at(kind, keys, page)
                count += len(keys)
        return count

    def again(self, kind: Growing, keys: Sequence[Key]) -> None:
        """Carry rows once more that have changed in the source: what was taken away there must not stay."""
        for start in range(0, len(keys), _HANDFUL):
            part = keys[start : start + _HANDFUL]
            page = self._source.named(kind, part)
            remove(self._target, kind, part)
            self._carry(kind, page)

    def _missing(self, kind: Growing, after: Key, last: Key) -> Iterator[list[Key]]:
        there, here = self._source.tally(kind, after, last), self._target.tally(kind, after, last)
        if there == here:
            return
        after = beginning(self._source, self._target, kind, after)
        middle = kind.middle(after, last)
        if max(there, here)[0] <= LISTED or middle == after:
            known = set(self._target.keys(kind, after, last))
            wanted = self._source.keys(kind, after, last)
            let_go(self._source, self._target, kind, known - set(wanted))
            yield [key for key in wanted if key not in known]
        else:
            yield from self._missing(kind, after, middle)
            yield from self._missing(kind, middle, last)

    # -- one page -------------------------------------------------------------------------------------------

    def _carry(self, kind: Growing, page: Page) -> None:
        """Write a page in one transaction; halve it where the target refuses a row."""
        try:
            self._write(kind, page)
        except RowError as error:
            if kind is BODY_CHUNK and self._swept_meanwhile():
                self._carry(kind, page)
                return
            if len(page.rows) > 1:
                for half in halves(kind, page):
                    self._carry(kind, half)
                return
            whole = mended(page)
            if whole == page:
                name = f"{kind.name} {page.last}"
                raise StoreError(f"{name}: {error.message}", hint="the source keeps it; mend or remove this row there, "
                                 "then give the same command again") from error  # fmt: skip
            self.mended += 1
            self._write(kind, whole)
        self._tell(kind.name, len(page.rows))

    def _write(self, kind: Growing, page: Page) -> None:
        amended = self._amended(page.rows) if kind is AMENDMENT else None
        with self._target.begin() as connection:
            add_rows(connection, kind.table, page.rows)
            for part in kind.parts:
                add_rows(connection, part, page.parts[part.name])
            if amended is None:
                return
            there = present(connection, INTERACTION, [row[0] for row in amended.rows])
            for table in AMENDED:
                key = "id" if table.name == INTERACTION.name else "interaction_id"
                delete(connection, table, (key,), [(identity,) for identity in sorted(there, key=str)])
                add_rows(connection, table, [row for row in _rows_of(amended, table.name) if row[0] in there])

    def _amended(self, amendments: Rows) -> Page:
        """Read the calls that were amended, after the amendments: as they are now, or newer."""
        at = position(AMENDMENT.table, "interaction_id")
        return self._source.named(INTERACTION, sorted({row[at] for row in amendments}))

    def _look_at(self, kind: Growing, keys: Sequence[Key], page: Page) -> None:
        """Read back what was carried late: nobody compares it afterwards."""
        found = self._target.named(kind, keys)
        if found != page and found != mended(page) and found != self._source.named(kind, keys):
            raise StoreError(f"{kind.name}: what was written between {keys[0]} and {keys[-1]} reads otherwise",
                             hint="do not use the target; see: dashcam db copy --verify")  # fmt: skip


def beginning(source: Side, target: Side, kind: Growing, after: Key) -> Key:
    """Return where rows begin on either side, if ``after`` is below all keys: halves are of what is there.

    Of the time that ids have room for a record has so little that ten halves would have all of it.
    """
    firsts = [side.before(kind) for side in (source, target)] if after == kind.lowest else []
    return min([first for first in firsts if first is not None], default=after)


def _rows_of(page: Page, name: str) -> Rows:
    return page.rows if name == INTERACTION.name else page.parts[name]


def halves(kind: Growing, page: Page) -> list[Page]:
    """Return a page as two."""
    middle = len(page.rows) // 2
    found, after = [], page.after
    for rows in (page.rows[:middle], page.rows[middle:]):
        last = kind.key_of(rows[-1])
        half = part_of(kind, page, {kind.key_of(row) for row in rows})
        found.append(Page(half.rows, half.parts, after, last))
        after = last
    return found


def part_of(kind: Growing, page: Page, keys: Collection[Key]) -> Page:
    """Return a page with these rows only, and their parts."""
    parts = {
        part.name: [row for row in page.parts[part.name] if row[position(part, "interaction_id")] in keys]
        for part in kind.parts
    }
    return Page([row for row in page.rows if kind.key_of(row) in keys], parts, page.after, page.last)


def mended(page: Page) -> Page:
    """Return a page without the one character that Postgres keeps in no text: U+0000 becomes U+FFFD."""
    parts = {name: [_mended(row) for row in rows] for name, rows in page.parts.items()}
    return Page([_mended(row) for row in page.rows], parts, page.after, page.last)


def _mended(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)
