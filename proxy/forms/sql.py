"""Calls as SQL that SQLite and Postgres take alike: one table, an INSERT for each call, nothing else.

``sqlite3 calls.db < FILE`` or ``psql -f FILE`` makes the table ``dashcam_call``. What is JSON is a text. Read back it
is never executed: ``values_of`` takes a statement apart that looks exactly as one of ours, and nothing else is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from proxy.errors import InvalidError, Problem
from proxy.forms.calls import BESIDE
from proxy.forms.text import json_text
from proxy.forms.writing import Form
from proxy.store.contents.parts import Parts
from proxy.store.schema.decoding import Row
from proxy.store.schema.rows import KINDS

TABLE = "dashcam_call"
_TYPES = {
    "instant": "timestamp with time zone", "json": "text", "truth": "boolean", "whole": "bigint",
    "number": "double precision", "text": "text",
}  # fmt: skip
_OBJECTS = frozenset(("attempts_made", "price", "feedback", "request_body", "response_body"))
_BEGINNING = f"""-- Calls that Dashcam has exported: sqlite3 calls.db < FILE, or psql -f FILE, makes a table of them.
-- dashcam import FILE reads them back; it executes nothing.
CREATE TABLE IF NOT EXISTS {TABLE} ({{columns}});
BEGIN;
"""
_INSERT = re.compile(rb'INSERT INTO %s \(("\w+"(?:, "\w+")*)\) VALUES \(' % TABLE.encode(), re.ASCII)
_LITERAL = re.compile(rb"(NULL)|(TRUE|FALSE)|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|'([^']*(?:''[^']*)*)'")
_BESIDE_CALLS = re.compile(rb"--[^\n]*|CREATE TABLE IF NOT EXISTS %s \([^']*\);|BEGIN;|COMMIT;|\s*" % TABLE.encode())


class SqlDump(Form):
    """A statement for each call, in one transaction."""

    closing = b"COMMIT;\n"

    def __init__(self, columns: Sequence[str], *, has_content: bool) -> None:
        super().__init__(columns, has_content=has_content)
        self._names = (*self.columns, *(BESIDE if has_content else ()))
        self._insert = f"INSERT INTO {TABLE} ({', '.join(_quoted(self._names))}) VALUES (".encode()  # noqa: S608 - a file

    def opening(self) -> bytes:
        """Return what makes the table."""
        columns = (f"{_quoted([name])[0]} {_TYPES[KINDS.get(name, 'text')]}" for name in self._names)
        key = ', PRIMARY KEY ("id")' if "id" in self._names else ""
        return _BEGINNING.format(columns=", ".join(columns) + key).encode()

    def call(self, row: Row, parts: Parts | None, *, is_first: bool) -> bytes:
        """Return the statement."""
        values = self._object(row, parts)
        literals = (_literal(name, values[name]) for name in self._names)
        return self._insert + b", ".join(literals) + b");\n"


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def _literal(name: str, value: Any) -> bytes:
    if value is None:
        return b"NULL"
    if isinstance(value, bool):
        return b"TRUE" if value else b"FALSE"
    if isinstance(value, int | float):
        return orjson.dumps(value)
    text = value if isinstance(value, str) and not _is_json(name) else json_text(value)
    return b"'" + text.encode().replace(b"'", b"''") + b"'"


def _is_json(name: str) -> bool:
    return name in _OBJECTS or KINDS.get(name) == "json"


def is_statement(line: bytes) -> bool:
    """Return True for a line that may begin a statement of ours, or stands beside them; no JSON does."""
    return line.startswith((b"INSERT ", b"CREATE ", b"BEGIN;", b"COMMIT;", b"--"))


def values_of(statement: bytes) -> dict[str, Any] | None:
    """Return the values of a call by their columns, None for what stands beside calls; ``InvalidError``: neither."""
    begins = _INSERT.match(statement)
    if begins is None:
        if _BESIDE_CALLS.fullmatch(statement):
            return None
        raise _wrong("is no statement of an export of ours")
    names = [name.strip(b'"').decode() for name in begins[1].split(b", ")]
    if len(set(names)) < len(names):
        raise _wrong("names a column twice")
    values = list(_values(statement, begins.end()))
    if len(values) != len(names):
        raise _wrong("has not a value for each column")
    return {name: _meant(name, value) for name, value in zip(names, values, strict=True)}


def _values(statement: bytes, at: int) -> Iterator[Any]:
    while True:
        found = _LITERAL.match(statement, at)
        if found is None:
            raise _wrong("has something else in it than values")
        yield _READ[(found.lastindex or 1) - 1](found[found.lastindex or 1])
        at = found.end()
        if statement[at : at + 2] == b", ":
            at += 2
        elif statement[at:].rstrip() == b");":
            return
        else:
            raise _wrong("has something else in it than values")


def _number(literal: bytes) -> int | float:
    try:
        return int(literal) if literal.lstrip(b"-").isdigit() and len(literal) < 25 else float(literal)
    except ValueError as error:
        raise _wrong("has a number that is none") from error


def _text(literal: bytes) -> str:
    try:
        return literal.replace(b"''", b"'").decode()
    except UnicodeDecodeError as error:
        raise _wrong("is not in UTF-8") from error


_READ: tuple[Callable[[bytes], Any], ...] = (lambda _: None, lambda literal: literal == b"TRUE", _number, _text)


def _meant(name: str, value: Any) -> Any:
    if value is None or not _is_json(name):
        return value
    if not isinstance(value, str):
        raise InvalidError([Problem(name, "is no text with JSON in it")])
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidError([Problem(name, "is no JSON")]) from error


def _wrong(reason: str) -> InvalidError:
    return InvalidError([Problem("", reason)])
