"""Parting from a SQLite file that is no longer the database: its log must not get into what has its name now.

SQLite leaves the log of a file that lost its name lying there, and puts it into whatever file has the name next: the
one lacked what the log holds, the other would be spoiled by it. Whoever opens the new file before our next look at it
does so with that log; that is nobody's to prevent.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

Identity = tuple[int, int]


def identity_at(path: Path) -> Identity | None:
    """Return which file has a name, None where there is none."""
    try:
        return identity_of(path.stat())
    except FileNotFoundError:
        return None


def identity_of(found: os.stat_result) -> Identity:
    """Return which file it is."""
    return found.st_dev, found.st_ino


def log_of(path: Path) -> Path:
    """Return where the log of a file is: beside the file, not beside a link to it."""
    return Path(f"{path.resolve()}-wal")


def set_apart(path: Path) -> None:
    """Give what is in the file now a file of its own, under the same name and without a log; ``OSError`` on failure.

    Log and index lose their names first, so that nobody meets them beside the new file. Who opens the old one in
    between, and writes, makes a log for a content that the new file has as well.
    """
    path = path.resolve()
    apart = path.with_name(f".{path.name}.apart")
    try:
        shutil.copy2(path, apart)
        with apart.open("rb") as file:
            os.fsync(file.fileno())
        _unlink_log(path)
        apart.replace(path)
    finally:
        apart.unlink(missing_ok=True)


def forget_log(path: Path, log: Identity | None) -> None:
    """Remove the log that a file had left at its former name, and its index, which knows how long that file was.

    For a log that is folded and still open, so that no other file can be taken for it: the log of the file that is
    there now is left alone, and so is one into which somebody has written for that file. Between this look and the
    removal are some microseconds, in which a program would have to open the new file and commit.
    """
    there = log_of(path)
    if log is not None and identity_at(there) == log and there.stat().st_size == 0:
        _unlink_log(path)


def _unlink_log(path: Path) -> None:
    log_of(path).unlink(missing_ok=True)
    Path(f"{path.resolve()}-shm").unlink(missing_ok=True)
