"""What is answered about feedback, for the description; nothing is made of these classes."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from proxy.catalogue.feedback import Kind, Source


class FeedbackRow(BaseModel, defer_build=True):
    """Feedback; score is from 0 to 1, null where there is none. is_pending: the call is not on record yet."""

    id: str
    interaction_id: str | None
    session_id: str | None
    name: str
    type: Kind
    value: bool | float | str
    min: float | None
    max: float | None
    score: float | None
    comment: str | None
    source: Source
    author: str
    created_at: datetime
    updated_at: datetime
    is_pending: bool


class RemovedFeedback(BaseModel, defer_build=True):
    """The id of what is gone."""

    deleted: str


class Tagged(BaseModel, defer_build=True):
    """A call's tags as they are now."""

    id: str
    tags: list[str]
