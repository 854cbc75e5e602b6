"""Filling the full-text index behind the loader: some hundred calls a transaction, the newest first.

Whoever does periodic work does it (``store/periodic``): on SQLite the loader between two batches, on Postgres the
leader. A call is in the index or in ``text_unindexed``, never in both; the order in which they get in does not matter.
What an upgrade finds in a record is noted there by its data step, and gets in the same way.

SQLite before 3.42 only marks words of deleted texts: they leave the file when the index is merged. Such deletions are
noted (``text_leftover``), and once nothing else waits the index is merged in steps. Newer ones remove them at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from proxy.query.words import has_unspaced, words_in
from proxy.store.engines.bulk import run_many
from proxy.store.engines.engine import ERASED
from proxy.store.filters.text_index import SEPARATOR

ROWS = 1000
"""So many calls are indexed in one transaction: some 50 ms."""
INDEXES = ("text_index", "text_index_apart")
SECURE_SQLITE = (3, 42, 0)
_PAGES = 300
_LEAST_CHANGES = 2
_NEWEST = "SELECT interaction_id FROM text_unindexed ORDER BY interaction_id DESC LIMIT ?"
_TEXTS = (
    "SELECT u.interaction_id, t.rowid, t.input_text, t.output_text "  # noqa: S608 - ours
    f"FROM ({_NEWEST}) AS u LEFT JOIN interaction_text AS t USING (interaction_id) ORDER BY t.rowid"
)
# Who changes or deletes a text meanwhile waits, and then finds its words in the index; who is at it is passed over.
_LOCKED_TEXTS = (
    "SELECT interaction_id, input_text, output_text FROM interaction_text "  # noqa: S608 - ours
    f"WHERE interaction_id IN ({_NEWEST}) FOR SHARE SKIP LOCKED"
)
_NO_TEXTS = (
    "DELETE FROM text_unindexed WHERE NOT EXISTS "
    "(SELECT 1 FROM interaction_text AS t WHERE t.interaction_id = text_unindexed.interaction_id)"
)
_INDEXED = (
    "INSERT INTO text_index (interaction_id, words) SELECT made.id, to_tsvector('simple', made.words) "
    "FROM unnest(CAST(? AS uuid[]), CAST(? AS text[])) AS made (id, words) "
    "ON CONFLICT (interaction_id) DO UPDATE SET words = excluded.words"
)
_LONGEST_LEXEMES = 250_000
"""Characters of words that one tsvector has room for, with some to spare."""
_MERGING = "UPDATE text_leftover SET merging = deletions WHERE merging <> deletions"


def index_next(connection: Connection) -> str | None:
    """Index some calls; None where nothing waits. ``Task.work``: what it did needs no words."""
    if connection.dialect.name == "postgresql":
        has_worked = _index_postgres(connection)
    else:
        _be_secure(connection)
        has_worked = _index_sqlite(connection) or _merge_next(connection)
    return "" if has_worked else None


def _index_sqlite(connection: Connection) -> bool:
    rows = connection.exec_driver_sql(_TEXTS, (ROWS,)).all()
    plain: list[tuple[Any, ...]] = []
    apart: list[tuple[Any, ...]] = []
    for _, number, *sides in rows:
        if any(map(has_unspaced, sides)):
            apart.append((number, *(None if side is None else " ".join(words_in(side)) for side in sides)))
        elif number is not None:
            plain.append((number, *sides))
    for table, found in zip(INDEXES, (plain, apart), strict=True):
        run_many(connection, f"INSERT INTO {table} (rowid, input_text, output_text) VALUES (?, ?, ?)", found)  # noqa: S608 - ours
    run_many(connection, "DELETE FROM text_unindexed WHERE interaction_id = ?", [(row[0],) for row in rows])
    return bool(rows)


def _index_postgres(connection: Connection) -> bool:
    rows = connection.exec_driver_sql(_LOCKED_TEXTS, (ROWS,)).all()
    if rows:
        identities = [str(row[0]) for row in rows]
        connection.exec_driver_sql(_INDEXED, (identities, [_joined(row[1:]) for row in rows]))
        sql = "DELETE FROM text_unindexed WHERE interaction_id = ANY(CAST(? AS uuid[]))"
        connection.exec_driver_sql(sql, (identities,))
        return True
    # What is noted of a month that was dropped.
    return connection.exec_driver_sql(_NO_TEXTS).rowcount > 0


def _joined(sides: Sequence[str | None]) -> str:
    question, answer = (" ".join(words_in(side or "")) for side in sides)
    return f"{question[:_LONGEST_LEXEMES]} {SEPARATOR} {answer[:_LONGEST_LEXEMES]}"


# -- what was deleted ---------------------------------------------------------------------------------------


def _be_secure(connection: Connection) -> None:
    """Have SQLite remove the words of what is deleted, where it can: this is kept in the index itself."""
    if sqlite3.sqlite_version_info < SECURE_SQLITE:
        return
    for table in INDEXES:
        said = connection.exec_driver_sql(f"SELECT v FROM {table}_config WHERE k = 'secure-delete'")  # noqa: S608 - ours
        if said.scalar_one_or_none() != 1:
            connection.exec_driver_sql(f"INSERT INTO {table} ({table}, rank) VALUES ('secure-delete', 1)")  # noqa: S608


def _merge_next(connection: Connection) -> bool:
    """Merge a part of the index where deleted words may be left in it; False where none are."""
    if connection.exec_driver_sql("SELECT count(*) FROM text_leftover").scalar_one() == 0:
        return False
    if connection.exec_driver_sql("SELECT merging FROM text_leftover").scalar_one() == 0:
        connection.exec_driver_sql(_MERGING)
    changed = [_merge(connection, table) for table in INDEXES]
    connection.info[ERASED] = True
    if not any(changed):
        connection.exec_driver_sql("DELETE FROM text_leftover WHERE merging = deletions")
        connection.exec_driver_sql(_MERGING)
    return True


def _merge(connection: Connection, table: str) -> bool:
    """Merge some pages towards one segment; False where it is one. What FTS5 writes is counted among the changes."""
    before = _changes(connection)
    connection.exec_driver_sql(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', -{_PAGES})")  # noqa: S608 - ours
    return _changes(connection) - before >= _LEAST_CHANGES


def _changes(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one())


def forget_deleted(driver: sqlite3.Connection) -> None:
    """Merge the whole index at once where deleted words may be left in it; outside of a transaction."""
    is_there = driver.execute("SELECT 1 FROM sqlite_schema WHERE name = 'text_leftover'").fetchone()
    if is_there and driver.execute("SELECT count(*) FROM text_leftover").fetchone()[0]:
        for table in INDEXES:
            driver.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # noqa: S608 - ours
        driver.execute("DELETE FROM text_leftover")
