"""Values on their way into and out of these tables, which both engines spell in their own way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from proxy.store.schema.columns import instant_text


def json_of(value: Any) -> str:
    """Return JSON text for a column that is never empty."""
    return orjson.dumps(value).decode()


def read_json(value: Any) -> Any:
    """Return what a JSON column holds, as text or as a value already."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def instant(value: datetime | None) -> str | None:
    """Return an aware instant as it is stored."""
    return None if value is None else instant_text(round(value.timestamp() * 1000))


def read_instant(value: Any) -> datetime | None:
    """Return an aware instant from a column that may be empty."""
    return None if value is None else instant_from(value)


def instant_from(value: datetime | str) -> datetime:
    """Return an aware instant from a column that never is."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).astimezone(UTC)
