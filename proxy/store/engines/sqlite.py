"""SQLite: one writer, any number of readers.

WAL mode with one connection that writes *and* checkpoints, since older versions lose pages when two do (fixed in
3.51.3); readers are read-only and never checkpoint. ``synchronous=FULL``: the commit that lets a spool segment be
unlinked must itself survive a power cut. Files are private to their owner.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, StaticPool

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines import sqlite_failures
from proxy.store.engines.failures import StoreMovedError, StoreUnavailableError
from proxy.store.engines.file_mark import Content, FileMark
from proxy.store.engines.parting import Identity, forget_log, identity_at, identity_of, log_of, set_apart
from proxy.store.engines.place import check_file, check_kind, is_nothing
from proxy.store.filters.text_index import HOLDS, holds_words
from proxy.store.schema.sealing import options_for

SAFE_SQLITE = (3, 51, 3)
CHECK_STEPS = 100_000
"""After so many steps of SQLite's machine a check looks at the clock: some milliseconds."""
BOUND_STEPS = 10_000
"""A step that looks through a text takes as long as hundreds of others."""
_PAGE = 8192
_BUSY = "busy_timeout=5000"
_WRITER = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", _BUSY, "cache_size=-65536",
           "temp_store=MEMORY", "wal_autocheckpoint=1000", "journal_size_limit=67108864",
           "secure_delete=ON")  # fmt: skip
_READER = ("query_only=1", "wal_autocheckpoint=0", _BUSY, "cache_size=-16384")


def roll_back(path: Path) -> None:
    """Undo what a writer left half done that died before the file had its write-ahead log.

    A reader may not do that, and would call the file unusable for ever. What else is wrong with it the next one says.
    """
    if not Path(f"{path.resolve()}-journal").exists():
        return
    place = f"file:{quote(str(path.resolve()))}?mode=rw"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(place, uri=True)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()


def sqlite_version() -> str:
    """Return the version of the linked SQLite."""
    return sqlite3.sqlite_version


def sqlite_warning() -> str | None:
    """Return why the linked SQLite deserves a warning, or None."""
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return None
    needed = ".".join(map(str, SAFE_SQLITE))
    return f"SQLite {sqlite3.sqlite_version} is older than {needed}: no other program may write to the database"


