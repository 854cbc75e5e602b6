"""One upgrade: a copy first, all revisions in one transaction, looked at before it counts; then the data steps.

The schema changes whole or not at all: an error, a check that fails or a kill -9 leaves the database at the revision it
had. Data steps change rows in batches, each with its own position in the same transaction: whatever ends one, the next
start goes on where it was, and no row is changed twice. A database that is new is not copied first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, select
from sqlalchemy.exc import DBAPIError

from proxy.errors import StoreError
from proxy.store.copies.backup import (
    SPARE_BYTES,
    NoRoomError,
    Tell,
    backup_name,
    copy_database,
    forget_old_copies,
    silent,
    unused,
)
from proxy.store.copies.sealed_copies import SUFFIX, plain_copy, seal
from proxy.store.engines.engine import Backend
from proxy.store.migrating import revisions, soundness, views
from proxy.store.migrating.compatibility import check, current
from proxy.store.schema.revision_tables import SchemaRevisionRow
from proxy.store.schema.tables import metadata

_TABLE = SchemaRevisionRow.__table__  # type: ignore[attr-defined]


class UpgradeError(StoreError):
    """The database could not be upgraded, and is as it was."""

    code = "upgrade_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to upgrade: by which revisions, with how many copies kept where, rows a batch, and whom to tell.

    ``spare_bytes`` must stay free beside the copy, which is sealed where there is a ``master_key`` (32 bytes).
    ``is_forced`` leaves out the copy and the checks. ``is_leaving`` ends it between two batches. ``makes_views``: those
    that somebody has dropped are made anew.
    """

    folder: Path | None = None
    backups: Path | None = None
    keep_backups: int = 3
    batch_rows: int = 1000
    spare_bytes: int = SPARE_BYTES
    master_key: bytes | None = field(default=None, repr=False)
    is_forced: bool = False
    makes_views: bool = False
    tell: Tell = silent
    is_leaving: Callable[[], bool] = bool


@dataclass(frozen=True, slots=True)
class Upgrade:
    """From which revision (None: an empty database) to which; the copy from before, and how many rows were filled.

    ``views`` are those that had been dropped, and were made anew.
    """

    before: str | None
    after: str
    backup: Path | None = None
    filled_rows: int = 0
    is_whole: bool = True
    views: Sequence[str] = ()


def run(backend: Backend, engine: Engine, how: How) -> Upgrade:
    """Upgrade what an engine of a backend leads to.

    Raises ``UpgradeError`` when that fails, ``StoreError`` for a database of a newer or another program, the driver's
    own error where the database is away, locked or full.
    """
    known = revisions.known_revisions(how.folder)
    before = look(engine, how)
    backup = None
    if before is None or before < known[-1]:
        if before is not None and not backend.database.is_postgres and not how.is_forced:
            backup = _copy(backend.database.path, before, known[-1], how)
        before = _Schema(backend, how, known[-1], backup).apply(engine, before)
    filled, is_whole = _fill(backend, engine, known, how)
    if not how.is_forced:
        with engine.connect() as connection:
            check_tables(connection)
    after = max(before or known[-1], known[-1])
    made = _missing_views(engine, how) if how.makes_views and after == known[-1] else ()
    return Upgrade(before, after, backup, filled, is_whole, made)


def _missing_views(engine: Engine, how: How) -> Sequence[str]:
    """Make views anew that somebody has dropped, as this program has them."""
    with engine.begin() as connection:
        return views.make_missing(connection, how.folder)


def look(engine: Engine, how: How) -> str | None:
    """Return the revision of a database that is ours, None when it is empty; ``StoreError`` for any other."""
    with engine.connect() as connection:
        found = check(connection, revisions.known_revisions(how.folder))
        if found is None:
            check_empty(connection)
    return found


def check_tables(connection: Connection) -> None:
    """Refuse tables that were altered by hand before every insert fails on them."""
    wrong = list(map(str, soundness.differences(connection)))
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise StoreError(f"the database was altered by hand: {wrong[0]}{more}", hint="dashcam db check says what to do")


def check_empty(connection: Connection) -> None:
    """Raise ``StoreError`` where a database without a revision of ours has somebody's tables."""
    names = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
    if connection.dialect.name == "postgresql":
        # There others may have tables beside ours.
        names = [name for name in names if name in metadata.tables]
    if names:
        raise StoreError(
            f"the database is another program's: it has a table {names[0]}, and none of ours",
            hint="choose another data folder with --data-dir, or move the file away",
        )


def _copy(path: Path, before: str, after: str, how: How) -> Path:
    folder = how.backups or path.parent / "backups"
    target = unused(folder / backup_name("upgrade", before))
    try:
        if how.master_key is None:
            copy_database(path, target, how.tell, how.spare_bytes)
        else:
            target = unused(target.with_name(target.name + SUFFIX))
            with plain_copy(path, folder, target, how.tell, how.spare_bytes) as plain:
                seal(plain, target, how.master_key, how.tell)
        forget_old_copies(target, how.keep_backups)
        return target
    except NoRoomError as error:
        raise NoRoomError(
            f"the upgrade from {before} to {after} waits: {error.message}; nothing was changed",
            hint="free some space, or upgrade without a copy: dashcam db migrate --force",
        ) from error


