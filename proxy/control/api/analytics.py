"""What many calls came to: a summary, sums by whatever is wanted, what failed, and the newest calls in few words.

From rollups, so that a million calls cost what a thousand do; hours and days are whole. Without ``since`` it is the
last week.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from proxy.control.api import analytics_replies as replies
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.filtering import instants_in, texts_in
from proxy.control.api.interactions import record, shown
from proxy.control.api.listing import envelope, limit_of
from proxy.control.api.parameters import ParameterError, words
from proxy.store.filters.statements import WHOLE, Filters
from proxy.store.reading import analytics, summaries
from proxy.store.reading.analytics import BY_HOUR, BY_SUBJECT, Grouping, Span

USUAL = 7 * 86_400_000
_SPAN = ("since", "until")
_ONLY = (*(name for name in BY_HOUR if name not in analytics.TIMES), *BY_SUBJECT)
_KINDS = ("provider", "model", "outcome")
_USUAL_TOP, _MOST_TOP = 100, 1000
_ABOUT = {
    "since": "From this time on: 7d, 3h, 2026-11-01; the last week, where nothing is said.",
    "until": "Before this time.",
    "by": f"What to sum by, up to three with commas between: {', '.join(BY_HOUR)}; "
    f"or one of {', '.join(BY_SUBJECT)}, also with day.",
    "sort": "The measure whose largest come first, or one of by: the smallest first.",
    "top": f"At most so many rows, {_USUAL_TOP} where nothing is said, {_MOST_TOP} at most.",
    **{name: f"Only calls of this {name}: a,b is one of them, a* what begins so." for name in _ONLY},
    "prompt_version": "Only calls of this version of a prompt, by its number.",
}
_RECENT = (
    "id", "started_at", "provider", "model", "operation", "outcome", "success", "http_status", "error_code",
    "error_message", "duration_ms", "ttft_ms", "input_tokens", "output_tokens", "cost_usd", "prompt_name",
    "prompt_version", "user_id", "session_id", "input_preview", "output_preview",
)  # fmt: skip


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    usual: dict[str, Any] = {"method": "GET", "scope": "read", "takes_long": True, "about": _ABOUT}
    yield Endpoint(
        path="analytics/summary", summary="Sum up a time", handle=_summary, query=_SPAN, gives=replies.Summary, **usual
    )
    yield Endpoint(
        path="analytics/recent", summary="The newest calls in few words", handle=_recent, query=("limit",),
        gives=replies.RecentRow, **usual,
    )  # fmt: skip
    yield Endpoint(
        path="analytics/failures", summary="What failed, by kind", handle=_failures, gives=replies.Failures,
        query=(*_SPAN, "top", *_KINDS), **usual,
    )  # fmt: skip
    yield Endpoint(
        path="query", summary="Sums by what is wanted", handle=_query, gives=replies.Grouped,
        query=("by", *_SPAN, "sort", "top", *_ONLY), **usual,
    )  # fmt: skip


def span_in(query: Mapping[str, str]) -> Span:
    """Return the time that is asked for, the last week where no beginning is said."""
    span = Span(*instants_in(query))
    if span.since is not None:
        return span
    now = time.time_ns() // 1_000_000
    return replace(span, since=max(0, (span.until or now) - USUAL), until=span.until or now)


def _summary(ask: Ask) -> Reply:
    span = span_in(ask.query)
    with record(ask) as reader:
        return Reply(body=summaries.summary(reader, span))


def _recent(ask: Ask) -> Reply:
    limit = limit_of(ask.query)
    with record(ask) as reader:
        found = reader.section(Filters(), WHOLE, limit + 1, _RECENT)
    return Reply(body=envelope([shown(row) for row in found[:limit]], {}, has_more=len(found) > limit))


def _failures(ask: Ask) -> Reply:
    span, top = span_in(ask.query), _top(ask.query)
    only = texts_in(ask.query, _KINDS)
    with record(ask) as reader:
        found = reader.answer(analytics.failures(span, top + 1, only))
    rows = [_failure(row) for row in found[:top]]
    first, last = span.days()
    return Reply(body={"from_day": first, "to_day": last, "rows": rows, "is_whole": len(found) <= top})


def _failure(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a kind of failure; empty text and 0 of a key mean none."""
    return {**{name: value or None for name, value in row.items()}, "share": round(float(row["share"]), 6)}


def _query(ask: Ask) -> Reply:
    query, span, top = ask.query, span_in(ask.query), _top(ask.query)
    by = words(query, "by", (*BY_HOUR, *BY_SUBJECT))
    if not 0 < len(by) <= 3:
        raise ParameterError("by", f"names one to three of: {', '.join((*BY_HOUR, *BY_SUBJECT))}")
    only = texts_in(query, _ONLY)
    usual = next((name for name in by if name in analytics.TIMES), "calls")
    try:
        wanted = Grouping(by=by, span=span, only=only, sort=query.get("sort", usual), top=top + 1)
    except ValueError as error:
        raise ParameterError("sort" if "sort by" in str(error) else "by", f"cannot be so: {error}") from error
    with record(ask) as reader:
        found = summaries.rows(reader, wanted)
    told = {"by": list(by), **summaries.shown_span(span), "rows": found[:top], "is_whole": len(found) <= top}
    return Reply(body=told)


def _top(query: Mapping[str, str]) -> int:
    said = query.get("top", str(_USUAL_TOP))
    if not (said.isascii() and said.isdigit() and 0 < int(said[:9]) <= _MOST_TOP):
        raise ParameterError("top", f"must be a whole number from 1 to {_MOST_TOP}")
    return int(said)
