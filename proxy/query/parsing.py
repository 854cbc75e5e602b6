"""From what was typed to a query. Whatever the text, it ends in a query or in ``QueryError``, which says where and why.

::

    query   = [ term { space term } ]
    term    = ["-"] ( word ["*"] | quoted ["*"] | name ":" [operator] value { "," value } | name ":" value ".." value )
    name    = one of the filters | ("meta." | "tag.") key
    value   = text | text "*" | quoted | quoted "*"

A quoted text is between double quotes; in it a backslash stands before a quote or a backslash that means itself.
Bounded: so many characters, terms and values; every step moves on in the text.
"""

from __future__ import annotations

import re
from typing import NoReturn

from proxy.errors import UsageError
from proxy.query.fields import ALIASES, COMPARABLE, FIELDS, META, META_FIELD, NAMES, Field, Kind
from proxy.query.terms import RESERVED, Amount, Operator, Query, Term, Text, Value, Word
from proxy.query.values import close_to, read_value
from proxy.query.words import phrase_of

LONGEST = 2000
MOST_TERMS = 30
MOST_VALUES = 20
_SHOWN = 40
_UNUSABLE = re.compile(r"[\x00\ud800-\udfff]")
_OPERATORS = (Operator.AT_LEAST, Operator.AT_MOST, Operator.ABOVE, Operator.BELOW)
_KEYED = (f"{META}.", "tag.")
_MANY = f"more than {MOST_VALUES} values"


class QueryError(UsageError):
    """A query is none: ``reason`` says why, ``position`` the character (from 0) where."""

    code = "query_invalid"

    def __init__(self, text: str, position: int, reason: str, *, hint: str | None = None) -> None:
        self.position, self.reason = position, reason
        part = text[position : position + _SHOWN]
        near = "".join(sign if sign.isprintable() else "?" for sign in part)
        place = f"character {position + 1}, {near!r}" if near else "its end"
        super().__init__(f"the query cannot be understood at {place}: {reason}", hint=hint)


def parse(text: str) -> Query:
    """Return the query that a text is."""
    _check(text)
    return Query(tuple(_Scanner(text).terms()))


def parse_filter(name: str, text: str) -> Term:
    """Return the term of one filter, of which only what stands behind the colon is given; spaces are part of it."""
    _check(text)
    return _Scanner(text, is_spaced=True).filter_alone(name)


def _check(text: str) -> None:
    if len(text) > LONGEST:
        raise QueryError("", 0, f"it has more than {LONGEST} characters")
    if unusable := _UNUSABLE.search(text):
        raise QueryError(text, unusable.start(), "a character that no text has")


