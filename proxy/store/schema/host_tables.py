"""The tables of hosts that share a database: who is there, who leads, what was done when, what counts for all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Float, Index, LargeBinary
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import Instant
from proxy.store.schema.fields import ROW_KEY, count, key, text, word


class InstanceRow(SQLModel, table=True):
    """A Dashcam that writes into a Postgres: who and where it is, when it was last seen, what waits in its spool.

    ``holder`` is drawn anew by each control process; ``left_at`` is set when one has ended in order. Instants are the
    database's, ``clock_ahead_ms`` is by how much the host's own clock was ahead of it.
    """

    __tablename__ = "instance"

    id: str = key(40)
    holder: str = word(40)
    host: str = word(255)
    place: str = word(500)
    version: str = word(50)
    started_at: datetime = Field(sa_type=Instant)
    seen_at: datetime = Field(sa_type=Instant)
    left_at: datetime | None = Field(default=None, sa_type=Instant)
    clock_ahead_ms: float = Field(sa_type=Float)
    config_revision: int = Field(sa_type=BigInteger)
    pending: int | None = count()
    pending_bytes: int | None = count()
    oldest_pending_seconds: float | None = Field(default=None, sa_type=Float)


class LeaderRow(SQLModel, table=True):
    """Who does the periodic work of all hosts, and until when it may, by the database's clock."""

    __tablename__ = "leader"

    name: str = key(40)
    instance: str = word(40)
    holder: str = word(40)
    since: datetime = Field(sa_type=Instant)
    until: datetime = Field(sa_type=Instant)


class PeriodicRunRow(SQLModel, table=True):
    """When a piece of periodic work was last done, by whom, what came of it, and when it is due again."""

    __tablename__ = "periodic_run"

    name: str = key(60)
    instance: str = word(40)
    began_at: datetime = Field(sa_type=Instant)
    ended_at: datetime = Field(sa_type=Instant)
    next_at: datetime = Field(sa_type=Instant)
    result: str | None = text(300)
    failure: str | None = text(300)


class ConfigRevisionRow(SQLModel, table=True):
    """A change of what all hosts share, never altered: of each kind the highest number counts. ``data`` as bodies."""

    __tablename__ = "config_revision"
    __table_args__ = (Index("ix_config_revision_kind_number", "kind", "number"),)

    number: int | None = Field(default=None, sa_column=Column(ROW_KEY, primary_key=True, autoincrement=True))
    kind: str = word(40)
    sha256: str = word(64)
    document: dict[str, Any] = Field(sa_type=JSON)
    form: str | None = text(12)
    data: bytes | None = Field(default=None, sa_type=LargeBinary)
    author: str = word(200)
    made_at: datetime = Field(sa_type=Instant)