@dataclass(slots=True)
class _Schema:
    """The schema's part of one upgrade: a transaction, and the words for its failure."""

    backend: Backend
    how: How
    after: str
    backup: Path | None
    applied: list[str] = field(default_factory=list)

    def apply(self, engine: Engine, before: str | None) -> str | None:
        """Apply all that is missing; return the revision that was found once nobody else could upgrade."""
        try:
            with engine.begin() as connection:
                self.backend.prepare_upgrade(connection)
                before = current(connection)
                if before is None or before < self.after:
                    self._apply(connection)
                self.backend.finish_upgrade(connection)
        except DBAPIError as error:
            if self.backend.is_passing(error):
                raise
            raise self._failure(error, before) from error
        except Exception as error:
            raise self._failure(error, before) from error
        return before

    def _apply(self, connection: Connection) -> None:
        counts = {} if self.how.is_forced else soundness.row_counts(connection, is_quick=True)
        revisions.apply(connection, self.how.folder, applied=self.applied)
        if not self.how.is_forced:
            _validate(connection, counts, self.how)

    def _failure(self, error: Exception, before: str | None) -> UpgradeError:
        where = f"behind {self.applied[-1]}" if self.applied else "at its beginning"
        hint = "dashcam db check; until it is mended, the Dashcam from before goes on with this database"
        if before is None:
            # Nothing of ours is there that could be looked at, or gone on with.
            told = self.backend.unusable(error) if isinstance(error, DBAPIError) else error
            hint = getattr(told, "hint", None) or hint
        return UpgradeError(
            f"the upgrade from {before or 'nothing'} to {self.after} failed {where}: {_reason(error)}; it was rolled "
            f"back, and the database is as it was{f' (revision {before})' if before else ''}",
            hint=hint + (f"; a copy from before is {self.backup}" if self.backup else ""),
        )


def _reason(error: Exception) -> str:
    """Return the cause on one line: an error's own words, of the driver's the first line."""
    said = getattr(error, "orig", None) or (error.message if isinstance(error, StoreError) else error)
    return str(said).strip().partition("\n")[0] or type(error).__name__


def _validate(connection: Connection, counts: dict[str, int], how: How) -> None:
    """Look at the result while it can still be taken back."""
    how.tell("checked", 0, 0)
    after = soundness.row_counts(connection, is_quick=True)
    wrong = [
        f"{name} has {after.get(name, 0)} rows, it had {n}" for name, n in counts.items() if after.get(name, 0) < n
    ]
    wrong += soundness.foreign_key_problems(connection)
    if connection.dialect.name == "sqlite":
        wrong += soundness.page_problems(connection)
    if wrong:
        raise UpgradeError(wrong[0])


def _fill(backend: Backend, engine: Engine, known: list[str], how: How) -> tuple[int, bool]:
    """Do the data steps that are not done; return how many rows they changed and whether all are done."""
    waiting = _waiting(engine, known)
    if not waiting:
        return 0, True
    steps, filled = revisions.data_steps(how.folder), 0
    for revision in waiting:
        is_filled = False
        while not is_filled:
            if how.is_leaving():
                return filled, False
            rows, is_filled = _fill_batch(backend, engine, revision, steps[revision], how)
            filled += rows
    return filled, True


def _waiting(engine: Engine, known: list[str]) -> list[str]:
    """Return the revisions whose data steps are ours to do; those of a newer program are its own."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_TABLE.name):
            return []
        wanted = select(_TABLE.c.revision).where(_TABLE.c.is_filled.is_(False)).order_by(_TABLE.c.revision)
        return [str(item) for item in connection.execute(wanted).scalars() if item in known]


def _fill_batch(backend: Backend, engine: Engine, revision: str, fill: revisions.Fill, how: How) -> tuple[int, bool]:
    ours = _TABLE.c.revision == revision
    done = 0
    try:
        with engine.begin() as connection:
            # The row is locked for the batch (Postgres), so that two programs do not do one batch twice.
            held = select(_TABLE.c.filled_to, _TABLE.c.filled_rows).where(ours).with_for_update()
            after, done = connection.execute(held).one()
            rows, position = fill(connection, after, how.batch_rows)
            values = {"filled_to": position, "filled_rows": done + rows, "is_filled": position is None}
            connection.execute(_TABLE.update().where(ours).values(**values))
    except Exception as error:
        if isinstance(error, DBAPIError) and backend.is_passing(error):
            raise
        raise UpgradeError(
            f"filling in the rows of revision {revision} stopped after {done} rows: {_reason(error)}; those stay, "
            "and the next start goes on from there",
            hint="dashcam db migrate shows it again; dashcam db check looks at the database",
        ) from error
    how.tell(f"rows of {revision}", done + rows, 0)
    return rows, position is None
