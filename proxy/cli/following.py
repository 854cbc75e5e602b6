"""``logs --follow`` and ``tail``: what is recorded from now on, and on wish what has begun.

Rows are read from the record itself, in the order of recording, whether a Dashcam runs or not: a long call comes after
younger ones. Beginnings are told by the running one, and shown until it says otherwise.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from proxy.cli.table import BEGUN
from proxy.cli.terminal import on_one_line
from proxy.query.terms import Moment, Operator, Query, Term, Text, Word
from proxy.settings.values import Settings
from proxy.store.filters.statements import Filters
from proxy.store.reading.following import Recorded
from proxy.store.schema.decoding import Row
from proxy.store.schema.rows import COLUMNS

if TYPE_CHECKING:
    from proxy.cli.beginnings import Beginnings

_POLL_SECONDS = 0.4
_AT_ONCE = 500
_UNKNOWN: Row = {str(name): None for name in COLUMNS}
_NAMED = ("model", "outcome", "provider", "operation", "user", "session", "app", "environment", "prompt")
Show = Callable[[Sequence[Row]], None]


def follow(recorded: Recorded, filters: Filters, show: Show, beginnings: Beginnings | None) -> None:
    """Show what comes, until somebody ends it."""
    while True:
        if not recorded.is_behind:
            _wait(beginnings)
        ended = recorded.next(filters, _AT_ONCE)
        if beginnings is not None:
            over = {row["id"] for row in ended}
            show([row for row in map(row_of, beginnings.take()) if row["id"] not in over])
            beginnings = _or_nobody(beginnings)
        show(ended)
        sys.stdout.flush()


def beginnings_of(settings: Settings, filters: Filters) -> Beginnings:
    """Return who tells of calls that have begun and are such as is wanted."""
    from proxy.cli.beginnings import Beginnings

    return Beginnings(settings, str(Query(tuple(terms_of(filters)))))


def terms_of(filters: Filters) -> Iterator[Term | Word]:
    """Yield what filters say as terms of the search grammar."""
    for name in _NAMED:
        if (said := getattr(filters, name)) is not None:
            is_open = name == "model" and said.endswith("*")
            yield Term(name, (Text(said.removesuffix("*") if is_open else said, is_open),))
    for tag in filters.tags:
        yield Term("tag", (Text(tag),))
    for key, value in filters.metadata:
        yield Term("meta", (Text(value),), key=key)
    for name, instant in (("since", filters.since), ("until", filters.until)):
        if instant is not None:
            yield Term(name, (Moment(instant),), Operator.IS)
    yield from filters.terms


def row_of(facts: Row) -> Row:
    """Return what is known of a call that has begun as a row of the record."""
    return {**_UNKNOWN, **facts, "outcome": BEGUN}


def _wait(beginnings: Beginnings | None) -> None:
    if beginnings is None:
        time.sleep(_POLL_SECONDS)
    else:
        beginnings.wait(_POLL_SECONDS)


def _or_nobody(beginnings: Beginnings) -> Beginnings | None:
    if beginnings.reason is None:
        return beginnings
    print(f"Calls are shown as they end: {on_one_line(beginnings.reason)}.", file=sys.stderr)
    return None
