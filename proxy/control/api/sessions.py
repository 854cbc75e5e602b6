"""Sessions: what their calls came to, the last seen first. The calls of one: ``/api/v1/interactions?session=ID``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.control.api import analytics_replies as replies
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.filtering import instants_in
from proxy.control.api.interactions import record
from proxy.control.api.listing import QUERY, envelope, is_backwards, limit_of, order_of
from proxy.control.api.parameters import ParameterError
from proxy.errors import NotFoundError
from proxy.store.reading import analytics
from proxy.store.reading.analytics import Span
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row

_ABOUT = {
    "since": "Calls from this time on: 7d, 2026-11-01; days are whole.",
    "until": "Calls before this time.",
}
_SHOWN = 60


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    usual: dict[str, Any] = {"method": "GET", "scope": "read", "takes_long": True, "gives": replies.SessionRow}
    yield Endpoint(
        path="sessions", summary="List sessions", handle=_list, query=(*QUERY, "since", "until"), about=_ABOUT, **usual
    )
    yield Endpoint(path="sessions/{name:path}", summary="Get a session", handle=_get, **usual)


def _list(ask: Ask) -> Reply:
    query, limit = ask.query, limit_of(ask.query)
    if "after" in query and "before" in query:
        raise ParameterError("before", "stands alone in this list; with after comes what is behind it")
    span = Span(*instants_in(query))
    newest_first = (order_of(query, "desc") == "desc") is not is_backwards(query)
    with record(ask) as reader:
        behind = next((_place(reader, span, name, query[name]) for name in ("after", "before") if name in query), None)
        found = reader.answer(analytics.sessions(span, limit + 1, behind, newest_first=newest_first))
    rows = [_shown(row) for row in found[:limit]]
    if is_backwards(query):
        rows.reverse()
    return Reply(body=envelope(rows, query, has_more=len(found) > limit))


def _get(ask: Ask) -> Reply:
    with record(ask) as reader:
        found = reader.answer(analytics.session(ask.path["name"]))
    if not found:
        raise NotFoundError(f"no session {ask.path['name'][:_SHOWN]!r} is on record", hint="dashcam sessions")
    return Reply(body=_shown(found[0]))


def _place(reader: Reader, span: Span, name: str, identity: str) -> tuple[str, str]:
    found = reader.answer(analytics.session(identity, span))
    if not found:
        raise ParameterError(name, f"names {identity[:_SHOWN]!r}, which is no session of this time")
    return found[0]["last_seen"], found[0]["session_id"]


def _shown(row: Row) -> dict[str, Any]:
    sums: Mapping[str, Any] = {name: value for name, value in row.items() if name != "session_id"}
    cost = None if row["cost_usd"] is None else float(row["cost_usd"])
    return {"id": row["session_id"], **sums, "cost_usd": cost}
