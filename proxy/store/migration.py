"""Bringing the schema up to date: Alembic, from the folder that travels with the package.

Only the writer upgrades. When the database is at the newest revision already, Alembic is not even imported: one query
and the file names decide. A database that is newer than this program is refused, and nothing in it is touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError

from proxy.errors import StoreError
from proxy.resources import migrations_folder
from proxy.settings.database import DatabaseSettings
from proxy.store.engine import Backend, backend_of

_REVISION = re.compile(r"(\d{4})_\w+\.py\Z")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """From which revision (None: an empty database) to which."""

    before: str | None
    after: str


def known_revisions() -> list[str]:
    """Return the revisions this program knows, oldest first."""
    names = (path.name for path in (migrations_folder() / "versions").glob("*.py"))
    return sorted(match[1] for name in names if (match := _REVISION.match(name)))


def head() -> str:
    """Return the newest revision this program knows."""
    return known_revisions()[-1]


def current(connection: Connection) -> str | None:
    """Return the database's revision, None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def upgrade(database: DatabaseSettings) -> Upgrade:
    """Upgrade a database of either engine, creating a SQLite file that is not there.

    Raises ``StoreError`` when it is no database, is damaged, locked or away, or comes from a newer program.
    """
    backend = backend_of(database)
    engine = backend.upgrader()
    try:
        before = revision_of(engine)
        if before != head():
            _check_known(before)
            before = _run(backend, engine)
        return Upgrade(before, head())
    except DBAPIError as error:
        raise backend.unusable(error) from error
    finally:
        engine.dispose()


def prepare(database: DatabaseSettings) -> Upgrade:
    """Bring a database up to date where that is the writer's to do, else see that it is. Errors as ``upgrade``."""
    if database.is_upgraded_when_opened:
        return upgrade(database)
    check(database)
    return Upgrade(head(), head())


def check(database: DatabaseSettings) -> None:
    """Raise ``StoreError`` with the next command when a database is not at the revision that we write."""
    backend = backend_of(database)
    engine = backend.reader()
    try:
        found = revision_of(engine)
    except DBAPIError as error:
        raise backend.unusable(error) from error
    finally:
        engine.dispose()
    if found != head():
        _check_known(found)
        state = "has no tables yet" if found is None else f"is at revision {found}, and this program needs {head()}"
        raise StoreError(f"the database {database.shown} {state}", hint="dashcam db migrate")


def revision_of(engine: Engine) -> str | None:
    """Return the revision of an open database, None when it is empty."""
    with engine.connect() as connection:
        return current(connection)


def _check_known(revision: str | None) -> None:
    if revision is not None and revision not in known_revisions():
        raise StoreError(
            f"the database is at revision {revision}, which is newer than this program ({head()})",
            hint="start the newer Dashcam, or restore a backup",
        )


def _run(backend: Backend, engine: Engine) -> str | None:
    """Upgrade in one transaction; return the revision that was found once nobody else could upgrade."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        backend.prepare_upgrade(connection)
        before = current(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        backend.finish_upgrade(connection)
    return before
