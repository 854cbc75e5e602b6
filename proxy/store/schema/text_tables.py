"""What stands beside the full-text index, which each engine has in its own way (``text_index``)."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import Identity
from proxy.store.schema.fields import number


class UnindexedTextRow(SQLModel, table=True):
    """A call whose texts the index lacks yet; a trigger puts it here."""

    __tablename__ = "text_unindexed"
    __table_args__ = {"sqlite_with_rowid": False}

    interaction_id: str = Field(primary_key=True, sa_type=Identity)


class LeftoverTextRow(SQLModel, table=True):
    """One row while words of deleted texts may be left in SQLite's index: deletions, and those before it is merged."""

    __tablename__ = "text_leftover"

    number: int = number()
    deletions: int = Field(sa_type=BigInteger)
    merging: int = Field(sa_type=BigInteger)
