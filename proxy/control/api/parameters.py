"""What stands in a query: each name once and none that is not known, each value as what it is meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

from proxy.errors import Problem, UsageError

_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no", "")
_LONGEST_NUMBER = 18
_SHOWN = 60
ANY_KEY = "[*]"
"""Behind a known name: it is asked for with a key of its own, ``metadata[team]=eu``."""
_KEYED = re.compile(r"(\w+)\[(.+)\]", re.DOTALL)


class ParameterError(UsageError):
    """Something beside the body is wrong: ``problems`` says what, ``field`` is a query key or a header."""

    def __init__(self, field: str, reason: str, *, hint: str | None = None) -> None:
        self.problems = (Problem(field, reason),)
        super().__init__(f"{field} {reason}", hint=hint)


def read_query(pairs: Iterable[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    """Return the values by name; ``ParameterError`` for a name that is unknown or comes twice."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known and _any_key(name) not in known:
            names = ", ".join(known).replace(ANY_KEY, "[KEY]") or "none"
            raise ParameterError(name[:_SHOWN], "is not known in this query", hint=f"there are: {names}")
        if name in found:
            raise ParameterError(name, "is there twice; say it once")
        found[name] = value
    return found


def _any_key(name: str) -> str | None:
    """Return what stands among known names for all of the form ``name[KEY]``."""
    found = _KEYED.fullmatch(name)
    return f"{found[1]}{ANY_KEY}" if found else None


def truth(query: Mapping[str, str], name: str) -> bool:
    """Return whether something is said to be so; no word of it is no."""
    said = query.get(name, "").lower()
    if said not in _TRUE + _FALSE:
        raise ParameterError(name, "must be true or false")
    return said in _TRUE


def number(query: Mapping[str, str], name: str) -> int | None:
    """Return the number that a row of a list has as its id, None where none is named."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < _LONGEST_NUMBER):
        raise ParameterError(name, "is the id of a row of this list, a whole number")
    return int(text)


def instant(query: Mapping[str, str], name: str) -> datetime | None:
    """Return the instant that is named; a day is its beginning, and what has no time zone is UTC."""
    text = query.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ParameterError(name, "is an instant, such as 2026-11-01 or 2026-11-01T08:00:00Z") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def day(query: Mapping[str, str], name: str) -> date | None:
    """Return the day that is named."""
    text = query.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ParameterError(name, "is a day, such as 2026-11-01") from error


def words(query: Mapping[str, str], name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a list with commas; each is one of those that are known."""
    found = tuple(word.strip() for word in query.get(name, "").split(",") if word.strip())
    if unknown := [word for word in found if word not in known]:
        raise ParameterError(name, f"names {unknown[0][:_SHOWN]!r}; there are: {', '.join(known)}")
    return found
