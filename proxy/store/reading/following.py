"""Calls in the order they are recorded in, which is not that of their beginnings: a long one comes after younger ones.

SQLite numbers its rows as they come. Postgres does not, and a number of ours would say nothing there, where several
hosts commit side by side: the newest calls are looked at again and again, with all that began after the oldest of them,
and those not seen before are new. However many come between two looks, each is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from proxy.domain.identity import ids_beginning
from proxy.store.filters.statements import NO_ID, Filters, conditions_of
from proxy.store.schema.columns import instant_text, milliseconds_of

Ask = Callable[[str, Sequence[Any]], list[dict[str, Any]]]
WINDOW = 5000
"""Of what was seen, so many of the newest calls are kept in mind: one that is recorded after so many younger ones is
not noticed."""
_NEWEST = "SELECT id FROM interaction ORDER BY id DESC LIMIT ?"
_SINCE = "SELECT id FROM interaction WHERE id > ? ORDER BY id"
_BEHIND = (
    "SELECT * FROM interaction WHERE rowid > (SELECT rowid FROM interaction WHERE id = ?) AND rowid <= ? "
    "ORDER BY rowid LIMIT ?"
)
_ENDED = "coalesce(completed_at, started_at)"
_ENDED_SINCE = f"SELECT * FROM interaction WHERE id > ? AND {_ENDED} >= ? AND id <> ? ORDER BY {_ENDED}, id LIMIT ?"  # noqa: S608
_LONGEST_MS, _OVERLAP_MS = 3_600_000, 10_000
"""Where rows have no numbers: a call is looked for that took at most so long, and was recorded so late."""


class Recorded:
    """What was recorded since it was made; ``ask`` runs a statement of ours, ``settled`` readies filters for it.

    ``is_behind``: the last answer was full, and more may be there at once.
    """

    def __init__(self, ask: Ask, settled: Callable[[Filters], Filters], *, has_row_numbers: bool) -> None:
        self._ask, self._settled = ask, settled
        self._has_row_numbers = has_row_numbers
        self._number = self._last_number() if has_row_numbers else 0
        self._floor = NO_ID
        self._seen: set[str] = set()
        self.is_behind = False
        if not has_row_numbers:
            self._keep_in_mind([row["id"] for row in ask(_NEWEST, (WINDOW + 1,))])

    def next(self, filters: Filters, limit: int) -> list[dict[str, Any]]:
        """Return what came since the last time; of at most ``limit`` calls, or rows where they are numbered."""
        return self._numbered(filters, limit) if self._has_row_numbers else self._unseen(filters, limit)

    def replay(self, identity: str, limit: int) -> list[dict[str, Any]] | None:
        """Return what was recorded behind a call until the last look, at most so many; None where it is not on record.

        Where rows have no numbers that is what ended since shortly before, so that some may have been told already.
        """
        found = self._ask(f"SELECT {_ENDED} AS ended FROM interaction WHERE id = ?", (identity,))  # noqa: S608 - ours
        if not found:
            return None
        if self._has_row_numbers:
            return self._ask(_BEHIND, (identity, self._number, limit))
        ended = milliseconds_of(found[0]["ended"]) - _OVERLAP_MS
        lowest, _ = ids_beginning(f"{max(0, ended - _LONGEST_MS):012x}")
        return self._ask(_ENDED_SINCE, (lowest, instant_text(ended), identity, limit))

    def among(self, identities: Sequence[str], filters: Filters) -> set[str]:
        """Return which of some calls are such as is wanted."""
        conditions, values = conditions_of(self._settled(filters))
        where = " AND ".join([f"id IN ({','.join('?' * len(identities))})", *conditions])
        rows = self._ask(f"SELECT id FROM interaction WHERE {where}", (*identities, *values))  # noqa: S608 - ours
        return {row["id"] for row in rows}

    def _last_number(self) -> int:
        return int(self._ask("SELECT coalesce(max(rowid), 0) AS number FROM interaction", ())[0]["number"])

    def _numbered(self, filters: Filters, limit: int) -> list[dict[str, Any]]:
        until = self._last_number()
        conditions, values = conditions_of(self._settled(filters))
        where = " AND ".join(["rowid > ?", "rowid <= ?", *conditions])
        sql = f"SELECT rowid AS number, * FROM interaction WHERE {where} ORDER BY rowid LIMIT ?"  # noqa: S608 - ours
        rows = self._ask(sql, (self._number, until, *values, limit))
        numbers = [int(row.pop("number")) for row in rows]
        self.is_behind = len(rows) == limit
        # What does not match is not looked at again either.
        self._number = numbers[-1] if self.is_behind else max(until, self._number)
        return rows

    def _unseen(self, filters: Filters, limit: int) -> list[dict[str, Any]]:
        there = [row["id"] for row in self._ask(_SINCE, (self._floor,))]
        unseen = [identity for identity in there if identity not in self._seen]
        new, self.is_behind = unseen[:limit], len(unseen) > limit
        self._seen.update(new)
        if not self.is_behind:
            self._keep_in_mind(there)
        if not new:
            return []
        conditions, values = conditions_of(self._settled(filters))
        where = " AND ".join([f"id IN ({','.join('?' * len(new))})", *conditions])
        return self._ask(f"SELECT * FROM interaction WHERE {where} ORDER BY id", (*new, *values))  # noqa: S608 - ours

    def _keep_in_mind(self, seen: Sequence[str]) -> None:
        """Forget all but the newest of what was seen, and look at nothing older again."""
        newest = sorted(seen)[-WINDOW:]
        if len(newest) == WINDOW:
            self._floor = max(self._floor, newest[0])
        self._seen = set(newest)
