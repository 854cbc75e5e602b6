"""How a column is declared, in few words: types that mean the same on both engines, and names for what is checked."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, MetaData
from sqlalchemy import text as sql_text
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import string

SQLModel.metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
metadata = SQLModel.metadata
ROW_KEY = BigInteger().with_variant(Integer(), "sqlite")
# SQLite's integers have 64 bits whatever they are called; a client's top_k must fit on both engines.
INTEGER = Integer().with_variant(BigInteger(), "postgresql")


def one_of(column: str, values: type) -> CheckConstraint:
    """Return the check that a column holds a word of an enumeration."""
    words = ", ".join(f"'{item.value}'" for item in values)  # type: ignore[attr-defined]
    return CheckConstraint(f"{column} IN ({words})", name=column)


def not_negative(*columns: str) -> list[CheckConstraint]:
    """Return the checks that columns hold no number below 0."""
    return [CheckConstraint(f"{column} >= 0", name=column) for column in columns]


def some(name: str, condition: str, *columns: str) -> Index:
    """Return an index of those calls alone that meet a condition: the others cost nothing for it."""
    wanted = sql_text(condition)
    return Index(f"ix_interaction_{name}", *columns, sqlite_where=wanted, postgresql_where=wanted)


def count() -> Any:
    """Return a whole number of 64 bits, or nothing."""
    return Field(default=None, sa_type=BigInteger)


def whole() -> Any:
    """Return a whole number, or nothing."""
    return Field(default=None, sa_type=INTEGER)


def text(length: int) -> Any:
    """Return a text of at most so many characters, or nothing."""
    return Field(default=None, sa_type=string(length))


def word(length: int) -> Any:
    """Return a text of at most so many characters."""
    return Field(sa_type=string(length))


def key(length: int) -> Any:
    """Return a text that is part of the key."""
    return Field(primary_key=True, sa_type=string(length))


def number() -> Any:
    """Return a whole number that is part of the key."""
    return Field(primary_key=True, sa_type=INTEGER)
