"""The tables of what was erased: so that nothing comes back from a spool, and nothing of it lies about for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import Identity, Instant
from proxy.store.schema.fields import ROW_KEY, word


class TombstoneRow(SQLModel, table=True):
    """A call that was on record and is erased; ``purge`` is the number of what was asked for, None for one by its id.

    Whoever brings it again, from a spool or a file, finds that it is there already.
    """

    __tablename__ = "tombstone"
    __table_args__ = (Index("ix_tombstone_purge", "purge"),)

    id: str = Field(primary_key=True, sa_type=Identity)
    erased_at: datetime = Field(sa_type=Instant)
    purge: int | None = Field(default=None, sa_type=BigInteger)


class PurgeRow(SQLModel, table=True):
    """What was to be erased, or made anonymous (``kind``): calls that began before ``made_at`` and match ``aim``.

    It counts for calls that are stored later, too. ``key`` makes pseudonyms and goes when it is done; ``settled_at`` is
    when nothing was found any more some time after that.
    """

    __tablename__ = "purge"

    number: int | None = Field(default=None, sa_column=Column(ROW_KEY, primary_key=True, autoincrement=True))
    kind: str = word(20)
    aim: dict[str, Any] = Field(sa_type=JSON)
    author: str = word(200)
    made_at: datetime = Field(sa_type=Instant)
    done_to: str | None = Field(default=None, sa_type=Identity)
    calls: int = Field(default=0, sa_type=BigInteger)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)
    settled_at: datetime | None = Field(default=None, sa_type=Instant)
    key: bytes | None = Field(default=None, sa_type=LargeBinary)


class LooseSliceRow(SQLModel, table=True):
    """A slice of a body that was taken away: perhaps the last one that referred to it (``sweeping``)."""

    __tablename__ = "loose_slice"
    __table_args__ = (Index("ix_loose_slice_day", "day"),)

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    day: str = word(10)
    noted: int = Field(default=1, sa_type=BigInteger)
