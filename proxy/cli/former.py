"""The settings of a command that reads the record, with a word where they do not lead to what is recorded into now:

it has moved elsewhere since, or who runs here was started with another address. The command does what it was told all
the same: a former record is there to be read.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from proxy.cli import resolution
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings, typed
from proxy.settings.values import Settings
from proxy.supervisor import instance


def settings_from(config: str | None, data_dir: str | None, env_file: str | None, **flags: Any) -> Any:
    """Resolve the settings; say on standard error when calls are recorded elsewhere."""
    settings = resolution.settings_from(config, data_dir, env_file, **flags)
    if not _tell_moved(settings):
        _tell_running(settings)
    return settings


def _tell_moved(settings: Settings) -> bool:
    from proxy.loader import handover

    try:
        moved = handover.handed_over(Path(settings.data_dir))
    except StoreError:
        # Whoever writes is told.
        return True
    if not moved or moved["database"] == settings.database.shown or _is_the_copy(settings.database, moved["copy"]):
        return False
    _tell(settings, "the record moved to", moved["database"])
    return True


def _tell_running(settings: Settings) -> None:
    """For who has said no address: one that was said may be the same database by another name."""
    if settings.database.is_postgres or settings.database.path.parent != Path(settings.data_dir):
        return
    running = instance.find(Path(settings.data_dir)) or {}
    database = running.get("database")
    if isinstance(database, str) and database != settings.database.shown:
        _tell(settings, f"the Dashcam that runs here (pid {running['pid']}) records into", database)


def _tell(settings: Settings, what: str, database: str) -> None:
    print(f"dashcam: this is {settings.database.shown}; {what} {database}", file=sys.stderr)
    print(f"  next: export DASHCAM_DATABASE_URL={shlex.quote(typed(database))}", file=sys.stderr)


def _is_the_copy(database: DatabaseSettings, copied: str) -> bool:
    """Return True where another address leads to the same database."""
    from proxy.store.moving import state

    try:
        there = state.of(database)
    except StoreError:
        # Who reads it says so.
        return True
    return there is not None and there.id == copied
