"""Saved views as rows: a search by its name, with who saved it and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from proxy.catalogue.parsing import parse
from proxy.catalogue.view import ViewDocument
from proxy.errors import NotFoundError
from proxy.store.catalogue.values import instant_from, json_of, read_json
from proxy.store.engines.engine import Backend
from proxy.store.schema.columns import instant_text

MOST = 1000
"""So many views there may be."""
_NAMED = "name, query, columns, sort, note, author, created_at, updated_at"
_ALL = f"SELECT {_NAMED} FROM saved_view ORDER BY name"  # noqa: S608 - our own names
ONE = f"SELECT {_NAMED} FROM saved_view WHERE name = ?"  # noqa: S608 - our own names
_PUT = (
    f"INSERT INTO saved_view ({_NAMED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "  # noqa: S608
    "query = excluded.query, columns = excluded.columns, sort = excluded.sort, note = excluded.note, "
    "author = excluded.author, updated_at = excluded.updated_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A view as it is kept; ``author`` saved it last."""

    document: ViewDocument
    author: str
    created_at: datetime
    updated_at: datetime


def every(connection: Connection) -> list[SavedView]:
    """Return all views by their names."""
    return [view_of(row) for row in connection.exec_driver_sql(_ALL).mappings()]


def get(connection: Connection, name: str) -> SavedView:
    """Return a view; ``NotFoundError`` where there is none of this name."""
    row = connection.exec_driver_sql(ONE, (name,)).mappings().one_or_none()
    if row is None:
        raise missing(name)
    return view_of(row)


def missing(name: str) -> NotFoundError:
    """Return the error that there is no such view."""
    return NotFoundError(f"there is no view {name[:100]!r}", hint="dashcam views list")


def put(connection: Connection, backend: Backend, document: ViewDocument, author: str) -> SavedView:
    """Keep a view, in place of the one that has its name."""
    now = instant_text(backend.now(connection))
    columns = json_of(document.columns)
    values = (document.name, document.query, columns, document.sort, document.note, author[:200], now, now)
    connection.exec_driver_sql(_PUT, values)
    return get(connection, document.name)


def remove(connection: Connection, name: str) -> None:
    """Take a view away."""
    connection.exec_driver_sql("DELETE FROM saved_view WHERE name = ?", (name,))


def count(connection: Connection) -> int:
    """Return how many views there are."""
    return int(connection.exec_driver_sql("SELECT count(*) FROM saved_view").scalar_one())


def view_of(row: RowMapping | Mapping[str, Any]) -> SavedView:
    """Return a row as a view; ``InvalidError`` where what it says is none any more."""
    said = {name: row[name] for name in ("name", "query", "sort", "note")}
    document = parse(ViewDocument, {**said, "columns": read_json(row["columns"])}, f"views.{row['name']}")
    times = {name: instant_from(row[name]) for name in ("created_at", "updated_at")}
    return SavedView(document=document, author=row["author"], **times)
