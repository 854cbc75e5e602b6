"""Calls whose question or answer holds some words, the newest first, with the part of the text where they stand.

It looks back page by page for a few seconds, and says how far it came: ``next`` is where to go on. That parts of texts
were shown is in the audit log before they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from proxy.control.api import interaction_replies as replies
from proxy.control.api.changing import note
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.filtering import ABOUT, FILTERS, filters_in
from proxy.control.api.interactions import LISTED, place_in, record, shown
from proxy.control.api.listing import envelope, limit_of
from proxy.control.api.parameters import ParameterError
from proxy.query.excerpts import any_of, excerpt
from proxy.query.parsing import parse
from proxy.query.terms import Term, Word
from proxy.store.reading import Reader, Row
from proxy.store.statements import Filters

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
    words = parse(ask.query.get("q", "")).words()
    if not words:
        raise ParameterError("q", 'has no word to look for: q=refund, q="a refund" model:gpt-*')
    with record(ask) as reader:
        after = place_in(reader, ask.query, "after")
        before = None if after is None else {"started_at": after[0], "id": after[1]}
        found, stopped = _look(reader, words, filters, before, limit)
    if found:
        # What was looked for is not said: it may be as private as what was found.
        note(ask, "search", "interactions", "", calls=str(len(found)))
    pattern = any_of(words)
    answer = envelope([_found(row, pattern) for row in found], {}, has_more=stopped is not None)
    looked = {"next": stopped["id"] if stopped else None, "looked_back_to": stopped["started_at"] if stopped else None}
    return Reply(body={**answer, **looked})


def _look(
    reader: Reader, words: tuple[str, ...], filters: Filters, before: Row | None, limit: int
) -> tuple[list[Row], Row | None]:
    """Return what was found, and the call behind which to go on; None where there is no more."""
    deadline, found = time.monotonic() + SECONDS, []
    filters = replace(filters, terms=tuple(term for term in filters.terms if not _is_wanted(term)))
    while True:
        page = reader.search(words, filters, before)
        for row in page.rows:
            found.append(row)
            if len(found) == limit:
                return found, row
        before = page.next
        if before is None or time.monotonic() > deadline:
            return found, before


def _is_wanted(term: Term | Word) -> bool:
    """Tell what is looked for in each page; all the rest says which calls a page has."""
    return isinstance(term, Word) and not term.is_excluded


def _found(row: Row, pattern: Any) -> dict[str, Any]:
    texts = {
        f"{side}_excerpt": excerpt(" ".join((row[f"{side}_text"] or "").split()), pattern, _WIDTH)
        for side in ("input", "output")
    }
    return {**shown({name: row[name] for name in LISTED}), **texts}
