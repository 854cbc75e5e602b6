"""Feedback on calls and sessions: given once or again by the same id, read back, taken away; and tags of calls.

It may come before its call is on record, by the id that the caller gave the call or that the answer's head has: then
it waits (``is_pending``), and is given to the call when that is stored. Words and tags are redacted as their calls are.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.catalogue.feedback import NewFeedback, TagChange, feedback_of
from proxy.catalogue.parsing import parse
from proxy.control.api import feedback_replies as replies
from proxy.control.api.changing import note
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.interactions import record
from proxy.control.api.listing import QUERY, envelope, is_backwards, limit_of, order_of
from proxy.control.api.parameters import ParameterError
from proxy.control.api.redactors import redactor_for
from proxy.domain.feedback import WORDED, FeedbackKind
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.forms.redacting import redacted_feedback, redacted_tags
from proxy.store.catalogue.session import Session
from proxy.store.changes import feedback, tagging
from proxy.store.changes.feedback import Row

_FILTERS = {"type": "kind"}
_QUERY = tuple(name if name != "kind" else "type" for name in feedback.FILTERS)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    one = "feedback/{name:path}"
    yield Endpoint(
        method="POST", path="interactions/{name}/tags", scope="write", summary="Change a call's tags", handle=_tag,
        takes=TagChange, gives=replies.Tagged, is_change=False,
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="feedback", scope="write", summary="Say what is thought of a call", handle=_give,
        takes=NewFeedback, gives=replies.FeedbackRow, status=201, is_change=False,
    )  # fmt: skip
    yield Endpoint(
        method="GET", path="feedback", scope="read", summary="List feedback", handle=_list, query=(*QUERY, *_QUERY),
        gives=replies.FeedbackRow,
    )  # fmt: skip
    yield Endpoint(method="GET", path=one, scope="read", summary="Get feedback", handle=_get, gives=replies.FeedbackRow)
    yield Endpoint(
        method="DELETE", path=one, scope="write", summary="Take feedback away", handle=_remove, is_change=False,
        gives=replies.RemovedFeedback,
    )  # fmt: skip


def _tag(ask: Ask) -> Reply:
    said = parse(TagChange, ask.body)
    if not said.add and not said.remove:
        raise InvalidError([Problem("add", "or remove names tags")])
    with record(ask) as reader:
        call = reader.interaction(ask.path["name"])["id"]

    def work(within: Session) -> list[str]:
        redactor = redactor_for(ask, within, call)
        # What was put on before anything was redacted is called as it was.
        gone = [*said.remove, *redacted_tags(said.remove, redactor)]
        return tagging.tag(within.connection, within.backend, call, redacted_tags(said.add, redactor), gone)

    tags = ask.desk.write(work)
    # A tag may name somebody, and the audit log outlives what is erased; the row's amendments have the words.
    note(ask, "tag", "interactions", call, added=str(len(said.add)), removed=str(len(said.remove)))
    return Reply(body={"id": call, "tags": tags})


def _give(ask: Ask) -> Reply:
    item = feedback_of(parse(NewFeedback, ask.body), str(uuid.uuid4()), ask.actor.name)

    def work(within: Session) -> Row:
        kept = redacted_feedback(item, redactor_for(ask, within, item.reference))
        if kept.id != item.id:
            # What all secrets are called would be one id for all feedback.
            raise InvalidError([Problem("id", "holds what is not to be on record; give this another one, or none")])
        return feedback.put(within.connection, within.backend, kept)

    stored = ask.desk.write(work)
    return Reply(body=_shown(stored), status=201)


def _list(ask: Ask) -> Reply:
    query, limit = ask.query, limit_of(ask.query)
    if "after" in query and "before" in query:
        raise ParameterError("before", "stands alone in this list; with after comes what is behind it")
    filters = {_FILTERS.get(name, name): query[name] for name in _QUERY if name in query}
    if not _UUID.match(filters.get("interaction_id", str(uuid.UUID(int=0)))):
        raise ParameterError("interaction_id", "is the whole id of a call")
    newest_first = (order_of(query, "desc") == "desc") is not is_backwards(query)
    behind = next((_named(ask, name) for name in ("after", "before") if name in query), None)
    found = ask.desk.read(
        lambda within: feedback.page(within.connection, filters, limit + 1, behind, newest_first=newest_first)
    )
    rows = [_shown(row) for row in found[:limit]]
    if is_backwards(query):
        rows.reverse()
    return Reply(body=envelope(rows, query, has_more=len(found) > limit))


def _named(ask: Ask, name: str) -> Row:
    try:
        return ask.desk.read(lambda within: feedback.get(within.connection, ask.query[name]))
    except NotFoundError as error:
        raise ParameterError(name, f"names {ask.query[name][:60]!r}, which is no feedback") from error


def _get(ask: Ask) -> Reply:
    return Reply(body=_shown(ask.desk.read(lambda within: feedback.get(within.connection, ask.path["name"]))))


def _remove(ask: Ask) -> Reply:
    name = ask.path["name"]

    def work(within: Session) -> str:
        feedback.remove(within.connection, within.backend, name)
        return redacted_tags([name], redactor_for(ask, within, None), longest=100)[0]

    note(ask, "delete", "feedback", ask.desk.write(work))
    return Reply(body={"deleted": name})


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return feedback as it was given, with what came of it."""
    kind = FeedbackKind(row["kind"])
    value = row["words"] if kind in WORDED else row["value"]
    facts = {name: row[name] for name in replies.FeedbackRow.model_fields if name in row}
    return {
        **facts, "interaction_id": row["interaction_id"] or row["reference"], "type": kind.value,
        "value": bool(value) if kind is FeedbackKind.BOOLEAN else value, "min": row["low"], "max": row["high"],
        "is_pending": row["interaction_id"] is None and row["reference"] is not None,
    }  # fmt: skip
