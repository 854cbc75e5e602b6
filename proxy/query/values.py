"""The value behind a filter's colon, of each kind. What is none raises ``ValueError`` with what would be one.

Every number has a largest one, so that no database is given what it has no room for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from proxy.query.fields import FALSE, TRUE, Field, Kind
from proxy.query.terms import EPOCH, Ago, Amount, Moment, Text, Value

_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?\Z", re.ASCII)
_WHOLE = re.compile(r"(\d{1,16}(?:\.\d{1,6})?)([kKM]?)\Z", re.ASCII)
_DURATION = re.compile(r"(\d{1,13}(?:\.\d{1,6})?)(ms|s|m|h)\Z", re.ASCII)
_MONEY = re.compile(r"\$?(\d{1,9}(?:\.\d{1,12})?)\Z", re.ASCII)
_SPAN = re.compile(r"(\d{1,6})([smhdw])\Z", re.ASCII)
_STATUS = re.compile(r"[1-9]xx\Z")
_IDENTITY = re.compile(r"[0-9a-f-]{6,36}\Z")
_TIMES = {"": 1, "k": 1000, "K": 1000, "M": 1_000_000}
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MOST_WHOLE, _MOST_USD, _MOST_MS = 9 * 10**15, 9_000_000, 9 * 10**12
_LATEST = 253_402_300_799_999  # the last millisecond of the year 9999, behind which no date has a text
_TRUTHS = {"yes": TRUE, "true": TRUE, "1": TRUE, "no": FALSE, "false": FALSE, "0": FALSE}


def read_value(field: Field, text: str, *, is_quoted: bool = False) -> Value:
    """Return what a text means for a filter; what is quoted is taken as it is, where texts are taken at all."""
    return _READERS[field.kind](field, text, is_quoted)


def close_to(word: str, known: tuple[str, ...]) -> str:
    """Return which known word may be meant, as a remark in brackets, or nothing."""
    close = difflib.get_close_matches(word[:40], known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _text(_field: Field, text: str, is_quoted: bool) -> Value:
    if not text:
        raise ValueError("a value is missing")
    if is_quoted or "*" not in text:
        return Text(text)
    if "*" in text[:-1] or text == "*":
        raise ValueError("an asterisk stands at the end of what a text begins with; quote one that means itself")
    return Text(text[:-1], is_open=True)


def _word(field: Field, text: str, _is_quoted: bool) -> Value:
    if text not in field.words:
        raise ValueError(f"no such word{close_to(text, field.words)}; there are: {', '.join(field.words)}")
    return Text(text)


def _identity(_field: Field, text: str, _is_quoted: bool) -> Value:
    lowered = text.lower()
    if not _IDENTITY.match(lowered) or len(lowered.replace("-", "")) < 6:
        raise ValueError("an id is at least 6 characters of 0-9 and a-f")
    return Text(lowered)


def _number(_field: Field, text: str, _is_quoted: bool) -> Value:
    if not _NUMBER.match(text):
        raise ValueError("no number; write it as 3, 0.25 or -1")
    return Amount(Decimal(text))


def _whole(_field: Field, text: str, _is_quoted: bool) -> Value:
    found = _WHOLE.match(text)
    number = Decimal(found[1]) * _TIMES[found[2]] if found else Decimal("0.5")
    if number != number.to_integral_value() or number > _MOST_WHOLE:
        raise ValueError(f"no whole number up to {_MOST_WHOLE}; write it as 1000, 1k or 2M")
    return Amount(Decimal(int(number)))


def _duration(_field: Field, text: str, _is_quoted: bool) -> Value:
    found = _DURATION.match(text)
    number = Decimal(found[1]) * _MILLISECONDS[found[2]] if found else Decimal(-1)
    if not 0 <= number <= _MOST_MS:
        raise ValueError("no duration; write it with its unit: 200ms, 2s, 1.5m, 1h")
    return Amount(number)


def _money(_field: Field, text: str, _is_quoted: bool) -> Value:
    found = _MONEY.match(text)
    if not found or Decimal(found[1]) > _MOST_USD:
        raise ValueError(f"no amount in US dollars up to {_MOST_USD}; write it as 0.01 or $2.50")
    return Amount(Decimal(found[1]))


def _status(_field: Field, text: str, _is_quoted: bool) -> Value:
    if text in ("ok", "error") or _STATUS.match(text):
        return Text(text)
    if text.isascii() and text.isdigit() and len(text) == 3 and text[0] != "0":
        return Amount(Decimal(text))
    raise ValueError("no status; there are: ok, error, 4xx, or a number such as 404")


def _truth(_field: Field, text: str, _is_quoted: bool) -> Value:
    if text.lower() not in _TRUTHS:
        raise ValueError("it is yes or no")
    return Text(_TRUTHS[text.lower()])


def _instant(_field: Field, text: str, _is_quoted: bool) -> Value:
    span = _SPAN.match(text)
    if span:
        return Ago(int(span[1]) * _MILLISECONDS[span[2]])
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        milliseconds = (aware - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise ValueError("no time; write it as 7d, 3h, 2026-11-01 or 2026-11-01T08:00:00Z") from error
    if not 0 <= milliseconds <= _LATEST:
        raise ValueError("a time is between the years 1970 and 9999")
    return Moment(milliseconds)


_READERS: dict[Kind, Callable[[Field, str, bool], Value]] = {
    Kind.TEXT: _text,
    Kind.WORD: _word,
    Kind.IDENTITY: _identity,
    Kind.NUMBER: _number,
    Kind.WHOLE: _whole,
    Kind.DURATION: _duration,
    Kind.MONEY: _money,
    Kind.STATUS: _status,
    Kind.TRUTH: _truth,
    Kind.INSTANT: _instant,
}
