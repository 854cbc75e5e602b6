"""What a query is once it is understood: terms, all of which must hold, and their one way to be written.

Writing a query and reading it again gives the same query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from proxy.query.fields import FIELDS, META, Kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RESERVED = ("AND", "OR", "NOT")
"""Words that mean something elsewhere, and would be looked for here."""
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+=-]*\Z")
_UNITS = (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))


class Operator(StrEnum):
    """How a value is compared, as it is written; a range has two values, both included."""

    IS = ""
    AT_LEAST = ">="
    AT_MOST = "<="
    ABOVE = ">"
    BELOW = "<"
    BETWEEN = ".."


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it is, or (``is_open``) all that begin so."""

    text: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Amount:
    """A number in the filter's own unit: milliseconds, US dollars, tokens."""

    number: Decimal


@dataclass(frozen=True, slots=True)
class Ago:
    """A span back from when the query is asked, in milliseconds."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, in Unix milliseconds."""

    milliseconds: int


Value = Text | Amount | Ago | Moment


@dataclass(frozen=True, slots=True)
class Term:
    """One filter; of several values one must hold. ``key`` is a property's."""

    name: str
    values: tuple[Value, ...]
    operator: Operator = Operator.IS
    key: str | None = None
    is_excluded: bool = False

    def __str__(self) -> str:
        sign, name = "-" if self.is_excluded else "", self.name
        if self.key is not None:
            name = f"{name}.{_quoted(self.key)}"
        texts = [_written(self.name, value) for value in self.values]
        if self.operator is Operator.BETWEEN:
            return f"{sign}{name}:{'..'.join(texts)}"
        return f"{sign}{name}:{self.operator}{','.join(texts)}"


@dataclass(frozen=True, slots=True)
class Word:
    """A word or phrase that the question or the answer holds, or does not; ``is_open``: or a word that begins so."""

    text: str
    is_excluded: bool = False
    is_open: bool = False

    def __str__(self) -> str:
        text = _quoted(self.text, is_always=self.text in RESERVED) + ("*" if self.is_open else "")
        return f"-{text}" if self.is_excluded else text


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that must hold of a call; nothing is every call."""

    terms: tuple[Term | Word, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def words(self) -> tuple[Word, ...]:
        """Return what must be found in the texts."""
        return tuple(item for item in self.terms if isinstance(item, Word) and not item.is_excluded)


def _written(name: str, value: Value) -> str:
    if isinstance(value, Text):
        return f"{_quoted(value.text)}*" if value.is_open else _quoted(value.text)
    if isinstance(value, Amount):
        unit = "ms" if name != META and FIELDS[name].kind is Kind.DURATION else ""
        return f"{value.number:f}{unit}"
    if isinstance(value, Ago):
        unit, length = next(pair for pair in _UNITS if value.milliseconds % pair[1] == 0)
        return f"{value.milliseconds // length}{unit}"
    moment = EPOCH + timedelta(milliseconds=value.milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(text: str, *, is_always: bool = False) -> str:
    if not is_always and _PLAIN.match(text) and ".." not in text:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
