"""The tables of the database itself: which revisions were applied to it, and what a copy into it has come to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import Instant, string
from proxy.store.schema.fields import key, word


class SchemaRevisionRow(SQLModel, table=True):
    """A revision that was applied: the oldest one whose programs may go on, and how far its data step has come."""

    __tablename__ = "schema_revision"

    revision: str = key(32)
    compatible_with: str = word(32)
    release: str = word(32)
    applied_at: datetime = Field(sa_type=Instant)
    is_filled: bool
    filled_to: str | None = Field(default=None, sa_type=Text)
    filled_rows: int = Field(default=0, sa_type=BigInteger)


class CopyStateRow(SQLModel, table=True):
    """What a database that was copied into is: a copy under way, one that is complete, or a record in use since."""

    __tablename__ = "copy_state"

    id: str = key(40)
    source: str = word(500)
    instance: str = Field(sa_type=string(40))
    state: str = word(20)
    started_at: datetime = Field(sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)
