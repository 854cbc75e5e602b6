"""Which engine a database has, and what the rest of the store asks of either one.

Statements are written once, in the words that both engines understand, with ``?`` for each value. What only one of them
can say, and what its errors mean, is in ``sqlite`` and ``postgres``; the second is imported where it is used, since its
driver is an extra.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings

ERASED = "erased"
"""Noted of a connection with which something was erased: a file's log still has it."""


class Backend(Protocol):
    """One database behind its engine."""

    database: DatabaseSettings

    def writer(self) -> Engine:
        """Open it for writing, making a SQLite file that is not there; ``StoreError`` when that cannot be."""

    def upgrader(self) -> Engine:
        """Open it for writing as Alembic expects, which reads the catalogue in the driver's own values."""

    def reader(self) -> Engine:
        """Open it for reading only; ``StoreError`` when there is none."""

    def examiner(self) -> Engine:
        """Open it for looking at its tables, which needs the driver's own values; ``StoreError`` when there is none."""

    def check_place(self) -> None:
        """Raise ``StoreMovedError`` when what was opened for writing is no longer what the address means."""

    def part(self, engine: Engine) -> None:
        """Let go of what was opened for writing and has moved; ``StoreUnavailableError`` while that cannot be."""

    def clear_log(self, engine: Engine) -> bool:
        """Empty a file's write-ahead log; False where somebody reads it just now, and it is to be tried again."""

    def refusal(self, error: Exception) -> StoreError:
        """Return what a failed write means: ``RowError`` or ``StoreUnavailableError``, with the next command."""

    def is_passing(self, error: DBAPIError) -> bool:
        """Return True for a condition that may be over by itself: locked, away, full; not for what is wrong."""

    def unusable(self, error: DBAPIError) -> StoreError:
        """Return what to tell a person about a database that cannot be opened, upgraded or read."""

    def size(self, connection: Connection) -> int:
        """Return how many bytes the database has."""

    def check(self, connection: Connection, seconds: float) -> list[str] | None:
        """Return what a quick check finds wrong, [] when nothing; None when the time was not enough."""

    def obstacle(self, connection: Connection) -> StoreError | None:
        """Return what would keep us from writing although we can read, None when nothing is known to."""

    def prepare_upgrade(self, connection: Connection) -> None:
        """Keep others from upgrading until this transaction ends; ``StoreError`` for a database we cannot use."""

    def finish_upgrade(self, connection: Connection) -> None:
        """Make what belongs to the schema and no revision makes."""

    def now(self, connection: Connection) -> int:
        """Return the time in Unix milliseconds: the database's, where it has several hosts to agree with."""

    def be_only(self, connection: Connection, work: str) -> bool:
        """Keep a piece of work to this transaction until it ends; False while another one has it."""

    def prepare_work(self, connection: Connection, statement_seconds: float) -> None:
        """Let this transaction's statements take so long, and nothing else between them."""

    def bound(self, connection: Connection, seconds: float) -> None:
        """Let this transaction of a reader's take so long, about; then what it does is cut off."""

    def is_cut_off(self, error: DBAPIError) -> bool:
        """Return True for what ``bound`` makes of a statement that takes too long."""

    def notify(self, connection: Connection, channel: str) -> None:
        """Wake those who listen when this transaction is committed."""


REPLICA_HINT = "bring the replica back, or read from the primary: take database.read_url away"


@contextlib.contextmanager
def lent(backend: Backend, engine: Engine, *, is_replica: bool = False) -> Iterator[Engine]:
    """Lend an engine of a backend and close it; what the driver raises meanwhile becomes what to tell a person."""
    try:
        yield engine
    except DBAPIError as error:
        told = backend.unusable(error)
        told.hint = REPLICA_HINT if is_replica else told.hint
        raise told from error
    finally:
        engine.dispose()


def backend_of(database: DatabaseSettings) -> Backend:
    """Return the engine of a database; ``StoreError`` when its driver is not installed. Opens nothing."""
    if database.is_postgres:
        from proxy.store.engines.postgres import Postgres

        return Postgres(database)
    from proxy.store.engines.sqlite import Sqlite

    return Sqlite(database)
