"""Bringing the schema of a database up to date, on either engine, with what could be in its place told apart.

Only a writer upgrades. When the database is at the newest revision already, Alembic is not even imported: one query and
the file names decide. A database that a newer program has changed is left as it is: ``compatibility`` says whether we
may go on with it.
"""

from __future__ import annotations

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.engine import backend_of, lent
from proxy.store.engines.place import check_file
from proxy.store.engines.sqlite import roll_back
from proxy.store.migrating import compatibility, upgrading
from proxy.store.migrating.compatibility import current
from proxy.store.migrating.revisions import head, known_revisions
from proxy.store.migrating.upgrading import How, Upgrade
from proxy.store.migrating.views import making

__all__ = [
    "How",
    "Upgrade",
    "check",
    "check_unaltered",
    "current",
    "head",
    "known_revisions",
    "missing_views",
    "prepare",
    "revision_of",
    "upgrade",
]
_USUAL = How()


def upgrade(database: DatabaseSettings, how: How = _USUAL) -> Upgrade:
    """Upgrade a database of either engine, creating a SQLite file that is not there.

    Raises ``StoreError`` when it is no database, is damaged, locked or away, comes from a newer program that does not
    let us work with it, or cannot be upgraded; whatever it was, it is as before.
    """
    backend = backend_of(database)
    if not database.is_postgres:
        check_file(database.path)
        if database.path.exists() and database.path.stat().st_size:
            roll_back(database.path)
            # Only to look: a writer makes it ours by its first step, the switch to a write-ahead log.
            with lent(backend, backend.reader()) as engine:
                upgrading.look(engine, how)
    with lent(backend, backend.upgrader()) as engine:
        return upgrading.run(backend, engine, how)


def prepare(database: DatabaseSettings, how: How = _USUAL) -> Upgrade:
    """Bring a database up to date where that is the writer's to do, else see that it is. Errors as ``upgrade``."""
    if database.is_upgraded_when_opened:
        return upgrade(database, how)
    found = check(database)
    return Upgrade(found, found)


def check(database: DatabaseSettings) -> str:
    """Return the revision of a database that we can write; ``StoreError`` with the next command for any other."""
    backend = backend_of(database)
    with lent(backend, backend.examiner()) as engine, engine.connect() as connection:
        found = compatibility.check(connection, known_revisions())
        if found is None or found < head():
            state = (
                "has none of our tables yet"
                if found is None
                else f"is at revision {found}, and this program needs {head()}"
            )
            raise StoreError(f"the database {database.shown} {state}", hint="dashcam db migrate")
        upgrading.check_tables(connection)
    return found


def check_unaltered(database: DatabaseSettings) -> None:
    """Raise ``StoreError`` when a database at our revision has tables that were altered by hand."""
    backend = backend_of(database)
    with lent(backend, backend.examiner()) as engine, engine.connect() as connection:
        if current(connection) == head():
            upgrading.check_tables(connection)


def missing_views(database: DatabaseSettings) -> dict[str, str]:
    """Return what makes the views anew that a database at our revision lacks, by their names; {} for any other."""
    backend = backend_of(database)
    with lent(backend, backend.examiner()) as engine, engine.connect() as connection:
        return making(connection) if current(connection) == head() else {}


def revision_of(database: DatabaseSettings) -> str | None:
    """Return the revision of a database, None when it is empty; ``StoreError`` when it cannot be read."""
    backend = backend_of(database)
    with lent(backend, backend.examiner()) as engine, engine.connect() as connection:
        return current(connection)
