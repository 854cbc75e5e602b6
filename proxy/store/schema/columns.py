"""Column types that mean the same on both engines."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import DateTime, Dialect, String, Uuid
from sqlalchemy.types import TypeDecorator, TypeEngine


def instant_text(milliseconds: int) -> str:
    """Return Unix milliseconds as the text SQLite keeps: ISO 8601 UTC with milliseconds and a Z."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second_text(seconds)}.{rest:03d}Z"


def milliseconds_of(instant: str) -> int:
    """Return a stored instant as Unix milliseconds."""
    return round(datetime.fromisoformat(instant).timestamp() * 1000)


def day_text(milliseconds: int) -> str:
    """Return the day of an instant in UTC, as its text begins."""
    return hour_text(milliseconds)[:10]


def hour_text(milliseconds: int) -> str:
    """Return the hour of an instant in UTC, as its text begins."""
    return _hour_text(milliseconds // 3_600_000)


@lru_cache(maxsize=256)
def _hour_text(hours: int) -> str:
    return _second_text(hours * 3600)[:13]


@lru_cache(maxsize=256)
def _second_text(seconds: int) -> str:
    """Return a second without its zone; the rows of a batch share a few of them."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


Identity = String(36).with_variant(Uuid(as_uuid=False), "postgresql")
"""An interaction's id: text everywhere in Python and on SQLite, ``uuid`` on Postgres."""


def string(length: int) -> String:
    """Return a text's type: ordered by its bytes on Postgres too, whatever the database's language."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant: ``timestamptz`` on Postgres, sortable ISO text on SQLite (which forgets zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the engine's own type."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else String(24))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Store UTC; a naive instant is a defect."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("instants carry a time zone")
        return value if dialect.name == "postgresql" else instant_text(round(value.timestamp() * 1000))

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware instant."""
        if value is None or isinstance(value, datetime):
            return value
        return datetime.fromisoformat(value)
