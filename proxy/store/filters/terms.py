"""What a term of a query is in SQL: columns from one table, values always bound, the same on both engines.

A column that is NULL is not what is wanted of it, and is there where that is excluded: ``-user:kim`` lists calls
without a user too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import orjson

from proxy.domain.identity import ids_beginning
from proxy.query.fields import FIELDS, META, TRUE, Kind
from proxy.query.terms import Amount, Operator, Term, Text, Value
from proxy.store.schema.rows import TAG_KEY
from proxy.store.schema.tables import DEAR_PICO_USD, SLOW_MS

LABEL = "SELECT interaction_id FROM interaction_metadata WHERE key = ? AND value = ?"
COLUMNS = {
    "outcome": "outcome", "status": "http_status", "model": "model", "requested": "model_requested",
    "provider": "provider", "route": "route", "operation": "operation", "endpoint": "endpoint",
    "experiment": "experiment", "variant": "variant", "user": "user_id", "session": "session_id", "trace": "trace_id",
    "app": "app", "environment": "environment", "key": "key_id", "latency": "duration_ms", "ttft": "ttft_ms",
    "overhead": "overhead_ms", "cost": "cost_pico_usd", "cost_status": "cost_status", "tokens": "total_tokens",
    "input_tokens": "input_tokens", "output_tokens": "output_tokens", "cached_tokens": "cached_tokens",
    "reasoning_tokens": "reasoning_tokens", "usage": "usage_source", "tier": "service_tier", "finish": "finish_kind",
    "attempts": "attempts", "stream": "is_stream", "cache": "cache_status", "content": "content_state",
    "language": "input_language", "score": "score", "prompt": "prompt_name", "error": "error_type", "tag": "tags",
    "tool": "tool_names",
}  # fmt: skip
"""Which column a filter looks at, and ``has`` asks for."""
Sql = tuple[str, list[Any]]
_NUMBER_OF_NAME = "SELECT number FROM prompt_version AS v WHERE v.prompt = prompt_name AND v.name = ?"
INDEXED_FROM = {"duration_ms": SLOW_MS, "cost_pico_usd": DEAR_PICO_USD}
"""Columns of which an index holds the calls from so much on, and no others."""
_LONGEST_NUMBER = 9
_OF_CALL = "interaction_id = id"
_PICO = 10**12


def condition_of(term: Term) -> Sql:
    """Return the condition that a filter means, and its values; of words ``text_index`` says it."""
    if term.name == META:
        sql, values = _either(term.values, lambda value: _property(str(term.key), value))
    elif term.name in _OWN:
        sql, values = _either(term.values, _OWN[term.name])
    elif term.name == "status" and term.operator is Operator.IS:
        sql, values = _either(term.values, _status)
    elif isinstance(term.values[0], Amount):
        sql, values = _compared(term)
    else:
        sql, values = any_text(COLUMNS[term.name], term.values)
    # A condition on NULL is not true, and its NOT is not true either.
    return (f"CASE WHEN {sql} THEN 0 ELSE 1 END = 1" if term.is_excluded else f"({sql})"), values


def of_prompt(reference: str) -> Sql:
    """Return the condition for calls that used a prompt, or one version of it, and its values."""
    name, _, wanted = reference.partition("@")
    if not wanted:
        return "prompt_name = ?", [name]
    if wanted.isascii() and wanted.isdigit():
        return "(prompt_name = ? AND prompt_version = ?)", [name, int(wanted[:_LONGEST_NUMBER])]
    either = f"(prompt_name = ? AND (prompt_label = ? OR prompt_version IN ({_NUMBER_OF_NAME})))"
    return either, [name, wanted, wanted]


def _either(wanted: Sequence[Value], condition: Callable[[Value], Sql]) -> Sql:
    found = [condition(value) for value in wanted]
    return " OR ".join(sql for sql, _ in found), [value for _, values in found for value in values]


def any_text(column: str, wanted: Sequence[Value]) -> Sql:
    """Return the condition that a column is one of some texts, or begins as they say, and its values."""
    return _either(wanted, lambda value: _text(column, value))


def _text(column: str, value: Value) -> Sql:
    assert isinstance(value, Text)
    if value.is_open:
        return f"substr({column}, 1, ?) = ?", [len(value.text), value.text]
    return f"{column} = ?", [value.text]


def _compared(term: Term) -> Sql:
    """Compare a number with a column's, in the column's own unit."""
    column, kind = COLUMNS[term.name], FIELDS[term.name].kind
    bound = [_bound(kind, value.number) for value in term.values if isinstance(value, Amount)]
    if term.operator is Operator.BETWEEN:
        sql = f"{column} BETWEEN ? AND ?"
    elif term.operator is Operator.IS:
        sql = f"{column} IN ({', '.join('?' * len(bound))})"
    else:
        sql = f"{column} {term.operator} ?"
    if is_of_largest(term):
        # Said as the index says it: only so does SQLite take the index of such calls alone.
        sql = f"({sql} AND {column} >= {INDEXED_FROM[column]})"
    return sql, bound


def is_of_largest(term: Term) -> bool:
    """Return True where all calls that are meant are in the index of those alone that are so large."""
    least = INDEXED_FROM.get(COLUMNS.get(term.name, ""))
    if least is None or term.is_excluded or term.operator in (Operator.BELOW, Operator.AT_MOST):
        return False
    kind = FIELDS[term.name].kind
    return all(isinstance(value, Amount) and _bound(kind, value.number) >= least for value in term.values)


def _bound(kind: Kind, number: Decimal) -> float | int:
    if kind is Kind.MONEY:
        return int(number * _PICO)
    return float(number) if kind in (Kind.DURATION, Kind.NUMBER) else int(number)


def _status(value: Value) -> Sql:
    if isinstance(value, Amount):
        return "http_status = ?", [int(value.number)]
    assert isinstance(value, Text)
    if value.text in ("ok", "error"):
        return ("success" if value.text == "ok" else "NOT success"), []
    first = int(value.text[0]) * 100
    return "http_status BETWEEN ? AND ?", [first, first + 99]


def _prompt(value: Value) -> Sql:
    assert isinstance(value, Text)
    return _text("prompt_name", value) if value.is_open else of_prompt(value.text)


def _error(value: Value) -> Sql:
    return _either((value,), lambda one: _joined(_text("error_code", one), _text("error_type", one)))


def _joined(one: Sql, other: Sql) -> Sql:
    return f"{one[0]} OR {other[0]}", [*one[1], *other[1]]


def _tag(value: Value) -> Sql:
    assert isinstance(value, Text)
    sql, values = _text("key", Text(TAG_KEY + value.text, value.is_open))
    return f"EXISTS (SELECT interaction_id FROM interaction_metadata WHERE {sql} AND {_OF_CALL})", values  # noqa: S608 - ours


def _property(key: str, value: Value) -> Sql:
    sql, values = _text("value", value)
    inside = f"SELECT interaction_id FROM interaction_metadata WHERE key = ? AND {sql} AND {_OF_CALL}"  # noqa: S608 - ours
    return f"EXISTS ({inside})", [key, *values]


def _tool(value: Value) -> Sql:
    """Look for a name in the column's JSON: as a whole, and with the case it has, which LIKE would not look at."""
    assert isinstance(value, Text)
    text = "CAST(tool_names AS TEXT)"
    part = orjson.dumps(value.text).decode()
    return f"replace({text}, ?, '') <> {text}", [part[:-1] if value.is_open else part]


def _truth(value: Value) -> Sql:
    assert isinstance(value, Text)
    return ("is_stream" if value.text == TRUE else "NOT is_stream"), []


def _identity(value: Value) -> Sql:
    assert isinstance(value, Text)
    return "id BETWEEN ? AND ?", list(ids_beginning(value.text))


def _has(value: Value) -> Sql:
    assert isinstance(value, Text)
    return f"{COLUMNS[value.text]} IS NOT NULL", []


_OWN: dict[str, Callable[[Value], Sql]] = {
    "prompt": _prompt, "error": _error, "tag": _tag, "tool": _tool, "stream": _truth, "id": _identity, "has": _has,
}  # fmt: skip
