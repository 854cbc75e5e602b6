"""Calls out of the record for a form: in the order of time, in portions that need no more memory than a few large ones.

Each portion is read in transactions of its own, so that an export of hours holds nothing up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.forms.writing import Call
from proxy.store.filters.statements import Filters, Section
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row, with_truths

PAGE, PAGE_WITH_CONTENT = 2000, 100
_PORTION_BYTES = 16 * 1024 * 1024
_ALWAYS = ("id", "started_at", "operation", "outcome", "price_id")
_WITH_CONTENT = ("method", "endpoint", "http_status", "request_bytes", "response_bytes")
Place = tuple[str, str]
"""Where a call stands in the order of time: its instant and its id."""


def portions(
    reader: Reader, filters: Filters, columns: Sequence[str], after: Place | None = None, *, has_content: bool
) -> Iterator[list[Call]]:
    """Yield calls behind a place, the oldest first, with what they have beside them where content is wanted.

    Rows have these columns, and those that every form needs.
    """
    wanted = tuple(dict.fromkeys((*_ALWAYS, *(_WITH_CONTENT if has_content else ()), *map(str, columns))))
    limit = PAGE_WITH_CONTENT if has_content else PAGE
    while rows := reader.section(filters, Section(above=after, newest_first=False), limit, wanted):
        after = place_of(rows[-1])
        for some in by_size(rows) if has_content else [rows]:
            yield with_content(reader, some) if has_content else [(with_truths(row), None) for row in some]


def place_of(row: Row) -> Place:
    """Return where a call stands."""
    return row["started_at"], row["id"]


def by_size(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield rows whose bodies are not too large together, or one alone."""
    some: list[Row] = []
    size = 0
    for row in rows:
        weight = row["request_bytes"] + row["response_bytes"]
        if some and size + weight > _PORTION_BYTES:
            yield some
            some, size = [], 0
        some.append(row)
        size += weight
    yield some


def with_content(reader: Reader, rows: Sequence[Row]) -> list[Call]:
    """Return calls with what they have beside their rows, all of it in memory."""
    parts, beside = reader.parts_of([row["id"] for row in rows]), reader.made_of(rows)
    return [({**with_truths(row), **beside[row["id"]]}, parts[row["id"]]) for row in rows]