class Sqlite:
    """A SQLite file."""

    def __init__(self, database: DatabaseSettings) -> None:
        self.database = database
        self._path = database.path
        self._file: Identity | None = None
        self._log: Identity | None = None
        self._writer: Engine | None = None
        self._mark = FileMark(self._path)

    def writer(self) -> Engine:
        """Open the database for the one writer, creating it when it is not there."""
        path = self._path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(f"the database {path} cannot be made: {error.strerror}",
                             hint="correct database.url, or the rights of its folder") from error  # fmt: skip
        self._file, self._log, self._mark = identity_at(path), None, FileMark(path)
        place = URL.create("sqlite", database=str(path))
        self._writer = _engine(place, _WRITER, is_writer=True, options=options_for(self.database))
        return self._writer

    def upgrader(self) -> Engine:
        """Return what writes: SQLite has one kind of value."""
        return self.writer()

    def reader(self) -> Engine:
        """Open the database read-only; ``StoreError`` when it is not there."""
        if is_nothing(self._path):
            raise StoreError(f"there is no database at {self._path} yet", hint="start Dashcam with: dashcam serve")
        check_kind(self._path, self._path.stat().st_mode)
        place = URL.create("sqlite", database=f"file:{quote(str(self._path))}", query={"mode": "ro", "uri": "true"})
        return _engine(place, _READER, is_writer=False)

    def examiner(self) -> Engine:
        """Return what reads: SQLite has one kind of value."""
        return self.reader()

    def check_place(self) -> None:
        """Raise ``StoreMovedError`` when the path leads to another file than when it was opened, or to none.

        SQLite would go on writing into the file that has lost its name, and the spool be freed for nothing. Where the
        file is the same and its content is not (``file_mark``) the error is the same.
        """
        found = _found_at(self._path)
        if found is None or identity_of(found) != self._file or self._writer is None:
            raise StoreMovedError(f"the database {self._path} was moved, removed or replaced")
        with _driver_of(self._writer) as connection:
            content = self._mark.look(found, connection)
        self._log = self._log or identity_at(log_of(self._path))
        if content is not Content.OURS:
            raise StoreMovedError(f"the database {self._path} {content.value}")

    def part(self, engine: Engine) -> None:
        """Let go of what was opened; ``StoreUnavailableError`` while that cannot be.

        A file that has lost its name gets what its log holds, wherever it is by now. What was written over in its place
        is given a file of its own, and the log goes with what it belonged to. A file that is the one which was opened
        keeps its log: what another program has put there may be in it alone.
        """
        if identity_at(self._path) != self._file:
            self._fold(engine)
            forget_log(self._path, self._log)
        elif self._mark.content is Content.WRITTEN_OVER and not self._mark.is_back():
            try:
                set_apart(self._path)
            except OSError as error:
                raise _not_parted(self._path, str(error.strerror)) from error
        engine.dispose()

    def _fold(self, engine: Engine) -> None:
        try:
            with _driver_of(engine) as connection:
                is_busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            raise _not_parted(self._path, str(error)) from error
        if is_busy:
            raise _not_parted(self._path, "another program reads it")

    def clear_log(self, engine: Engine) -> bool:
        """Fold the log into the file and cut it off; who reads at this moment keeps it for now: nobody waits."""
        with _driver_of(engine) as connection:
            connection.execute("PRAGMA busy_timeout=0")
            try:
                return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                connection.execute(f"PRAGMA {_BUSY}")

    def refusal(self, error: Exception) -> StoreError:
        """Return what a failed write means."""
        return sqlite_failures.refusal(error, self._path)

    def is_passing(self, error: DBAPIError) -> bool:
        """Return True while somebody holds it, or the disk takes nothing."""
        return sqlite_failures.is_passing(error)

    def unusable(self, error: DBAPIError) -> StoreError:
        """Return what to tell a person about a file that cannot be opened, upgraded or read."""
        return sqlite_failures.unusable(error, self._path)

    def size(self, _connection: Connection) -> int:
        """Return the size of the file."""
        return self._path.stat().st_size

    def check(self, connection: Connection, seconds: float) -> list[str] | None:
        """Return what SQLite's quick check finds wrong."""
        deadline = time.monotonic() + seconds
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(lambda: time.monotonic() > deadline, CHECK_STEPS)
        try:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(3)")]
        except DBAPIError:
            if time.monotonic() > deadline:
                return None
            raise
        return [] if found == ["ok"] else found

    def obstacle(self, _connection: Connection) -> StoreError | None:
        """Return what of its file or folder keeps us from writing."""
        try:
            check_file(self._path)
        except StoreError as error:
            return error
        return None

    def prepare_upgrade(self, _connection: Connection) -> None:
        """Nothing is left to do: our transaction is the only one that writes."""

    def finish_upgrade(self, _connection: Connection) -> None:
        """The revisions make it all."""

    def now(self, _connection: Connection) -> int:
        """Return this host's time: there is no other."""
        return time.time_ns() // 1_000_000

    def be_only(self, _connection: Connection, _work: str) -> bool:
        """The writer's transaction is the only one."""
        return True

    def prepare_work(self, _connection: Connection, _statement_seconds: float) -> None:
        """Statements have no time-out here."""

    def bound(self, connection: Connection, seconds: float) -> None:
        """Look at the clock every so many steps; the connection is this transaction's alone."""
        deadline = time.monotonic() + seconds
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(lambda: time.monotonic() > deadline, BOUND_STEPS)

    def is_cut_off(self, error: DBAPIError) -> bool:
        """Return True where we ended a statement."""
        return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT

    def notify(self, _connection: Connection, _channel: str) -> None:
        """Nobody listens: who writes is the one who follows."""


def _not_parted(path: Path, reason: str) -> StoreUnavailableError:
    return StoreUnavailableError(f"the former database at {path} cannot be let go of: {reason}", hint="dashcam doctor")


def _found_at(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _driver_of(engine: Engine) -> Iterator[sqlite3.Connection]:
    """Lend the driver's own connection, outside of a transaction."""
    with contextlib.closing(engine.raw_connection()) as lent:
        assert isinstance(lent.driver_connection, sqlite3.Connection)
        yield lent.driver_connection


def _engine(url: URL, pragmas: tuple[str, ...], *, is_writer: bool, options: Mapping[str, Any] | None = None) -> Engine:
    engine = create_engine(
        url, poolclass=StaticPool if is_writer else NullPool, connect_args={"check_same_thread": False},
        execution_options=options or {},
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.create_function(HOLDS, 3, holds_words, deterministic=True)
        if is_writer and connection.execute("PRAGMA page_count").fetchone()[0] == 0:
            # Said before anything else is, and only once, for it writes: how large pages are (a call's rows leave a
            # fifth less of them empty than of those of 4 KiB), and that free ones can be given back.
            connection.execute(f"PRAGMA page_size={_PAGE}")
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine
