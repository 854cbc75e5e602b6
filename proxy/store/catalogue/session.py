"""One transaction on the catalogue's tables, for those who do not speak SQL themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection

from proxy.catalogue.catalogue import Catalogue
from proxy.settings.database import DatabaseSettings
from proxy.store.catalogue import documents
from proxy.store.engines.engine import Backend, backend_of, lent
from proxy.store.hosts import configuration
from proxy.store.hosts.configuration import Proposal
from proxy.store.writing.writer import StoreWriter

ACCESS = "access"
"""The kind of revisions that say no more than that keys, tokens or provider keys are others now."""
_LOCK = "catalogue_lock"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """An open transaction; what ``store.catalogue`` offers takes its two parts."""

    connection: Connection
    backend: Backend

    def alone(self) -> None:
        """Wait until nobody else changes the catalogue or access to it; then nobody can until this transaction ends."""
        insert = "INSERT INTO deployment (name, value) VALUES (?, '') ON CONFLICT DO NOTHING"
        self.connection.exec_driver_sql(insert, (_LOCK,))
        self.connection.exec_driver_sql("UPDATE deployment SET value = '' WHERE name = ?", (_LOCK,))

    def catalogue(self) -> tuple[Catalogue, int]:
        """Return the catalogue as it stands and its revision; nobody else can change it until this transaction ends."""
        self.alone()
        return documents.load(self.connection), documents.newest(self.connection)

    def now(self) -> datetime:
        """Return the database's own time."""
        return datetime.fromtimestamp(self.backend.now(self.connection) / 1000, UTC)

    def announce(self, mark: str, what: str, author: str) -> int:
        """Let all hosts know that access is another now; return the revision. ``mark`` is like no other one."""
        proposal = Proposal(kind=ACCESS, sha256=mark, document={"changed": what}, author=author)
        return configuration.record(self.connection, self.backend, proposal)


def write(writer: StoreWriter, work: Callable[[Session], T]) -> T:
    """Do this in a transaction of the writer's; ``StoreError`` when the database refuses or is away."""
    with writer.transaction() as connection:
        return work(Session(connection, writer.backend))


def read(database: DatabaseSettings, work: Callable[[Session], T]) -> T:
    """Do this in a transaction that only reads; ``StoreError`` when that cannot be."""
    backend = backend_of(database)
    with lent(backend, backend.reader()) as engine, engine.begin() as connection:
        return work(Session(connection, backend))
