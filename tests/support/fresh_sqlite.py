"""A SQLite database with our tables and nothing in them, as a copy: some fifty times quicker than by the migrations.

What the migrations do to a file is tested where they are; whoever else wants a database wants what they leave behind.
"""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.migrating.migration import upgrade


@functools.cache
def _migrated() -> bytes:
    """Return what a file holds at the newest revision, made once a process."""
    with tempfile.TemporaryDirectory(prefix="dashcam-sqlite-") as folder:
        path = Path(folder) / "dashcam.db"
        upgrade(sqlite_at(path))
        assert [item.name for item in path.parent.iterdir()] == [path.name], "all of it is in the one file"
        return path.read_bytes()


def fresh_sqlite(path: Path) -> DatabaseSettings:
    """Make one where nothing is yet, for its owner only, as a program would."""
    content = _migrated()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    return sqlite_at(path)
