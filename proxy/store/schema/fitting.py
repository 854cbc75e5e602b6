"""What comes from outside against the columns that are to take it: rows back as the values they were made of.

The inverse of ``rows``. Nothing is bent to fit: what a column would not keep as it is, or a call of ours cannot say, is
a problem with its field and why. Amounts in USD that stand beside exact ones are passed over; the exact ones count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import JSON, Boolean, Column, Float, Integer, LargeBinary, Table

from proxy.domain.cost import Price
from proxy.domain.feedback import FeedbackKind, FeedbackSource
from proxy.domain.interaction import Attempt, Interaction
from proxy.domain.outcome import ContentState, CostStatus, FinishKind, Outcome, UsageSource
from proxy.errors import InvalidError, Problem
from proxy.store.schema import tables
from proxy.store.schema.columns import Identity, Instant, instant_text, milliseconds_of
from proxy.store.schema.feedback_table import FeedbackRow
from proxy.store.schema.rows import LARGEST, USD

_INTERACTION: Table = tables.InteractionRow.__table__  # type: ignore[attr-defined]
_ATTEMPT: Table = tables.AttemptRow.__table__  # type: ignore[attr-defined]
_FEEDBACK: Table = FeedbackRow.__table__  # type: ignore[attr-defined]
_PRICE: Table = tables.PriceRow.__table__  # type: ignore[attr-defined]
_WORDS: Mapping[str, Any] = {
    "outcome": Outcome, "finish_kind": FinishKind, "usage_source": UsageSource, "cost_status": CostStatus,
    "content_state": ContentState, "kind": FeedbackKind,
}  # fmt: skip
_SPELT = {name: tuple(item.value for item in words) for name, words in _WORDS.items()}
_Check = Callable[[Column[Any], object], str | None]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_LATEST_MS = 2**48
_LONGEST_KEY, _LONGEST_VALUE, _LONGEST_TAG = 100, 600, 96
"""What the rows of tags and metadata have room for."""


def interaction_of(values: Mapping[str, Any]) -> Interaction:
    """Return a call of which columns say this, those that are not named being empty; ``InvalidError`` says why not."""
    named = {name: value for name, value in values.items() if name not in USD}
    _check(_INTERACTION, named, ignored=USD)
    found = {name: _WORDS[name](value) if name in _WORDS else value for name, value in named.items()}
    found |= {name: milliseconds_of(found[name]) for name in ("started_at", "completed_at") if found.get(name)}
    found |= {name: tuple(found.get(name) or ()) for name in ("tool_names", "tags")}
    return Interaction(**found)


def attempt_of(values: Mapping[str, Any], place: str) -> Attempt:
    """Return a try of a call; errors as above, each field as it stands below ``place``."""
    _check(_ATTEMPT, values, place=place)
    return Attempt(**{**values, "started_at": milliseconds_of(values["started_at"])})


def price_of(values: Mapping[str, Any], place: str) -> Price:
    """Return a pinned price; errors as above."""
    _check(_PRICE, values, place=place)
    return Price(**values)


def feedback_of(values: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """Return a row of feedback as it stands in the table; errors as above."""
    _check(_FEEDBACK, values, place=place)
    if values["source"] not in [source.value for source in FeedbackSource]:
        raise InvalidError([Problem(_at(place, "source"), f"is none of {', '.join(FeedbackSource)}")])
    if values.get("score") is not None and not 0 <= values["score"] <= 1:
        raise InvalidError([Problem(_at(place, "score"), "is not from 0 to 1")])
    instants = {name: instant_text(milliseconds_of(values[name])) for name in ("created_at", "updated_at")}
    return {**values, **instants}


def _check(table: Table, values: Mapping[str, Any], *, place: str = "", ignored: Collection[str] = ()) -> None:
    checks = _checks(table)
    unknown = sorted(map(str, values.keys() - checks.keys()))
    problems = [Problem(_at(place, name[:60]), "is no column; was it made by a newer Dashcam?") for name in unknown]
    for name, (column, may_be_null, may_be_left_out, reason_against) in checks.items():
        value = values.get(name)
        if value is not None:
            reason = reason_against(column, value)
        elif name in values:
            reason = None if may_be_null else "is null, and must not be"
        else:
            reason = None if may_be_left_out or name in ignored else "is missing"
        if reason is not None:
            problems.append(Problem(_at(place, name), reason))
    if problems:
        raise InvalidError(problems)


@lru_cache
def _checks(table: Table) -> Mapping[str, tuple[Column[Any], bool, bool, _Check]]:
    """Return of each column: whether it may be null, whether it may be left out, and what has a value against it."""
    return {
        column.name: (column, bool(column.nullable), column.nullable or column.default is not None, _check_of(column))
        for column in table.columns
    }


def _check_of(column: Column[Any]) -> _Check:
    if column.name in _WORDS:
        return _against_word
    if column.type is Identity:
        return _against_id
    return next(check for kind, check in _KINDS if isinstance(column.type, kind))


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _against_word(column: Column[Any], value: object) -> str | None:
    words = _SPELT[column.name]
    return None if isinstance(value, str) and value in words else f"is none of {', '.join(words)}"


def _against_id(_column: Column[Any], value: object) -> str | None:
    is_one = isinstance(value, str) and _UUID.match(value)
    return None if is_one else "is no id: 36 characters of lower-case hexadecimal digits and dashes"


def _against_instant(_column: Column[Any], value: object) -> str | None:
    reason = "is no instant such as 2026-11-27T12:00:00.000Z"
    if not isinstance(value, str) or len(value) > 40:
        return reason
    try:
        found = datetime.fromisoformat(value)
        at = milliseconds_of(value)
    except (ValueError, OverflowError):
        return reason
    return None if found.tzinfo is not None and 0 <= at < _LATEST_MS else reason


def _against_truth(_column: Column[Any], value: object) -> str | None:
    return None if isinstance(value, bool) else "is neither true nor false"


def _against_whole(column: Column[Any], value: object) -> str | None:
    if type(value) is not int:
        return "is no whole number"
    if column.name == "http_status":
        return None if 100 <= value <= 999 else "is not from 100 to 999"
    return None if 0 <= value <= LARGEST else "is negative, or beyond 64 bits"


def _against_number(column: Column[Any], value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "is no number"
    return "is negative" if value < 0 and column.name.endswith("_ms") else None


def _against_json(column: Column[Any], value: object) -> str | None:
    return _SHAPES.get(column.name, _against_object)(value)


def _against_text(column: Column[Any], value: object) -> str | None:
    if not isinstance(value, str):
        return "is no text"
    length = getattr(column.type, "length", None)
    if length is not None and len(value) > length:
        return f"is longer than {length} characters"
    return "has a NUL character in it, which no database keeps" if "\0" in value else None


def _against_bytes(_column: Column[Any], _value: object) -> str | None:
    return "is not given so"


_KINDS: tuple[tuple[type, _Check], ...] = (
    (Instant, _against_instant), (JSON, _against_json), (Boolean, _against_truth), (Integer, _against_whole),
    (Float, _against_number), (LargeBinary, _against_bytes), (object, _against_text),
)  # fmt: skip


def _against_object(value: object) -> str | None:
    if not isinstance(value, dict):
        return "is no object of names and values"
    try:
        orjson.dumps(value)
    except TypeError:
        # It could be read, and would not be written.
        return "is nested too deep"
    return None


def _against_texts(value: object) -> str | None:
    if not isinstance(value, list) or any(not isinstance(item, str) for item in value):
        return "is no list of texts"
    return "has a NUL character in it, which no database keeps" if any("\0" in item for item in value) else None


def _against_tags(value: object) -> str | None:
    if reason := _against_texts(value):
        return reason
    assert isinstance(value, list)
    return (
        f"has a tag of more than {_LONGEST_TAG} characters" if any(len(tag) > _LONGEST_TAG for tag in value) else None
    )


def _against_pairs(value: object) -> str | None:
    if not isinstance(value, dict) or any(not isinstance(item, str) for item in value.values()):
        return "is no object of names and texts"
    if any("\0" in part for pair in value.items() for part in pair):
        return "has a NUL character in it, which no database keeps"
    is_long = any(len(key) > _LONGEST_KEY or len(text) > _LONGEST_VALUE for key, text in value.items())
    return (
        f"has a name of more than {_LONGEST_KEY} characters, or a text of more than {_LONGEST_VALUE}"
        if is_long
        else None
    )


def _against_counts(value: object) -> str | None:
    is_so = isinstance(value, dict) and all(type(item) is int and 0 <= item <= LARGEST for item in value.values())
    return None if is_so else "is no object of names and counts"


def _against_rates(value: object) -> str | None:
    is_so = isinstance(value, dict) and all(isinstance(item, str) and _RATE.match(item) for item in value.values())
    return None if is_so else "is no object of names and decimal numbers, written as texts"


_RATE = re.compile(r"\d{1,20}(?:\.\d{1,30})?(?:E[+-]?\d{1,2})?\Z", re.ASCII)
_SHAPES: Mapping[str, Callable[[object], str | None]] = {
    "tool_names": _against_texts, "tags": _against_tags, "metadata": _against_pairs, "quantities": _against_counts,
    "rates": _against_rates,
}  # fmt: skip
