"""Feedback as it is sent: of which call or session, what, on which scale, by whom.

Where ``type`` is not said, a value's own kind says it: true or false, a number, words.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from proxy.catalogue.fields import Document, Line, Tag
from proxy.domain.feedback import SCALES, WORDED, Feedback, FeedbackKind, FeedbackSource, score_of
from proxy.errors import InvalidError, Problem

Kind = Literal["boolean", "number", "1-5", "1-10", "category", "text"]
Source = Literal["us", "user", "code", "judge"]
_WHOLE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_LONGEST_WORD, _LONGEST_TEXT, _LARGEST = 200, 4000, 1e15
_WORDS = Annotated[StrictStr, Field(min_length=1, max_length=_LONGEST_TEXT)]


class NewFeedback(Document):
    """What somebody thinks of a call. interaction_id is our id or the caller's own, also before the call has ended.

    The same id again replaces what it said before. min and max are a number's bounds; without them a number from 0 to
    1 is a score, another one is kept as it is.
    """

    id: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    interaction_id: str | None = None
    session_id: Annotated[Line, Field(min_length=1)] | None = None
    name: Annotated[Line, Field(min_length=1, max_length=100)] = "feedback"
    value: StrictBool | StrictInt | StrictFloat | _WORDS
    type: Kind | None = None
    min: float | None = None
    max: float | None = None
    comment: Annotated[str, Field(max_length=_LONGEST_TEXT)] | None = None
    source: Source = "user"


class TagChange(Document):
    """Tags that a call gets, and tags that it loses."""

    add: Annotated[list[Tag], Field(max_length=32)] = Field(default=[])
    remove: Annotated[list[Tag], Field(max_length=32)] = Field(default=[])


def feedback_of(said: NewFeedback, identity: str, author: str) -> Feedback:
    """Return what is meant; ``InvalidError`` says what of it does not go together."""
    kind = FeedbackKind(said.type) if said.type else _kind_of(said.value)
    reference = _reference(said)
    words = _words(said.value, kind) if kind in WORDED else None
    value = None if kind in WORDED else _number(said.value, kind)
    low, high = SCALES.get(kind, (said.min, said.max))
    if (said.min is not None or said.max is not None) and kind is not FeedbackKind.NUMBER:
        raise _wrong("min", f"is for the type number; {kind} has its own bounds")
    if (low is None) != (high is None):
        raise _wrong("min", "and max come together")
    try:
        score = None if value is None else score_of(value, low, high)
    except ValueError as error:
        raise _wrong("value" if low is not None and high is not None and low < high else "min", str(error)) from error
    return Feedback(
        id=said.id or identity, name=said.name, kind=kind, source=FeedbackSource(said.source), reference=reference,
        session_id=said.session_id, value=value, words=words, low=low, high=high, score=score, comment=said.comment,
        author=author,
    )  # fmt: skip


def _reference(said: NewFeedback) -> str | None:
    if (said.interaction_id is None) == (said.session_id is None):
        raise _wrong("interaction_id", "or session_id says what this is about: one of them")
    if said.interaction_id is None:
        return None
    if not _WHOLE_ID.match(said.interaction_id):
        raise _wrong("interaction_id", "is a whole id: that of x-dashcam-id, or the one that the caller gave the call")
    return said.interaction_id.lower()


def _kind_of(value: bool | float | str) -> FeedbackKind:
    if isinstance(value, bool):
        return FeedbackKind.BOOLEAN
    return FeedbackKind.TEXT if isinstance(value, str) else FeedbackKind.NUMBER


def _words(value: bool | float | str, kind: FeedbackKind) -> str:
    if not isinstance(value, str):
        raise _wrong("value", f"is words, for the type {kind}")
    if kind is FeedbackKind.CATEGORY and (len(value) > _LONGEST_WORD or not value.isprintable()):
        raise _wrong("value", f"is one line of at most {_LONGEST_WORD} characters, for a category")
    return value


def _number(value: bool | float | str, kind: FeedbackKind) -> float:
    if isinstance(value, str) or isinstance(value, bool) != (kind is FeedbackKind.BOOLEAN):
        raise _wrong(
            "value", "must be true or false" if kind is FeedbackKind.BOOLEAN else f"must be a number, for {kind}"
        )
    if abs(value) > _LARGEST:
        raise _wrong("value", f"is at most {_LARGEST:g}")
    return float(value)


def _wrong(field: str, reason: str) -> InvalidError:
    return InvalidError([Problem(field, reason)])
