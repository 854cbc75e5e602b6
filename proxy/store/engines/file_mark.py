"""Noticing that somebody writes over the database's file in its place, as ``cp other.db dashcam.db`` does.

Name and inode stay, so nothing seems to have moved. But the write-ahead log is that of what was there before: what it
holds would be put into what is there now, and spoil it. So the one writer puts a number of its own into the header of
the file (``user_version``, which nobody else uses). When size or time of change are others, as after a checkpoint of
ours, the file itself is asked for it, past the log.

Noticed is what comes from elsewhere, from a copy of ``dashcam db backup`` or from before our start; not a copy of the
bare file that was made since. What a checkpoint of ours has written into a copy that was still under way is in it for
good: a server that is to get another file is to be stopped first.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

_LARGEST = 2**31 - 1
_AGAIN_SECONDS = 60.0
_CALM_SECONDS, _STEP_SECONDS = 1.0, 0.1
_NO_DATABASE = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
Look = tuple[int, int]


class FileMark:
    """The mark of one opening of a file. Looks cost a ``stat``, more only where the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number: int | None = None
        self._seen: Look | None = None
        self._again_at = 0.0
        self.is_gone = False

    def __repr__(self) -> str:
        return f"<FileMark {self._number} gone={self.is_gone}>"

    @property
    def is_wanted(self) -> bool:
        """True while the file does not bear it and it is time to try."""
        return self._number is None and time.monotonic() >= self._again_at

    def make(self, connection: sqlite3.Connection) -> None:
        """Mark the file, by its writer outside of a transaction; tried again later where it takes nothing now."""
        self._again_at = time.monotonic() + _AGAIN_SECONDS
        # Not for secrets.
        number = random.randint(1, _LARGEST)  # noqa: S311
        with contextlib.suppress(sqlite3.Error):
            # Nothing is written into a file that is damaged.
            connection.execute("SELECT max(rowid) FROM interaction").fetchone()
            connection.execute(f"PRAGMA user_version={number}")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if self._number_in_file() == number:
                self._number = number

    def look(self, found: os.stat_result) -> bool:
        """Return False when the file bears another mark than ours by now."""
        look = found.st_mtime_ns, found.st_size
        if self._number is not None and look != self._seen:
            number = self._number_in_file()
            if number is not None:
                self._seen, self.is_gone = look, number != self._number
        return not self.is_gone

    def _number_in_file(self) -> int | None:
        """Return the number in the file's header, 0 where it has none; None where it cannot be read now.

        By SQLite: who opens and closes the file otherwise lets go of all locks that this process has on it. A file that
        a checkpoint has written to half, as a reader kept it from the rest, may count more pages than it has.
        """
        place = f"file:{quote(str(self._path))}?mode=ro&immutable=1"
        try:
            with contextlib.closing(sqlite3.connect(place, uri=True)) as connection:
                # Otherwise such a file is called damaged; nothing can be written here.
                connection.execute("PRAGMA writable_schema=ON")
                return int(connection.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as error:
            return 0 if getattr(error, "sqlite_errorname", "") in _NO_DATABASE else None


def set_apart(path: Path) -> None:
    """Give what is in the file now a file of its own, under the same name; ``OSError`` when that fails.

    What was open is a file without a name from then on, into which the log may go. Waits until nobody writes any more.
    """
    _wait_until_calm(path)
    apart = path.with_name(f".{path.name}.apart")
    try:
        shutil.copy2(path, apart)
        with apart.open("rb") as file:
            os.fsync(file.fileno())
        apart.replace(path)
    finally:
        apart.unlink(missing_ok=True)


def _wait_until_calm(path: Path) -> None:
    seen, since = None, time.monotonic()
    while time.monotonic() - since < _CALM_SECONDS:
        found = path.stat()
        look = found.st_mtime_ns, found.st_size
        if look != seen:
            seen, since = look, time.monotonic()
        time.sleep(_STEP_SECONDS)
