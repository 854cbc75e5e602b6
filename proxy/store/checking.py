"""A full look at a database: place, revision, tables, rows, pages. It reads, and says what to do about each thing.

Each part is looked at whatever the others say; a part that cannot be read is wrong itself. On a large SQLite file the
pages take minutes, for which the write-ahead log grows; nothing else waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, inspect, select
from sqlalchemy.exc import DBAPIError

from proxy.errors import StoreError
from proxy.store import soundness
from proxy.store.backup import Tell, silent
from proxy.store.compatibility import check as check_revision
from proxy.store.engine import Backend
from proxy.store.revisions import known_revisions
from proxy.store.tables import SchemaRevisionRow, metadata

_REVISIONS = SchemaRevisionRow.__table__  # type: ignore[attr-defined]
_BELONGING = ("attempt", "interaction_text", "interaction_body", "interaction_metadata")
_INVALID = (
    "SELECT index.relname FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid "
    "WHERE NOT indisvalid AND index.relnamespace = current_schema()::regnamespace"
)
_RESTORE = "dashcam db backup keeps what can be read; then bring back a copy: dashcam db restore FILE"


@dataclass(frozen=True, slots=True)
class Checked:
    """One part of the check: ``wrong`` is what was found, ``detail`` what to say when that is nothing."""

    part: str
    detail: str
    wrong: Sequence[str] = ()
    next: str | None = None


def check_all(backend: Backend, engine: Engine, tell: Tell = silent) -> Iterator[Checked]:
    """Check every part of a database; the engine is its examiner."""
    parts: list[tuple[str, Callable[[Connection, Tell], Checked]]] = [
        ("revision", _revision), ("tables", _tables), ("rows", _rows), ("rollups", _rollups),
    ]  # fmt: skip
    parts.append(("pages", _pages) if engine.dialect.name == "sqlite" else ("indexes", _indexes))
    for name, look in parts:
        tell(name, 0, 0)
        try:
            with engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                yield look(connection, tell)
        except DBAPIError as error:
            told = backend.unusable(error)
            yield Checked(name, "", [told.message], _RESTORE if engine.dialect.name == "sqlite" else told.hint)


def _revision(connection: Connection, _tell: Tell) -> Checked:
    known = known_revisions()
    try:
        found = check_revision(connection, known)
    except StoreError as error:
        return Checked("revision", "", [error.message], error.hint)
    if found is None:
        return Checked("revision", "", ["it is empty: no revision has been applied"], "dashcam db migrate")
    if found < known[-1]:
        return Checked("revision", "", [f"{found}, and this release has {known[-1]}"], "dashcam db migrate")
    if _waiting(connection):
        return Checked("revision", "", [f"{found}, and rows are still to be filled in"], "dashcam db migrate")
    newer = f", newer than this release ({known[-1]}), which can go on with it" if found > known[-1] else ""
    return Checked("revision", f"{found}{newer}")


def _waiting(connection: Connection) -> bool:
    if not inspect(connection).has_table(_REVISIONS.name):
        return False
    return (
        connection.execute(select(_REVISIONS.c.revision).where(_REVISIONS.c.is_filled.is_(False))).first() is not None
    )


def _tables(connection: Connection, _tell: Tell) -> Checked:
    wrong = soundness.differences(connection)
    return Checked(
        "tables", f"{len(metadata.tables)}, as this release declares them", wrong, _RESTORE if wrong else None
    )


def _rows(connection: Connection, tell: Tell) -> Checked:
    wrong = soundness.foreign_key_problems(connection)
    for number, name in enumerate(_BELONGING):
        tell("rows", number, len(_BELONGING))
        sql = (
            f"SELECT count(*) FROM {name} WHERE NOT EXISTS "  # noqa: S608 - our own tables
            f"(SELECT 1 FROM interaction WHERE interaction.id = {name}.interaction_id)"
        )
        if stray := connection.exec_driver_sql(sql).scalar():
            wrong.append(f"{stray:,} rows of {name} belong to no call")
    return Checked("rows", "each belongs to a call", wrong, _RESTORE if wrong else None)


def _rollups(connection: Connection, _tell: Tell) -> Checked:
    sql = "SELECT (SELECT count(*) FROM interaction), (SELECT coalesce(sum(calls), 0) FROM rollup_hourly)"
    calls, counted = map(int, connection.exec_driver_sql(sql).one())
    wrong = [] if calls == counted else [f"they count {counted:,} calls, and there are {calls:,}"]
    return Checked("rollups", f"count {calls:,} calls, as many as there are", wrong, _RESTORE if wrong else None)


def _indexes(connection: Connection, _tell: Tell) -> Checked:
    """Name indexes that are not valid: one whose making was broken off is kept up and never used."""
    names = [str(row[0]) for row in connection.exec_driver_sql(_INVALID)]
    count = connection.exec_driver_sql("SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema()").scalar()
    return Checked(
        "indexes",
        f"{count}, all valid; pages are for the server's own tools to check (pg_amcheck)",
        [f"index {name} is not valid" for name in names],
        f"REINDEX INDEX {names[0]}" if names else None,
    )


def _pages(connection: Connection, tell: Tell) -> Checked:
    tell("pages", 0, 0)
    wrong = soundness.page_problems(connection)
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
    return Checked("pages", f"{pages:,}, all sound", wrong, _RESTORE if wrong else None)
