"""Is a database sound? Its tables against the models, its rows against each other, its pages against SQLite.

Everything here reads. A table may have been altered by hand: a column that is gone makes every insert fail, and so does
one that must be filled and that we do not know; other additions do no harm. Those of a newer release are additions too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, inspect

from proxy.store.tables import metadata

_LARGE = (
    "SELECT coalesce(parent.relname, part.relname) FROM pg_class AS part "
    "LEFT JOIN pg_inherits ON inhrelid = part.oid LEFT JOIN pg_class AS parent ON parent.oid = inhparent "
    "WHERE part.relkind = 'r' GROUP BY 1 HAVING sum(part.reltuples) > 1000000"
)


def differences(connection: Connection) -> list[str]:
    """Return in words how the tables differ from the models in a way that does harm; [] when they do not."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    columns = inspector.get_multi_columns()
    by_table = {name: found for (_, name), found in columns.items()}
    return [word for name in metadata.tables for word in _of_table(name, by_table.get(name, []), there)]


def _of_table(name: str, found: Sequence[Any], there: set[str]) -> Iterator[str]:
    if name not in there:
        yield f"table {name} is missing"
        return
    declared = {column.name for column in metadata.tables[name].columns}
    present = {column["name"]: column for column in found}
    for column in sorted(declared - set(present)):
        yield f"table {name} has no column {column}"
    for column in sorted(set(present) - declared):
        if not present[column]["nullable"] and present[column]["default"] is None:
            yield f"table {name} has a column {column} that we do not know and that must be filled"


def row_counts(connection: Connection, *, is_quick: bool = False) -> dict[str, int]:
    """Return how many rows each of our tables has; ``is_quick`` leaves out those of Postgres that are large.

    Counting them under the locks of an upgrade would hold up every writer.
    """
    there = set(inspect(connection).get_table_names()) & set(metadata.tables)
    if is_quick and connection.dialect.name == "postgresql":
        there -= {str(row[0]) for row in connection.exec_driver_sql(_LARGE) if row[0] in there}
    return {
        name: int(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() or 0)  # noqa: S608 - our own tables
        for name in sorted(there)
    }


def foreign_key_problems(connection: Connection) -> list[str]:
    """Return rows that point at nothing (SQLite; Postgres holds to its foreign keys itself)."""
    if connection.dialect.name != "sqlite":
        return []
    found = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(10)
    return [f"a row of {row[0]} points at a row of {row[2]} that is not there" for row in found]


def page_problems(connection: Connection, *, is_quick: bool = False) -> list[str]:
    """Return what SQLite's own check finds wrong, at most 10 things; the quick form does not compare the indexes."""
    pragma = "quick_check" if is_quick else "integrity_check"
    found = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA {pragma}(10)")]
    return [] if found == ["ok"] else [_on_one_line(item) for item in found]


def _on_one_line(text: str) -> str:
    return " ".join(text.removeprefix("*** in database main ***").split())
