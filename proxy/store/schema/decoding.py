"""Rows as the drivers give them, with what is JSON in them as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from proxy.errors import StoreError
from proxy.store.schema.rows import JSON, TRUTHS

Row = dict[str, Any]
_JSON = frozenset((*JSON, "headers", "edits", "rates", "dropped"))


class _Columns(dict[str, Any]):
    """A row of a table that somebody may have altered by hand."""

    def __missing__(self, name: str) -> Any:
        raise StoreError(f"the database was altered by hand: a column {name} is gone", hint="dashcam db check")


def decoded(row: Mapping[str, Any]) -> Row:
    """Return a row with its JSON columns as values; asked for a column that is gone it raises ``StoreError``."""
    values = _Columns(row)
    for name in _JSON & values.keys():
        if isinstance(values[name], str):
            values[name] = orjson.loads(values[name])
    return values


def with_truths(row: Row) -> Row:
    """Return a row whose truths are true and false, as JSON has them, not the 1 and 0 of SQLite."""
    told = _Columns(row)
    told.update({name: bool(row[name]) for name in TRUTHS if row.get(name) is not None})
    return told
