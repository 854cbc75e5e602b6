"""Which sums a span is read from: its whole days from those of days, the hours at its ends from those of hours.

A day has a ninth of the rows of its hours, and its sums are theirs. Pure: a span's first and last hour in, parts out
that have every hour of it once; of two bounds that leave no whole day between, the hours alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

HOURS, DAYS = "rollup_hourly", "usage_daily"
_FIRST, _LAST = "T00", "T23"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one table: those that meet all ``conditions``, whose values come in their order."""

    table: str
    conditions: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def where(self) -> str:
        """Return the clause of a statement, with a space behind it; empty where all rows are meant."""
        return f"WHERE {' AND '.join(self.conditions)} " if self.conditions else ""

    def column(self, name: str) -> str:
        """Return what a row says of this name: the hours' day is in the name of the hour."""
        return "substr(hour, 1, 10)" if name == "day" and self.table == HOURS else name

    def select(self, columns: Iterable[str]) -> str:
        """Return the statement for these columns of the rows, by their names."""
        shown = ", ".join(f"{self.column(name)} AS {name}" for name in columns)
        return f"SELECT {shown} FROM {self.table} {self.where}"  # noqa: S608 - columns are ours


def hours(first: str | None, last: str | None) -> Part:
    """Return the hours from one until another, both included; None is no bound."""
    return _part(HOURS, ("hour >= ?", first), ("hour <= ?", last))


def parts(first: str | None, last: str | None) -> list[Part]:
    """Return what the hours from one until another are read from."""
    begins, ends = first is None or first.endswith(_FIRST), last is None or last.endswith(_LAST)
    if first and last and not (begins and ends) and first[:10] >= last[:10]:
        return [hours(first, last)]
    since = ("day >= ?" if begins else "day > ?", first and first[:10])
    until = ("day <= ?" if ends else "day < ?", last and last[:10])
    found = [_part(DAYS, since, until)]
    if first and not begins:
        found.append(hours(first, first[:10] + _LAST))
    if last and not ends:
        found.append(hours(last[:10] + _FIRST, last))
    return found


def _part(table: str, *bounds: tuple[str, str | None]) -> Part:
    given = [(condition, bound) for condition, bound in bounds if bound]
    return Part(table, tuple(condition for condition, _ in given), tuple(bound for _, bound in given))
