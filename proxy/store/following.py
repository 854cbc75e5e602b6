"""Calls in the order they are recorded in, which is not that of their beginnings: a long one comes after younger ones.

SQLite numbers its rows as they come. Postgres does not, and a number of ours would say nothing there, where several
hosts commit side by side: the newest calls are looked at again and again, and those not seen before are new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from proxy.store.statements import Filters, conditions_of

Ask = Callable[[str, Sequence[Any]], list[dict[str, Any]]]
WINDOW = 5000
"""So many of the newest calls are looked at: one that is recorded after so many younger ones is not noticed."""


class Recorded:
    """What was recorded since it was made; ``ask`` runs a statement of ours."""

    def __init__(self, ask: Ask, *, has_row_numbers: bool) -> None:
        self._ask = ask
        self._has_row_numbers = has_row_numbers
        self._number = self._last_number() if has_row_numbers else 0
        self._seen = set() if has_row_numbers else self._newest()

    def next(self, filters: Filters, limit: int) -> list[dict[str, Any]]:
        """Return what came since the last time, at most ``limit`` rows."""
        return self._numbered(filters, limit) if self._has_row_numbers else self._unseen(filters, limit)

    def _last_number(self) -> int:
        return int(self._ask("SELECT coalesce(max(rowid), 0) AS number FROM interaction", ())[0]["number"])

    def _numbered(self, filters: Filters, limit: int) -> list[dict[str, Any]]:
        conditions, values = conditions_of(filters)
        where = " AND ".join(["rowid > ?", *conditions])
        sql = f"SELECT rowid AS number, * FROM interaction WHERE {where} ORDER BY rowid LIMIT ?"  # noqa: S608 - ours
        rows = self._ask(sql, (self._number, *values, limit))
        self._number = max([self._number, *(row.pop("number") for row in rows)])
        return rows

    def _newest(self) -> set[str]:
        return {row["id"] for row in self._ask("SELECT id FROM interaction ORDER BY id DESC LIMIT ?", (WINDOW,))}

    def _unseen(self, filters: Filters, limit: int) -> list[dict[str, Any]]:
        newest = self._newest()
        new = sorted(newest - self._seen)[-limit:]
        self._seen = newest
        if not new:
            return []
        conditions, values = conditions_of(filters)
        where = " AND ".join([f"id IN ({','.join('?' * len(new))})", *conditions])
        return self._ask(f"SELECT * FROM interaction WHERE {where} ORDER BY id", (*new, *values))  # noqa: S608 - ours