class _Scanner:
    """A place in a text. ``is_spaced``: spaces end nothing."""

    def __init__(self, text: str, *, is_spaced: bool = False) -> None:
        self._text, self._at = text, 0
        self._is_spaced = is_spaced

    # -- terms ----------------------------------------------------------------------------------------------

    def terms(self) -> list[Term | Word]:
        found: list[Term | Word] = []
        while self._skip_space():
            if len(found) == MOST_TERMS:
                self._fail(f"more than {MOST_TERMS} filters and words")
            found.append(self._term())
            if self._next() and not self._next().isspace():
                self._fail("a space is missing before this")
        return found

    def filter_alone(self, name: str) -> Term:
        if not self._text:
            self._fail("a value is missing")
        term = self._filter(name, None, 0, is_excluded=False)
        if self._next():
            self._fail("this is too much")
        return term

    def _term(self) -> Term | Word:
        start = self._at
        is_excluded = self._take("-")
        if self._next() == '"':
            return self._word(self._quoted_text(), start, is_open=self._take("*"), is_excluded=is_excluded)
        name = self._bare(':"')
        if self._next() == '"' and name in _KEYED:
            key = self._quoted_text()
            if self._next() != ":":
                self._fail("a colon is missing behind the property's name")
        else:
            key = None
        if self._take(":"):
            return self._filter(name, key, start, is_excluded=is_excluded)
        return self._bare_word(name, start, is_excluded=is_excluded)

    def _bare_word(self, text: str, start: int, *, is_excluded: bool) -> Word:
        if not text:
            self._fail("a word or filter stands right behind a minus", start)
        if text in RESERVED or text[0] in "()":
            hint = "all terms must hold; one of several values is outcome:timed_out,client_gone; - excludes"
            self._fail("this joins nothing here; quote it to look for the word itself", start, hint)
        stem = text.removesuffix("*")
        return self._word(stem, start, is_open=stem != text, is_excluded=is_excluded)

    def _word(self, text: str, start: int, *, is_open: bool, is_excluded: bool) -> Word:
        if phrase_of(text) is None:
            self._fail("there is no letter and no digit in this to look for", start)
        return Word(text, is_excluded, is_open)

    def _filter(self, name: str, key: str | None, start: int, *, is_excluded: bool) -> Term:
        field, key = self._field(name, key, start)
        if field.kind is Kind.INSTANT and is_excluded:
            self._fail("a time cannot be excluded; since and until are each other's opposite", start)
        operator = self._operator(field)
        values = [self._value(field)]
        if operator is Operator.IS and isinstance(values[0], tuple):
            return Term(field.name, values[0], Operator.BETWEEN, key, is_excluded)
        while self._take(","):
            if operator is not Operator.IS or field.kind is Kind.INSTANT:
                self._fail("only one value can be compared with")
            if len(values) == MOST_VALUES:
                self._fail(_MANY)
            values.append(self._value(field))
        plain = [value for value in values if not isinstance(value, tuple)]
        if len(plain) < len(values):
            self._fail("a range stands alone")
        self._check_compared(operator, plain[0])
        return Term(field.name, tuple(plain), operator, key, is_excluded)

    def _check_compared(self, operator: Operator, value: Value) -> None:
        if operator is not Operator.IS and isinstance(value, Text):
            self._fail("only numbers are more or less")

    def _field(self, name: str, key: str | None, start: int) -> tuple[Field, str | None]:
        lowered = name.lower()
        for prefix in _KEYED:
            if lowered.startswith(prefix):
                wanted = key if key is not None else name[len(prefix) :]
                if not wanted:
                    self._fail("the property's name is missing: meta.team:eu", start)
                return META_FIELD, wanted
        lowered = ALIASES.get(lowered, lowered)
        if lowered not in FIELDS:
            reason = f"there is no such filter{close_to(lowered, tuple(FIELDS))}; quote a colon that is looked for"
            self._fail(reason, start, f"the filters are {', '.join(NAMES)}")
        return FIELDS[lowered], None

    def _operator(self, field: Field) -> Operator:
        start = self._at
        for operator in _OPERATORS:
            if self._take(operator):
                if field.kind not in COMPARABLE:
                    self._fail(f"{field.name} cannot be compared; write {field.name}:VALUE ({field.about})", start)
                return operator
        self._take("=")
        return Operator.IS

    def _value(self, field: Field) -> Value | tuple[Value, ...]:
        start = self._at
        if self._next() == '"':
            text = self._quoted_text()
            if self._next() == "*" and field.kind is Kind.TEXT:
                self._at += 1
                return Text(text, is_open=True)
            return self._read(field, text, start, is_quoted=True)
        text = self._bare(',"')
        if not text:
            self._fail(f"a value is missing ({field.about})", start)
        if field.kind in COMPARABLE and ".." in text:
            low, _, high = text.partition("..")
            ends = (self._read(field, low, start), self._read(field, high, start))
            if not _is_range(*ends):
                self._fail("a range is between two numbers, the smaller one first", start)
            return ends
        return self._read(field, text, start)

    def _read(self, field: Field, text: str, start: int, *, is_quoted: bool = False) -> Value:
        try:
            return read_value(field, text, is_quoted=is_quoted)
        except ValueError as error:
            self._fail(f"{field.name}: {error}", start)

    # -- characters -----------------------------------------------------------------------------------------

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> bool:
        is_there = self._text.startswith(sign, self._at)
        self._at += len(sign) if is_there else 0
        return is_there

    def _skip_space(self) -> bool:
        """Move to the next term; False at the end."""
        while self._next().isspace():
            self._at += 1
        return self._at < len(self._text)

    def _bare(self, stops: str) -> str:
        start = self._at
        while (sign := self._next()) and sign not in stops and (self._is_spaced or not sign.isspace()):
            self._at += 1
        return self._text[start : self._at]

    def _quoted_text(self) -> str:
        start, made = self._at, []
        self._at += 1
        while (sign := self._next()) != '"':
            if not sign:
                self._fail("this quote is not closed", start)
            if sign == "\\":
                self._at += 1
                sign = self._next()
                if sign not in ('"', "\\"):
                    self._fail('a backslash in quotes stands before " or \\ only', self._at - 1)
            made.append(sign)
            self._at += 1
        self._at += 1
        if not made:
            self._fail("there is nothing between these quotes", start)
        return "".join(made)

    def _fail(self, reason: str, position: int | None = None, hint: str | None = None) -> NoReturn:
        raise QueryError(self._text, self._at if position is None else position, reason, hint=hint)


def _is_range(low: Value, high: Value) -> bool:
    return isinstance(low, Amount) and isinstance(high, Amount) and low.number <= high.number
