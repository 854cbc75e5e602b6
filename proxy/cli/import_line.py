"""A line of what is imported, or what stands for one: a statement of SQL, a row of Parquet, a member of a JSON list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; ``after`` is where the next one begins, ``data`` None for one that is too long.

    A statement of SQL is one, whose last line has the number ``last``.
    """

    number: int
    data: bytes | None
    after: int
    last: int
