"""Which rows are wanted of a table that is numbered in the order of time: those between two numbers, from one end."""

from __future__ import annotations

from dataclasses import dataclass

_HIGHEST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Rows with numbers above and below others (neither included), at most ``limit``, from either end."""

    above: int = 0
    below: int | None = None
    limit: int = 50
    newest_first: bool = True

    def conditions(self) -> tuple[list[str], list[int]]:
        """Return the conditions on ``number``, and the values of their places."""
        return ["number > ?", "number < ?"], [self.above, self.below or _HIGHEST]

    @property
    def order(self) -> str:
        """The end of the statement; it has a place for ``limit``."""
        return f"ORDER BY number {'DESC' if self.newest_first else 'ASC'} LIMIT ?"


NEWEST = Span()
"""The newest fifty."""
