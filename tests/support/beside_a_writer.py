"""What other programs do to a SQLite file that has its one writer: they read, checkpoint and vacuum, until killed.

``python -m tests.support.beside_a_writer DEED DATABASE SEED``; connections come and go, so that each is also the last.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from proxy.settings.database import sqlite_at
from proxy.store.engines.sqlite import Sqlite

Deed = Callable[[Path, random.Random], None]
_CHECKPOINTS = (*["PASSIVE"] * 20, "FULL", "RESTART", "TRUNCATE")
"""Mostly those that nobody waits for: they end where the oldest reader is, in the middle of the log."""
_LONGEST_SECONDS = 0.1


def read(path: Path, chance: random.Random) -> None:
    """Read at one moment, for a while."""
    engine = Sqlite(sqlite_at(path)).reader()
    with contextlib.closing(engine.connect()) as connection:
        connection.exec_driver_sql("SELECT count(*), max(started_at) FROM interaction").fetchall()
        _pause(chance)
        connection.exec_driver_sql("SELECT id FROM interaction ORDER BY rowid DESC LIMIT 50").fetchall()
    engine.dispose()


def checkpoint(path: Path, chance: random.Random) -> None:
    """Fold the log, as somebody's shell does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=1)) as connection:
        connection.execute(f"PRAGMA wal_checkpoint({chance.choice(_CHECKPOINTS)})").fetchall()
        _pause(chance)


def vacuum(path: Path, chance: random.Random) -> None:
    """Rewrite it all, and leave it to the writer for some time."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=1)) as connection:
        connection.execute("VACUUM")
    for _ in range(20):
        _pause(chance)


DEEDS: dict[str, Deed] = {"read": read, "checkpoint": checkpoint, "vacuum": vacuum}


def do_on(deed: Deed, path: Path, seed: int, leaving: threading.Event) -> None:
    """Do it again and again; what others hold just now is tried again."""
    chance = random.Random(seed)
    while not leaving.is_set():
        try:
            deed(path, chance)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise


def _pause(chance: random.Random) -> None:
    threading.Event().wait(chance.random() * _LONGEST_SECONDS)


if __name__ == "__main__":
    do_on(DEEDS[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3]), threading.Event())
