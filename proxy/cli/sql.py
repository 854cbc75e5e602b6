"""``dashcam sql``: one statement, read-only; without one, what there is to ask of."""

from __future__ import annotations

import math
import os
import sys
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from proxy.cli.rows import print_rows, shown
from proxy.cli.terminal import json_text
from proxy.errors import UsageError
from proxy.settings.values import Settings
from proxy.store.engines.sql import ask, too_slow

_SQLITE = (
    "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' "
    "ORDER BY 2 DESC, 1"
)
_POSTGRES = (
    "SELECT c.relname AS name, CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS type FROM pg_class c "
    "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition "
    "ORDER BY 2 DESC, 1"
)
_MOST_LISTED = 1000
_LARGEST = 2**63 - 1
"""Of whole numbers; a larger one is a text, as what Postgres calls numeric is."""


def run(settings: Settings, statement: str, limit: int, seconds: float, *, as_json: bool) -> None:
    """Print what a statement gives; an empty one is read from standard input, or lists tables and views."""
    if not statement and not sys.stdin.isatty():
        statement = sys.stdin.read().strip()
    is_list = not statement
    if is_list:
        statement, limit = (_POSTGRES if settings.database.is_postgres else _SQLITE), _MOST_LISTED
    if "\0" in statement:
        raise UsageError("the statement holds a NUL, which no engine takes")
    answer = ask(settings.database, statement, limit, seconds, partial(_leave, seconds))
    plain = _plain if as_json else _in_a_line
    rows = [dict(zip(answer.columns, map(plain, row), strict=True)) for row in answer.rows]
    print_rows(rows, dict.fromkeys(answer.columns, _shown), as_json=as_json, may_be_tall=True)
    sys.stdout.flush()
    if answer.has_more:
        print(
            f"dashcam: these are the first {limit:,}; more with: --limit {min(limit * 10, 1_000_000)}", file=sys.stderr
        )
    elif is_list and sys.stdout.isatty():
        print('Ask one, as in: dashcam sql "SELECT * FROM v_daily_cost LIMIT 5"', file=sys.stderr)


def _leave(seconds: float) -> None:
    """End the program from the thread that watches: SQLite is at one thing that nothing else ends, and only reads."""
    error = too_slow(seconds)
    print(f"dashcam: {error.message}\n  next: {error.hint}", file=sys.stderr, flush=True)
    os._exit(2)


def _shown(value: Any) -> str:
    """Return a value for a terminal: a number to twelve digits and without an exponent."""
    if not isinstance(value, float) or not math.isfinite(value):
        return shown(value)
    return f"{Decimal(f'{value:.12g}'):f}"


def _in_a_line(value: Any) -> Any:
    """Return a value as a table has it: what a Postgres gives as a list or an object is JSON there, as in SQLite."""
    plain = _plain(value)
    return json_text(plain) if isinstance(plain, list | dict) else plain


def _plain(value: Any) -> Any:
    """Return a value that JSON has, too."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"\\x{bytes(value).hex()}" if isinstance(value, bytes | memoryview) else str(value)
