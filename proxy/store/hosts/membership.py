"""One host among those that share a database. On a Postgres it has a connection of its own, over which it says that it
is there, holds or seeks the lease, asks what of the configuration is new, and is told when there is more. A SQLite file
has one host, which is ``Alone``, leads, and is woken by nobody but itself.

LISTEN needs a session. Behind a pooler that gives each transaction another one it would leave a listener behind in a
connection that belongs to others, so it is not tried there: the pooler shows itself by the process id that it invents.
The rounds, every two seconds, are the net in any case.

For one thread; ``wake`` is for any. ``StoreUnavailableError`` from anything here means: close it and join again.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from proxy.settings.database import DatabaseSettings
from proxy.store.engines.engine import backend_of
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.hosts import configuration, instances, leadership
from proxy.store.hosts.instances import Instance, Report

_UNHURRIED = "SELECT set_config('synchronous_commit', 'off', true)"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found: whether our name is still ours, who leads, what counts of each kind, and who is there."""

    is_known: bool
    is_leader: bool
    revisions: dict[str, int]
    instances: list[dict[str, Any]]


class Membership(Protocol):
    """A host's part among those that share its database."""

    is_listening: bool
    round_seconds: float

    def round(self, report: Report) -> Round:
        """Say that we are there, seek the lease, and look at what is new."""

    def revision(self, number: int) -> configuration.Revision:
        """Return a revision."""

    def wait(self, seconds: float) -> None:
        """Wait until somebody has changed the configuration or woken us, at most so long."""

    def wake(self) -> None:
        """End the wait now."""

    def leave(self) -> None:
        """Give the lease up and say that we have left in order."""

    def close(self) -> None:
        """Let everything go."""


def join(database: DatabaseSettings, who: Instance) -> Membership:
    """Begin to take part; ``StoreError`` when the database cannot be reached."""
    return Shared(database, who) if database.is_postgres else Alone(database, who)


class Alone:
    """The one host of a SQLite file."""

    is_listening = False
    round_seconds = 2.0

    def __init__(self, database: DatabaseSettings, who: Instance) -> None:
        self._backend = backend_of(database)
        self._engine = self._backend.reader()
        self._who = who
        self._woken = threading.Event()

    def round(self, _report: Report) -> Round:
        """Look at what is new."""
        with self._transaction() as connection:
            return Round(True, True, configuration.newest(connection), [])

    def revision(self, number: int) -> configuration.Revision:
        """Return a revision."""
        with self._transaction() as connection:
            return configuration.read(connection, number)

    def wait(self, seconds: float) -> None:
        """Wait until we are woken."""
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        """End the wait now."""
        self._woken.set()

    def leave(self) -> None:
        """Nobody is told."""

    def close(self) -> None:
        """Let the file go."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._backend.refusal(error) from error


class Shared:
    """One of several hosts, with its connection open."""

    round_seconds = 2.0

    def __init__(self, database: DatabaseSettings, who: Instance) -> None:
        self._backend = backend_of(database)
        self._who = who
        self._engine = self._backend.writer()
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._wakes, self._waker = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(self._waker, False)
        try:
            with self._translated():
                self._connection = self._engine.connect()
                self.is_listening = self._listen()
        except BaseException:
            self._let_go()
            raise

    def __repr__(self) -> str:
        return f"<Membership {self._who.id} listening={self.is_listening}>"

    def _listen(self) -> bool:
        with self._connection.begin():
            pid = self._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            if pid != self._driver.info.backend_pid:
                return False
            self._connection.exec_driver_sql(f"LISTEN {configuration.CHANNEL}")
            return True

    @property
    def _driver(self) -> Any:
        return self._connection.connection.driver_connection

    def round(self, report: Report) -> Round:
        """Say that we are there, seek the lease, and look at what is new, in one transaction."""
        with self._transaction() as connection:
            is_known = instances.beat(connection, self._who, report, self._backend.now(connection))
            is_leader = is_known and leadership.renew(connection, self._who.id, self._who.holder)
            return Round(is_known, is_leader, configuration.newest(connection), instances.listing(connection))

    def revision(self, number: int) -> configuration.Revision:
        """Return a revision."""
        with self._transaction() as connection:
            return configuration.read(connection, number)

    def leave(self) -> None:
        """Give the lease up and say that we have left in order."""
        with self._transaction() as connection:
            leadership.resign(connection, self._who.holder)
            instances.leave(connection, self._who)

    def wait(self, seconds: float) -> None:
        """Wait until somebody has changed the configuration or woken us, at most so long."""
        with self._translated():
            # Not select, which takes no descriptor above 1023: as many connections come to control when it is flooded.
            watched = select.poll()
            for descriptor in (self._driver.fileno(), self._wakes):
                watched.register(descriptor, select.POLLIN)
            ready = {descriptor for descriptor, _ in watched.poll(seconds * 1000)}
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakes, 4096)
            if self._driver.fileno() in ready:
                # What it says does not matter: the next round asks.
                list(self._driver.notifies(timeout=0))

    def wake(self) -> None:
        """End the wait now."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b".")

    def close(self) -> None:
        """Let the connection go."""
        with contextlib.suppress(SQLAlchemyError):
            # Not put back in order first: it may be gone, and whatever was under way has ended.
            self._connection.invalidate()
        self._let_go()

    def _let_go(self) -> None:
        self._engine.dispose()
        os.close(self._wakes)
        os.close(self._waker)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._translated(), self._connection.begin():
            # Not worth a sync of the server's disk: what a crash takes back is said again in the next round.
            self._connection.exec_driver_sql(_UNHURRIED)
            yield self._connection

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._backend.refusal(error) from error
        except (OSError, ValueError, self._driver_error) as error:
            reason = " ".join(str(error).split())
            raise StoreUnavailableError(f"the connection to the database is gone: {reason}") from error
