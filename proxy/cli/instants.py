"""The instants that people type: a span back from now, a date, an id, a call on record; and the instant of now.

All are Unix milliseconds, as the store has them.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from proxy.errors import UsageError
from proxy.store.reading.reader import Reader

_SPAN = re.compile(r"(\d+)\s*([smhdw])\Z")
_CALL = re.compile(r"last(-\d+)?\Z|(?=.*[a-f])[0-9a-f]{6,8}\Z")
_ID_TIME = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})(-|\Z)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = {"today": 0, "yesterday": 1}
_LATEST = 253_402_300_799_999  # the last millisecond of the year 9999, behind which no date has a text


def now() -> int:
    """Return the instant of now."""
    return time.time_ns() // 1_000_000


def instant_of(text: str | None, flag: str, reader: Reader | None = None) -> int | None:
    """Return Unix milliseconds of a span back from now, a date, an instant or an id.

    With a ``reader`` also of a call on record: by a part of its id, ``last`` or ``last-N``.
    """
    if text is None:
        return None
    try:
        return min(max(0, _milliseconds(text, reader)), _LATEST)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{flag}: {text[:80]!r} is no time; use 7d, 3h, today, 2026-11-01, 2026-11-01T15:00, an id or last"
        ) from error


def since_of(since: str | None, days: int | None) -> str | None:
    """Return what ``--since`` says, or ``--days`` in its place; ``UsageError`` where both are given."""
    if since is not None and days is not None:
        raise UsageError("--since and --days say the same; choose one")
    return since if days is None else f"{days}d"


def spoken(since: str) -> str:
    """Return a beginning as a person would say it: in the last 7 days, or since 2026-11-01."""
    span = _SPAN.match(since)
    if span is None:
        return f"since {since}"
    unit = _UNITS[span[2]]
    return f"in the last {span[1]} {unit}" if span[1] != "1" else f"in the last {unit.removesuffix('s')}"


def check_span(since: int | None, until: int | None) -> None:
    """Raise ``UsageError`` where nothing can lie between two instants."""
    if since is not None and until is not None and until <= since:
        raise UsageError(
            "--until is not after --since: no call can lie between them", hint="--since is the earlier one"
        )


def later(text: str | None, flag: str) -> str | None:
    """Return the instant that is meant by a span from now on (90d), a day or an instant, with its zone."""
    if text is None:
        return None
    try:
        span = _SPAN.match(text)
        if span:
            seconds = now() // 1000 + timedelta(**{_UNITS[span[2]]: int(span[1])}).total_seconds()
            return datetime.fromtimestamp(seconds, UTC).isoformat()
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{flag}: {text[:80]!r} is no time to come; use 90d, 12h or 2027-01-31") from error


def _milliseconds(text: str, reader: Reader | None) -> int:
    if text.lower() in _DAYS:
        return _midnight(_DAYS[text.lower()])
    span = _SPAN.match(text)
    if span:
        return now() - timedelta(**{_UNITS[span[2]]: int(span[1])}) // timedelta(milliseconds=1)
    identity = _ID_TIME.match(text.lower())
    if identity:
        return int(identity[1] + identity[2], 16)
    if reader is not None and _CALL.match(text.lower()):
        text = reader.interaction(text)["started_at"]
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def _midnight(days_ago: int) -> int:
    """Return when a day began here, so many days ago."""
    day = datetime.fromtimestamp(now() / 1000, UTC).astimezone().date() - timedelta(days=days_ago)
    return int(datetime.combine(day, datetime.min.time()).astimezone().timestamp() * 1000)
