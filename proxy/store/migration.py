"""Bringing the schema up to date: Alembic, from the folder that travels with the package.

Only the writer upgrades. When the database is at the newest revision already, Alembic is not even imported: one query
and the file names decide. A database that is newer than this program is refused, and nothing in it is touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DatabaseError

from proxy.errors import StoreError
from proxy.resources import migrations_folder
from proxy.store.engine import open_writer, unusable

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


def upgrade(path: Path) -> Upgrade:
    """Upgrade the SQLite database at a path, creating it when it is not there.

    Raises ``StoreError`` when the file is no database, is damaged or locked, or comes from a newer program.
    """
    engine = open_writer(path)
    try:
        with engine.connect() as connection:
            before = current(connection)
        if before != head():
            _check_known(before)
            _run(engine)
        return Upgrade(before, head())
    except DatabaseError as error:
        raise unusable(path, error) from error
    finally:
        engine.dispose()


def _check_known(revision: str | None) -> None:
    if revision is not None and revision not in known_revisions():
        raise StoreError(
            f"the database is at revision {revision}, which is newer than this program ({head()})",
            hint="start the newer Dashcam, or restore a backup",
        )


def _run(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
