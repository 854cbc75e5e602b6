"""The settings of a command that reads the record, with a word where the record has moved elsewhere since."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from proxy.cli import resolution
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings


def settings_from(config: str | None, data_dir: str | None, env_file: str | None, **flags: Any) -> Any:
    """Resolve the settings; say on standard error when they lead to what was the record once."""
    from proxy.loader import handover

    settings = resolution.settings_from(config, data_dir, env_file, **flags)
    try:
        moved = handover.handed_over(Path(settings.data_dir))
    except StoreError:
        # Whoever writes is told.
        return settings
    if moved and moved["database"] != settings.database.shown and not _is_the_copy(settings.database, moved["copy"]):
        print(f"dashcam: this is {settings.database.shown}; the record moved to {moved['database']}", file=sys.stderr)
        print(f"  next: --database-url {moved['database']}, or database.url in the settings", file=sys.stderr)
    return settings


def _is_the_copy(database: DatabaseSettings, copied: str) -> bool:
    """Return True where another address leads to the same database."""
    from proxy.store.moving import state

    try:
        there = state.of(database)
    except StoreError:
        # Who reads it says so.
        return True
    return there is not None and there.id == copied
