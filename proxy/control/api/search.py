"""Calls whose question or answer holds some words, the newest first, with the part of the text where they stand.

Words that few calls have are found by the index at once. For others it looks back page by page for a few seconds, and
says how far it came: ``next`` is where to go on. That parts of texts were shown is in the audit log before they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from proxy.control.api import interaction_replies as replies
from proxy.control.api.changing import note
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.filtering import ABOUT, FILTERS, filters_in
from proxy.control.api.interactions import LISTED, place_in, record, shown
from proxy.control.api.listing import envelope, limit_of
from proxy.control.api.parameters import ParameterError
from proxy.query.excerpts import excerpt
from proxy.query.words import Phrase, wanted_of
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row

SECONDS = 3.0
"""So long it looks back in one go."""
_WIDTH = 300


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    yield Endpoint(
        method="GET", path="search", scope="read", summary="Search in texts", handle=_search, takes_long=True,
        query=("limit", "after", "q", *FILTERS), gives=replies.FoundRow, beside=replies.Looked, about=ABOUT,
    )  # fmt: skip


def _search(ask: Ask) -> Reply:
    limit, filters = limit_of(ask.query), filters_in(ask.query)
    wanted = wanted_of(filters.terms)
    if wanted is None or not wanted.phrases:
        raise ParameterError("q", 'has no word to look for: q=refund, q="a refund" model:gpt-*')
    with record(ask) as reader:
        found, stopped = _look(reader, filters, place_in(reader, ask.query, "after"), limit)
        sealed = reader.sealed_among(filters)
    if found:
        # What was looked for is not said: it may be as private as what was found.
        note(ask, "search", "interactions", "", calls=str(len(found)))
    answer = envelope([_found(row, wanted.phrases) for row in found], {}, has_more=stopped is not None)
    at, identity = stopped or (None, None)
    return Reply(body={**answer, "next": identity, "looked_back_to": at, "sealed_until": sealed})


def _look(
    reader: Reader, filters: Filters, before: tuple[str, str] | None, limit: int
) -> tuple[list[Row], tuple[str, str] | None]:
    """Return what was found, and the place behind which to go on; None where there is no more."""
    deadline, found = time.monotonic() + SECONDS, []
    while True:
        page = reader.search(filters, before, limit)
        for row in page.rows:
            found.append(row)
            if len(found) == limit:
                return found, (row["started_at"], row["id"])
        before = page.next
        if before is None or time.monotonic() > deadline:
            return found, before


def _found(row: Row, phrases: Sequence[Phrase]) -> dict[str, Any]:
    shown_row = shown({name: row[name] for name in LISTED})
    for side in ("input", "output"):
        part = excerpt(" ".join((row[f"{side}_text"] or "").split()), phrases, _WIDTH)
        shown_row |= {f"{side}_excerpt": part.text, f"{side}_marks": [list(place) for place in part.marks]}
    return shown_row
