"""Is a database sound? Its tables against the models, its rows against each other, its pages against SQLite.

Everything here reads. A table may have been altered by hand: a column that is gone makes every insert fail, and so does
one that must be filled and that we do not know; other additions do no harm. Those of a newer release are additions too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Inspector, Table, inspect
from sqlalchemy.schema import CreateColumn, CreateIndex

from proxy.store.schema.tables import metadata

_LARGE = (
    "SELECT coalesce(parent.relname, part.relname) FROM pg_class AS part "
    "LEFT JOIN pg_inherits ON inhrelid = part.oid LEFT JOIN pg_class AS parent ON parent.oid = inhparent "
    "WHERE part.relkind = 'r' GROUP BY 1 HAVING sum(part.reltuples) > 1000000"
)


OUR_TRIGGERS = "text_index_"
_TEXT_INDEX = {"sqlite": ("text_index", "text_index_apart"), "postgresql": ("text_index",)}
_TEXT_INDEX_TRIGGERS = ("text_index_added", "text_index_changed", "text_index_removed")
VIEWS = (
    "prompt_history", "v_daily_cost", "v_daily_use", "v_expensive", "v_failures", "v_hourly", "v_model_latency",
    "v_prompt_performance", "v_sessions", "v_slowest", "v_tools", "v_users",
)  # fmt: skip
"""What people and their tools ask; no row needs them."""
_TRIGGERS = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND relnamespace = quote_ident(current_schema())::regnamespace ORDER BY tgname",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a table is not as declared, and the statement that mends it where one does."""

    words: str
    remedy: str | None = None

    def __str__(self) -> str:
        return self.words


def differences(connection: Connection) -> list[Difference]:
    """Return how the tables differ from the models in a way that keeps rows out; [] when they do not."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    ours = sorted(there & set(metadata.tables))
    columns = {name: found for (_, name), found in inspector.get_multi_columns(filter_names=ours).items()}
    indexes = {name: found for (_, name), found in inspector.get_multi_indexes(filter_names=ours).items()}
    found: list[Difference] = []
    for name, table in sorted(metadata.tables.items()):
        if name not in there:
            found.append(Difference(f"table {name} is missing"))
            continue
        found += _of_columns(table, columns.get(name, []), connection.dialect)
        found += _of_unique_indexes(table, indexes.get(name, []), connection.dialect)
    return found


def _of_columns(table: Table, found: Sequence[Any], dialect: Dialect) -> Iterator[Difference]:
    declared = {column.name: column for column in table.columns}
    present = {column["name"]: column for column in found}
    for column in sorted(set(declared) - set(present)):
        said = str(CreateColumn(declared[column]).compile(dialect=dialect)).strip()
        # What must be filled cannot be added to rows that are there: nobody knows what was in it.
        remedy = f"ALTER TABLE {table.name} ADD COLUMN {said}" if declared[column].nullable else None
        yield Difference(f"table {table.name} has no column {column}", remedy)
    for column in sorted(set(present) - set(declared)):
        if not present[column]["nullable"] and present[column]["default"] is None:
            words = f"table {table.name} has a column {column} that we do not know and that must be filled"
            yield Difference(words, f"ALTER TABLE {table.name} DROP COLUMN {column}")


def _of_unique_indexes(table: Table, found: Sequence[Any], dialect: Dialect) -> Iterator[Difference]:
    """Rows are put in "unless they are there", which an index has to say."""
    present = {tuple(item["column_names"]) for item in found if item["unique"]}
    for index in sorted((item for item in table.indexes if item.unique), key=lambda item: str(item.name)):
        if tuple(column.name for column in index.columns) not in present:
            words = f"table {table.name} has no unique index {index.name}"
            yield Difference(words, str(CreateIndex(index).compile(dialect=dialect)).strip())


def missing_views(connection: Connection) -> list[str]:
    """Return the views that are gone; no call is kept out by that, and whoever asks them is told an error."""
    there = set(inspect(connection).get_view_names())
    return [name for name in VIEWS if name not in there]


def missing_of_text_index(connection: Connection) -> list[str]:
    """Return what of the full-text index is gone: without a trigger it misses texts, and nobody is told."""
    inspector, dialect = inspect(connection), connection.dialect.name
    triggers = {name for name, _ in connection.exec_driver_sql(_TRIGGERS[dialect])}
    tables = [name for name in _TEXT_INDEX[dialect] if not inspector.has_table(name)]
    found = [f"table {name} is missing, and words cannot be searched for" for name in tables]
    return found + [f"trigger {name} is missing" for name in _TEXT_INDEX_TRIGGERS if name not in triggers]


def missing_indexes(connection: Connection) -> list[Difference]:
    """Return the indexes that are gone and that only make answers quick, each with what makes it anew."""
    inspector = inspect(connection)
    ours = sorted(set(inspector.get_table_names()) & set(metadata.tables))
    there = {item["name"] for found in inspector.get_multi_indexes(filter_names=ours).values() for item in found}
    return [
        Difference(
            f"index {index.name} is missing", str(CreateIndex(index).compile(dialect=connection.dialect)).strip()
        )
        for name in ours
        for index in sorted(metadata.tables[name].indexes, key=lambda item: str(item.name))
        if not index.unique and index.name not in there
    ]


def additions(connection: Connection) -> list[str]:
    """Return what was added to our tables by hand and may refuse rows or change them, in words."""
    inspector = inspect(connection)
    ours = sorted(set(inspector.get_table_names()) & set(metadata.tables))
    return sorted([*_own_indexes(inspector, ours), *_own_checks(inspector, ours), *_own_triggers(connection)])


def _own_indexes(inspector: Inspector, ours: list[str]) -> Iterator[str]:
    for (_, name), items in inspector.get_multi_indexes(filter_names=ours).items():
        declared = {str(item.name) for item in metadata.tables[name].indexes}
        for item in items:
            if item["unique"] and item["name"] not in declared:
                yield f"table {name} has a unique index {item['name']} of somebody's own"


def _own_checks(inspector: Inspector, ours: list[str]) -> Iterator[str]:
    for (_, name), checks in inspector.get_multi_check_constraints(filter_names=ours).items():
        declared = {str(item.name) for item in metadata.tables[name].constraints}
        for item in checks:
            if item["name"] not in declared:
                yield f"table {name} has a check {item['name'] or item['sqltext']} of somebody's own"


def _own_triggers(connection: Connection) -> Iterator[str]:
    for trigger, table in connection.exec_driver_sql(_TRIGGERS[connection.dialect.name]):
        if table in metadata.tables and not trigger.startswith(OUR_TRIGGERS):
            yield f"table {table} has a trigger {trigger}"


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


def page_problems(connection: Connection) -> list[str]:
    """Return what SQLite's own check finds wrong, at most 10 things."""
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(10)")]
    return [] if found == ["ok"] else [_on_one_line(item) for item in found]


def _on_one_line(text: str) -> str:
    return " ".join(text.removeprefix("*** in database main ***").split())
