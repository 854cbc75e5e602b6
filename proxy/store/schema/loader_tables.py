"""The tables of the loader: how far it is, what it keeps of open calls and of what is refused, what it has changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import Identity, Instant, string
from proxy.store.schema.fields import ROW_KEY, count, key, number, text, word


class MadeAnswerRow(SQLModel, table=True):
    """Which call made an answer that others may read again, and whether its counts are on record."""

    __tablename__ = "made_answer"

    provider: str = key(100)
    response_id: str = key(200)
    interaction_id: str = Field(sa_type=Identity)
    is_counted: bool
    started_at: datetime = Field(sa_type=Instant)


class AmendmentRow(SQLModel, table=True):
    """What a row said before it was priced or interpreted again, and since; the newest one is how it is now."""

    __tablename__ = "amendment"
    __table_args__ = (Index("ix_amendment_interaction_id", "interaction_id"),)

    number: int | None = Field(default=None, sa_column=Column(ROW_KEY, primary_key=True, autoincrement=True))
    interaction_id: str = Field(sa_type=Identity)
    amended_at: datetime = Field(sa_type=Instant)
    command: str = word(20)
    reason: str = word(200)
    cost_pico_usd_before: int | None = count()
    cost_pico_usd_after: int | None = count()
    price_id_before: str | None = text(40)
    price_id_after: str | None = text(40)
    before: dict[str, Any] = Field(sa_type=JSON)
    after: dict[str, Any] = Field(sa_type=JSON)


class OpenCallRow(SQLModel, table=True):
    """Parts of a long call that the loader has read while it is still open."""

    __tablename__ = "open_call"

    id: str = Field(primary_key=True, sa_type=Identity)
    part: int = number()
    source: str = word(100)
    until_sequence: int = Field(sa_type=BigInteger)
    payload: bytes = Field(sa_type=LargeBinary)


class SpoolPositionRow(SQLModel, table=True):
    """How far a gateway's spool is loaded, and its part of the ledger."""

    __tablename__ = "spool_position"

    source: str = key(100)
    segment: int = Field(sa_type=BigInteger)
    offset: int = Field(sa_type=BigInteger)
    accepted: int = Field(sa_type=BigInteger)
    stored: int = Field(sa_type=BigInteger)
    quarantined: int = Field(sa_type=BigInteger)
    dropped: dict[str, int] = Field(sa_type=JSON)
    is_closed: bool = Field(default=False)
    instance: str = Field(default="", sa_type=string(40), sa_column_kwargs={"server_default": ""})


class QuarantineRow(SQLModel, table=True):
    """What could not be stored or read, kept for a person."""

    __tablename__ = "quarantine"

    number: int | None = Field(default=None, sa_column=Column(ROW_KEY, primary_key=True, autoincrement=True))
    interaction_id: str | None = Field(default=None, sa_type=Identity)
    source: str = word(100)
    segment: int = Field(sa_type=BigInteger)
    offset: int = Field(sa_type=BigInteger)
    reason: str = word(500)
    quarantined_at: datetime = Field(sa_type=Instant)
    data: bytes | None = Field(default=None, sa_type=LargeBinary)
