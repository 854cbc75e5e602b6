"""Databases at an older revision, as an earlier release has left them."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from proxy.resources import migrations_folder
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.engine import backend_of


def alembic_config() -> Config:
    """Return what Alembic is run with."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    return config


def scripts() -> ScriptDirectory:
    """Return our revisions."""
    return ScriptDirectory.from_config(alembic_config())


def bring_to(database: DatabaseSettings, revision: str) -> None:
    """Upgrade an empty or older database to a revision."""
    config, backend = alembic_config(), backend_of(database)
    engine = backend.upgrader()
    with engine.begin() as connection:
        backend.prepare_upgrade(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def bring_back(database: DatabaseSettings, revision: str) -> None:
    """Downgrade a database to an earlier revision."""
    config, engine = alembic_config(), backend_of(database).upgrader()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()
