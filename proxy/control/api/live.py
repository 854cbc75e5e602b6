"""Calls as they begin and end: server-sent events, for as long as somebody listens.

A call that ends is told once it is on record, whichever host recorded it; one that begins where this host's loader
reads of it, if the query can be held against what is known by then. The question and the answer are told where they are
asked for, and that is in the audit log before they are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping

from proxy.control.api import live_replies as replies
from proxy.control.api.changing import note
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.filtering import ABOUT, FILTERS, terms_in
from proxy.control.api.interactions import LISTED
from proxy.control.api.parameters import ParameterError, words
from proxy.control.live.listeners import Wish
from proxy.errors import UnreachableError
from proxy.store.filters.asking import filters_of
from proxy.store.schema.sealing import check_searchable

PREVIEWS = ("input_preview", "output_preview")
USUAL = tuple(name for name in LISTED if name not in PREVIEWS)
_LONGEST_SECONDS = 86_400
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_ABOUT = {
    "after": "The id of a call: what ended since is told first. Last-Event-ID says the same, and wins.",
    "include": "texts: the question and the answer of calls that end; that they were shown is audited.",
    "seconds": f"End after so many seconds, at most {_LONGEST_SECONDS}.",
    "fields": f"Only these columns, with commas between; usually all but {' and '.join(PREVIEWS)}, which are audited.",
}


def endpoints() -> Iterator[Endpoint]:
    """Yield the row."""
    yield Endpoint(
        method="GET", path="live", scope="read", summary="Follow calls", handle=_follow, streams=True,
        query=("after", "include", "fields", "seconds", "q", *FILTERS), gives=replies.LiveEvent,
        about={**ABOUT, **_ABOUT},
    )  # fmt: skip


def _follow(ask: Ask) -> Reply:
    seconds, wish = _seconds(ask.query), _wish(ask)
    if ask.live is None:
        raise UnreachableError("no Dashcam runs on this data: no call begins or ends", hint="dashcam up")
    listener = ask.live.listen(wish)
    return Reply(stream=lambda may_stay: listener.texts(seconds, may_stay))


def _wish(ask: Ask) -> Wish:
    terms, with_texts = terms_in(ask.query), "texts" in words(ask.query, "include", ("texts",))
    check_searchable(ask.settings.database, terms)
    columns = ("id", *words(ask.query, "fields", LISTED)) if "fields" in ask.query else USUAL
    is_audited = with_texts or any(name in columns for name in PREVIEWS)
    return Wish(
        terms=terms, filters=filters_of(terms, time.time_ns() // 1_000_000), columns=tuple(dict.fromkeys(columns)),
        with_texts=with_texts, audit=_auditing(ask) if is_audited else None, after=_after(ask),
    )  # fmt: skip


def _auditing(ask: Ask) -> Callable[[int], None]:
    return lambda calls: note(ask, "read_body", "live", "", calls=str(calls))


def _after(ask: Ask) -> str | None:
    said = ask.last_event_id or ask.query.get("after")
    if said is None:
        return None
    if not _ID.match(said.lower()):
        raise ParameterError("after", "is the whole id of a call, as events have it")
    return said.lower()


def _seconds(query: Mapping[str, str]) -> float | None:
    said = query.get("seconds")
    if said is None:
        return None
    if not (said.isascii() and said.isdigit() and 0 < int(said[:9]) <= _LONGEST_SECONDS):
        raise ParameterError("seconds", f"must be a whole number from 1 to {_LONGEST_SECONDS}")
    return float(said)
