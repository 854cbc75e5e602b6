"""A full look at a database: place, revision, tables, rows, pages. It reads, and says what to do about each thing.

Each part is looked at whatever the others say; a part that cannot be read is wrong itself. On a large SQLite file the
pages take minutes, for which the write-ahead log grows; nothing else waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, inspect, select
from sqlalchemy.exc import DBAPIError

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.catalogue.soundness import wrong_in
from proxy.store.copies.backup import Tell, silent
from proxy.store.engines.engine import Backend
from proxy.store.migrating import soundness
from proxy.store.migrating.compatibility import check as check_revision
from proxy.store.migrating.revisions import known_revisions
from proxy.store.migrating.upgrading import check_empty
from proxy.store.schema.revision_tables import SchemaRevisionRow
from proxy.store.schema.tables import metadata
from proxy.store.sums.days import first_whole_day

Look = Callable[[Backend, Connection, Tell], "Checked"]
_REVISIONS = SchemaRevisionRow.__table__  # type: ignore[attr-defined]
_BELONGING = ("attempt", "interaction_text", "interaction_body", "interaction_metadata")
_INVALID = (
    "SELECT index.relname FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid "
    "WHERE NOT indisvalid AND index.relnamespace = quote_ident(current_schema())::regnamespace"
)
_RESTORE = "bring back a copy: dashcam db restore FILE"
_VIEWS = {True: "dashcam db migrate", False: "stop Dashcam, if it runs, then: dashcam db migrate"}
"""What makes missing views anew, on Postgres or not."""
_REBUILD = "dashcam db rebuild-rollups"
_CALLS = "SELECT count(*) FROM interaction WHERE started_at >= ?"
_COUNTED = "SELECT coalesce(sum(calls), 0) FROM rollup_hourly WHERE hour >= ?"
_HOURS_AND_DAYS = (
    ("rollup_hourly WHERE hour >= ?", "usage_daily WHERE day >= ?"),
    ("rollup_hourly WHERE outcome NOT IN ('completed', 'client_gone') AND hour >= ?", "failure_daily WHERE day >= ?"),
    ("latency_histogram WHERE hour >= ?", "latency_daily WHERE measure <> 'prompt' AND day >= ?"),
)
_EMPTY = "empty"
_BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Checked:
    """One part of the check: ``wrong`` is what was found, ``detail`` what to say when that is nothing.

    ``notes`` is what may be wanted, and may be why rows are refused.
    """

    part: str
    detail: str
    wrong: Sequence[str] = ()
    next: str | None = None
    notes: Sequence[str] = ()


def check_all(backend: Backend, engine: Engine, tell: Tell = silent) -> Iterator[Checked]:
    """Check every part of a database; the engine is its examiner."""
    looker = _Looker(backend, engine, tell)
    place = looker.look("place", _place)
    yield from place
    if any(item.wrong for item in place):
        return
    revision = looker.look("revision", _revision)
    yield from revision
    if any(item.detail == _EMPTY for item in revision):
        return
    parts: list[tuple[str, Look]] = [("rows", _rows), ("rollups", _rollups)]
    if not any(item.detail == _BEHIND for item in revision):
        # What is behind lacks tables rightly: bringing it up to date is what mends them.
        parts = [*_AS_DECLARED, *parts, ("catalogue", _catalogue)]
    if engine.dialect.name == "sqlite":
        parts.append(("pages", _pages))
    for name, look in parts:
        yield from looker.look(name, look)


@dataclass(slots=True)
class _Looker:
    """Looks at one part after the other; what keeps several from being looked at is told once."""

    backend: Backend
    engine: Engine
    tell: Tell
    told: set[str] = field(default_factory=set)

    def look(self, name: str, look: Look) -> list[Checked]:
        """Return what came of a part, nothing when it cannot be looked at for a reason that was told."""
        self.tell(name, 0, 0)
        try:
            with self.engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                return [look(self.backend, connection, self.tell)]
        except DBAPIError as error:
            found = self.backend.unusable(error)
            if found.message in self.told:
                return []
            self.told.add(found.message)
            return [Checked(name, "", [found.message], found.hint)]


def _place(backend: Backend, connection: Connection, _tell: Tell) -> Checked:
    """Reach it, and see whether it takes our rows."""
    # The first statement of a transaction is what asks the server.
    connection.exec_driver_sql("SELECT 1").scalar()
    shown, obstacle = backend.database.shown, backend.obstacle(connection)
    return Checked("place", shown) if obstacle is None else Checked("place", shown, [obstacle.message], obstacle.hint)


def _revision(_backend: Backend, connection: Connection, _tell: Tell) -> Checked:
    known = known_revisions()
    try:
        found = check_revision(connection, known)
    except StoreError as error:
        return Checked("revision", "", [error.message], error.hint)
    if found is None:
        return _no_revision(connection)
    if found < known[-1]:
        return Checked("revision", _BEHIND, [f"{found}, and this release has {known[-1]}"], "dashcam db migrate")
    if _waiting(connection):
        return Checked("revision", "", [f"{found}, and rows are still to be filled in"], "dashcam db migrate")
    newer = f", newer than this release ({known[-1]}), which can go on with it" if found > known[-1] else ""
    return Checked("revision", f"{found}{newer}")


def _no_revision(connection: Connection) -> Checked:
    try:
        check_empty(connection)
    except StoreError as error:
        return Checked("revision", _EMPTY, [error.message], error.hint)
    return Checked("revision", _EMPTY, ["it is empty: no revision has been applied"], "dashcam db migrate")


def _waiting(connection: Connection) -> bool:
    if not inspect(connection).has_table(_REVISIONS.name):
        return False
    return (
        connection.execute(select(_REVISIONS.c.revision).where(_REVISIONS.c.is_filled.is_(False))).first() is not None
    )


def _tables(backend: Backend, connection: Connection, _tell: Tell) -> Checked:
    found = soundness.differences(connection)
    detail = f"{len(metadata.tables)}, as this release declares them"
    mending = _mending(backend.database, found) if found else None
    return Checked("tables", detail, list(map(str, found)), mending, soundness.additions(connection))


def _mending(database: DatabaseSettings, found: Sequence[soundness.Difference]) -> str:
    """Return the statements that undo what was done by hand; where there is none, only a copy helps."""
    statements = [item.remedy for item in found if item.remedy]
    if len(statements) < len(found):
        return _RESTORE
    said = "; ".join(statements)
    return said if database.is_postgres else f"stop Dashcam, then: sqlite3 {database.path} '{said}'"


def _views(backend: Backend, connection: Connection, _tell: Tell) -> Checked:
    wrong = [f"view {name} is missing" for name in soundness.missing_views(connection)]
    mending = _VIEWS[backend.database.is_postgres] if wrong else None
    return Checked("views", f"{len(soundness.VIEWS)}, all there", wrong, mending)


def _text_index(_backend: Backend, connection: Connection, _tell: Tell) -> Checked:
    wrong = soundness.missing_of_text_index(connection)
    return Checked("text index", "tables and triggers are all there", wrong, _RESTORE if wrong else None)


def _rows(_backend: Backend, connection: Connection, tell: Tell) -> Checked:
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


def _rollups(backend: Backend, connection: Connection, _tell: Tell) -> Checked:
    """Hold sums against calls, from the first day on of which all calls are there."""
    first = first_whole_day(connection, backend.database.keep_months)
    calls = _number(connection, _CALLS, f"{first}T00:00:00.000Z") if first else 0
    counted = _number(connection, _COUNTED, first)
    wrong = [] if calls == counted else [f"they count {counted:,} calls, and there are {calls:,}"]
    wrong += _of_days(connection, first)
    return Checked("rollups", f"count {calls:,} calls, as many as there are", wrong, _REBUILD if wrong else None)


def _of_days(connection: Connection, first: str) -> list[str]:
    """Hold the daily rollups against the hourly ones: an older Dashcam that went on writing knows only those."""
    there = inspect(connection).get_table_names()
    for pair in _HOURS_AND_DAYS:
        if pair[1].partition(" ")[0] not in there:
            # Of a database that is behind.
            continue
        by_hour, by_day = (_number(connection, f"SELECT coalesce(sum(calls), 0) FROM {part}", first) for part in pair)  # noqa: S608
        if by_hour != by_day:
            return ["those of days do not count what those of hours do"]
    return []


def _number(connection: Connection, sql: str, value: str) -> int:
    return int(connection.exec_driver_sql(sql, (value,)).scalar_one())


def _catalogue(_backend: Backend, connection: Connection, _tell: Tell) -> Checked:
    """Hold the documents, which were perhaps altered by hand, against the revision that says what they are."""
    count, wrong = wrong_in(connection)
    return Checked("catalogue", f"{count:,} documents, as its revision has them", wrong, _RESTORE if wrong else None)


def _indexes(backend: Backend, connection: Connection, _tell: Tell) -> Checked:
    """Name indexes that are missing, and those of Postgres whose making was broken off: kept up and never used."""
    missing, detail = soundness.missing_indexes(connection), "all there"
    wrong, mending = list(map(str, missing)), _mending(backend.database, missing) if missing else None
    if backend.database.is_postgres:
        detail += ", all valid; pages are for the server's own tools to check (pg_amcheck)"
        invalid = [str(row[0]) for row in connection.exec_driver_sql(_INVALID)]
        wrong += [f"index {name} is not valid" for name in invalid]
        mending = f"REINDEX INDEX {invalid[0]}" if invalid else mending
    return Checked("indexes", detail, wrong, mending)


def _pages(_backend: Backend, connection: Connection, tell: Tell) -> Checked:
    tell("pages", 0, 0)
    wrong = soundness.page_problems(connection)
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
    return Checked("pages", f"{pages:,}, all sound", wrong, _RESTORE if wrong else None)


_AS_DECLARED: tuple[tuple[str, Look], ...] = (
    ("tables", _tables), ("views", _views), ("indexes", _indexes), ("text index", _text_index),
)  # fmt: skip
