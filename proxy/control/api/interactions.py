"""Calls on record: pages of them by whatever is known of them, and one with as much of it as is wanted.

A list never reads a body, and never counts unless it is asked to, up to a bound. Whatever takes longer than a few
seconds is cut off, so that no question keeps others waiting. What was asked and answered is shown one call at a time,
where it is asked for, and each such reading is in the audit log before it is answered. Rows come from the replica where
there is one.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.control.api import interaction_replies as replies
from proxy.control.api.changing import note_reading
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.filtering import ABOUT, FILTERS, filters_in
from proxy.control.api.listing import QUERY, envelope, is_backwards, limit_of, order_of
from proxy.control.api.parameters import ParameterError, truth, words
from proxy.errors import TooSlowError
from proxy.protocol.decoding import decode
from proxy.store.contents.parts import StoredBody
from proxy.store.filters.statements import Filters, Section
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row
from proxy.store.schema.rows import COLUMNS, TRUTHS

SECONDS = 5.0
"""So long may one question take."""
_COUNT_SECONDS = 0.5
_MOST_COUNTED = 10_000
_SIDES = ("request", "response")
_PARTS = (*(f"{side}_body" for side in _SIDES), "texts")
_OF_ONE = ("usage_raw", "prompt_variables")
"""Columns that are shown with one call only."""
LISTED = tuple(str(name) for name in COLUMNS if name not in _OF_ONE)
_WHOLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_INCLUDE = "request_body, response_body, texts (the question and the answer as plain text); reading them is audited."


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    yield Endpoint(
        method="GET", path="interactions", scope="read", summary="List calls", handle=_list, takes_long=True,
        query=(*QUERY, "count", "q", *FILTERS), gives=replies.InteractionRow, beside=replies.Counted,
        about=ABOUT,
    )  # fmt: skip
    yield Endpoint(
        method="GET", path="interactions/{name}", scope="read", summary="Get a call", handle=_get, takes_long=True,
        query=("include",), gives=replies.Interaction,
        about={"include": f"What else is wanted, with commas between: {_INCLUDE}"},
    )  # fmt: skip


@contextlib.contextmanager
def record(ask: Ask, seconds: float | None = None) -> Iterator[Reader]:
    """Lend a reader of the record, of which every question ends in time: ``TooSlowError``."""
    with contextlib.closing(Reader(ask.settings.database, seconds=SECONDS if seconds is None else seconds)) as reader:
        yield reader


def _list(ask: Ask) -> Reply:
    query, limit = ask.query, limit_of(ask.query)
    filters, columns, newest_first = filters_in(query), _columns(query), order_of(query, "desc") == "desc"
    with record(ask) as reader:
        after, before = (place_in(reader, query, name) for name in ("after", "before"))
        below, above = (after, before) if newest_first else (before, after)
        part = Section(above=above, below=below, newest_first=newest_first is not is_backwards(query))
        found = reader.section(filters, part, limit + 1, columns)
        sealed = {"sealed_until": day} if (day := reader.sealed_among(filters)) else {}
    rows = [shown(row) for row in found[:limit]]
    if is_backwards(query):
        rows.reverse()
    fieldless = {name: value for name, value in query.items() if name != "fields"}
    answer = envelope(rows, fieldless, has_more=len(found) > limit) | sealed
    return Reply(body={**answer, **_counted(ask, filters)} if truth(query, "count") else answer)


def _columns(query: Mapping[str, str]) -> tuple[str, ...]:
    """Return which columns are wanted; the id always is."""
    if "fields" not in query:
        return LISTED
    return tuple(dict.fromkeys(("id", *words(query, "fields", LISTED))))


def place_in(reader: Reader, query: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """Return where the call stands that a query names, None where it names none."""
    if name not in query:
        return None
    said = query[name].lower()
    place = reader.place(said) if _WHOLE_ID.match(said) else None
    if place is None:
        raise ParameterError(name, f"names {said[:60]!r}, which is the id of no call on record")
    return place


def _counted(ask: Ask, filters: Filters) -> dict[str, Any]:
    try:
        with record(ask, _COUNT_SECONDS) as reader:
            count = reader.count(filters, _MOST_COUNTED + 1)
    except TooSlowError:
        return {"count": None, "count_is_whole": False}
    return {"count": min(count, _MOST_COUNTED), "count_is_whole": count <= _MOST_COUNTED}


def shown(row: Row) -> dict[str, Any]:
    """Return a row as it is answered: what is true or false is so, whatever the engine keeps."""
    return {name: bool(value) if name in TRUTHS and value is not None else value for name, value in row.items()}


def _get(ask: Ask) -> Reply:
    wanted = words(ask.query, "include", _PARTS)
    with record(ask) as reader:
        row = reader.interaction(ask.path["name"])
        price, attempts = reader.price(row["price_id"]), reader.attempts(row["id"])
        parts = reader.parts_of([row["id"]])[row["id"]] if wanted else None
    made = [{**item, "reused": bool(item["reused"])} for item in attempts]
    answer = {**shown(row), "attempts_made": made, "price": price}
    if parts is not None:
        bodies = {"request_body": _body(parts.request), "response_body": _body(parts.response)}
        texts = {"input_text": parts.texts[0], "output_text": parts.texts[1]}
        told = {**{name: bodies[name] for name in wanted if name in bodies}, **(texts if "texts" in wanted else {})}
        if any(value is not None for value in told.values()):
            note_reading(ask, row["id"], parts=",".join(wanted))
        answer |= told
    return Reply(body=answer)


def _body(body: StoredBody | None) -> dict[str, Any] | None:
    """Return one side: its facts, and its content without its Content-Encoding, in base64 where it is no text."""
    if body is None:
        return None
    content = decode(body.content, body.facts["content_encoding"])[0]
    try:
        text, encoding = content.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(content).decode(), "base64"
    facts = {name: value for name, value in body.facts.items() if name not in ("interaction_id", "side", "form")}
    timings = [{"after_us": after, "bytes": size} for after, size in body.timings]
    return {**facts, "content": text, "encoding": encoding, "timings": timings}
