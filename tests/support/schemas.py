"""Databases at earlier revisions with a row in every table, and folders of revisions of a test's own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Connection, MetaData, Table, select

from proxy.resources import migrations_folder
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.engine import backend_of
from proxy.store.schema.tables import metadata

Row = dict[str, Any]
INSTANT = "2026-11-01T00:00:00.000Z"
WORDS = {
    "outcome": "completed", "finish_kind": "stop", "cost_status": "computed", "content_state": "stored",
    "http_status": 200, "compatible_with": "0001",
}  # fmt: skip


def folder_with(tmp_path: Path, revisions: Mapping[str, str]) -> Path:
    """Return a copy of the migrations with revisions added: file name without ``.py`` → what is in it."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, body in revisions.items():
        revision = name[:4]
        before = f"{int(revision) - 1:04d}"
        head = f"import sqlalchemy as sa\nfrom alembic import op\nrevision = {revision!r}\ndown_revision = {before!r}\n"
        (folder / "versions" / f"{name}.py").write_text(head + body)
    return folder


def fill_every_table(database: DatabaseSettings, number: int = 1) -> dict[str, list[Row]]:
    """Put a row into every table as it is now, another one for each number; return what is there then."""
    with _connected(database) as connection:
        tables = _reflected(connection)
        for name, table in tables.items():
            if name == "text_unindexed" and connection.execute(table.select()).first() is not None:
                # A trigger has noted the text that was put in before.
                continue
            connection.execute(table.insert().values({c.name: _value(c, number) for c in table.columns}))
        return _rows(connection, tables)


def stored(database: DatabaseSettings) -> dict[str, list[Row]]:
    """Return the rows of each table as they are stored, but of those that say what was applied."""
    with _connected(database) as connection:
        return _rows(connection, _reflected(connection))


def _rows(connection: Connection, tables: Mapping[str, Table]) -> dict[str, list[Row]]:
    return {
        name: [dict(row) for row in connection.execute(select(*table.columns)).mappings()]
        for name, table in tables.items()
    }


@contextlib.contextmanager
def _connected(database: DatabaseSettings) -> Iterator[Connection]:
    engine = backend_of(database).upgrader()
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _reflected(connection: Connection) -> dict[str, Table]:
    found = MetaData()
    found.reflect(connection)
    names = [name for name in found.tables if name in metadata.tables and name != "schema_revision"]
    return {name: found.tables[name] for name in names}


def _value(column: Column[Any], number: int) -> Any:
    if column.name in WORDS:
        return WORDS[column.name]
    if column.name in ("id", "interaction_id", "parent_id", "last_id", "done_to") and column.table.name != "price":
        return f"0193a3e2-7b1c-7000-8000-{number:012d}"
    kind = column.type.python_type
    if kind is bool:
        return True
    if kind is datetime:
        return datetime.fromisoformat(INSTANT)
    if isinstance(column.type, JSON):
        return {"a": number}
    if kind in (int, float):
        return kind(number)
    if kind is bytes:
        return b"\x00\xff%d" % number
    if kind is str:
        return (INSTANT if column.name.endswith("_at") else f"{column.name} {number}")[: column.type.length or 100]  # type: ignore[attr-defined]
    raise AssertionError(f"no value for {column.name} of {kind}")
