"""The table of what is thought of calls. What it makes of a call's score is in the call's row."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, Index, Text
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import Identity, Instant
from proxy.store.schema.fields import key, text, word

_WAITING = "interaction_id IS NULL AND reference IS NOT NULL"
_OF_SESSION = "session_id IS NOT NULL"


class FeedbackRow(SQLModel, table=True):
    """One thing that is thought of a call (``interaction_id``; None until it is on record) or of a session."""

    __tablename__ = "feedback"
    __table_args__ = (
        Index("ix_feedback_interaction_id", "interaction_id"),
        Index("ix_feedback_created_at", "created_at"),
        Index("ix_feedback_reference", "reference", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_feedback_session_id", "session_id", sqlite_where=_OF_SESSION, postgresql_where=_OF_SESSION),
    )

    id: str = key(100)
    reference: str | None = text(36)
    interaction_id: str | None = Field(default=None, sa_type=Identity)
    session_id: str | None = text(200)
    name: str = word(100)
    kind: str = word(20)
    value: float | None = Field(default=None, sa_type=Float)
    words: str | None = Field(default=None, sa_type=Text)
    low: float | None = Field(default=None, sa_type=Float)
    high: float | None = Field(default=None, sa_type=Float)
    score: float | None = Field(default=None, sa_type=Float)
    comment: str | None = Field(default=None, sa_type=Text)
    source: str = word(20)
    author: str = word(200)
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
