"""Noticing that somebody writes over the database's file in its place, as ``cp other.db dashcam.db`` does.

Name and inode stay, so nothing seems to have moved. But the write-ahead log is that of what was there before: what it
holds would be put into what is there now, and spoil it. So the one writer puts a number of its own into the header of
the file (``user_version``, which nobody else needs), and looks for it in two places at each check:

- *Through SQLite*, over its own connection. Another number there was committed by another program: ``.restore`` or the
  backup interface brought another database, soundly, or somebody set the number. The log is the file's, and stays; what
  is there is opened anew, and marked anew.
- *In the file itself, past the log*, where size or time of change are others, as after a checkpoint of ours. Another
  number there, while our connection sees ours, was written past SQLite. It counts once the file is left in peace for a
  second: what passes meanwhile costs nothing. A reader may delay that ours gets there. Until then the file bears the
  number from before, or, where writers that were killed have left several in the log, any of them: then none counts.

Not noticed is a copy of the file that was made since our start: it bears our number. What a checkpoint of ours has
written into a copy that was still under way is in it for good, and one that is killed before it has noticed leaves its
log to what is there: a server that is to get another file is to be stopped first. Where others commit *and* somebody
writes over the file between two looks (some 50 ms) the one may pass for the work of the other: then the log is kept.
"""

from __future__ import annotations

import contextlib
import enum
import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

_LARGEST = 2**31 - 1
_NO_DATABASE, _TORN = 2**31, 2**31 + 1
"""Numbers of what is no database, and of one whose pages do not fit together; of no file."""
_AGAIN_SECONDS, _FOLD_SECONDS = 60.0, 5.0
_CALM_SECONDS, _STEP_SECONDS = 1.0, 0.1
_SAID = {"SQLITE_NOTADB": _NO_DATABASE, "SQLITE_CORRUPT": _TORN}
Look = tuple[int, int]


class Content(enum.Enum):
    """Whose content the file has."""

    OURS = "is ours"
    CHANGED = "was given other content, or another user_version, by another program"
    WRITTEN_OVER = "was written over in its place"


def wait_until_calm(path: Path) -> None:
    """Wait until nobody has written into a file for a second, or it is gone."""
    seen, since = None, time.monotonic()
    with contextlib.suppress(FileNotFoundError):
        while time.monotonic() - since < _CALM_SECONDS:
            look = _look_of(path.stat())
            if look != seen:
                seen, since = look, time.monotonic()
            time.sleep(_STEP_SECONDS)


class FileMark:
    """The mark of one opening of a file; ``wait`` returns when nobody writes into it any more."""

    def __init__(self, path: Path, wait: Callable[[Path], None] = wait_until_calm) -> None:
        self._path, self._wait = path, wait
        self._number: int | None = None
        self._earlier: int | None = None
        self._seen: Look | None = None
        self._again_at = 0.0
        self._is_borne = False
        self.content = Content.OURS

    def __repr__(self) -> str:
        return f"<FileMark {self._number} borne={self._is_borne} {self.content.name}>"

    def look(self, found: os.stat_result, connection: sqlite3.Connection) -> Content:
        """Return whose the content is, as the writer's connection sees it outside of a transaction, and the file.

        Costs a look into page 1, which that keeps in the connection's cache: read only when in doubt, it might be read
        from the file that is doubted. The file is asked only when it has changed.
        """
        if self._number is not None:
            self.content = self._judged(found, connection)
        if self.content is Content.OURS and not self._is_borne and time.monotonic() >= self._again_at:
            self._make(connection)
        return self.content

    def is_back(self) -> bool:
        """Return True when what was written over may be ours again, once nobody writes any more."""
        self._wait(self._path)
        return self._bears_ours(None)

    def _make(self, connection: sqlite3.Connection) -> None:
        """Mark the file; tried again later where it takes nothing now, or a reader keeps the log from it."""
        self._again_at = time.monotonic() + (_AGAIN_SECONDS if self._number is None else _FOLD_SECONDS)
        with contextlib.suppress(sqlite3.Error):
            if self._number is None:
                # Nothing is written into a file that is damaged.
                connection.execute("SELECT max(rowid) FROM interaction").fetchone()
                self._draw(connection)
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._is_borne = self._number_in_file() == self._number

    def _draw(self, connection: sqlite3.Connection) -> None:
        """Commit a number; in one transaction with the look at what was there, so that none is set in between."""
        # Not for secrets.
        number = random.randint(1, _LARGEST)  # noqa: S311
        connection.execute("BEGIN IMMEDIATE")
        try:
            earlier = _number_in(connection)
            connection.execute(f"PRAGMA user_version={number}")
            self._earlier = earlier if self._number_in_file() == earlier else None
            connection.execute("COMMIT")
        except sqlite3.Error:
            connection.rollback()
            raise
        self._number = number

    def _judged(self, found: os.stat_result, connection: sqlite3.Connection) -> Content:
        number = _number_in(connection)
        if number is None:
            return Content.OURS
        if number not in (self._number, _NO_DATABASE, _TORN):
            return Content.CHANGED
        if self._bears_ours(_look_of(found)):
            return Content.OURS
        self._wait(self._path)
        return Content.OURS if self._bears_ours(None) else Content.WRITTEN_OVER

    def _bears_ours(self, look: Look | None) -> bool:
        """Return False when the file bears a number that it cannot have from us; True where that is unknown."""
        if look is not None and look == self._seen:
            return True
        number = self._number_in_file()
        if number in (None, _TORN):
            return True
        self._seen = look
        self._is_borne = self._is_borne or number == self._number
        if self._is_borne:
            return number == self._number
        return self._earlier is None or number == self._earlier

    def _number_in_file(self) -> int | None:
        """Return the number in the file's header; None where it cannot be read now.

        By SQLite: who opens and closes the file otherwise lets go of all locks that this process has on it. A file that
        a checkpoint has written to half, as a reader kept it from the rest, may count more pages than it has; no other
        file was found to be torn to who asks for its number only (of 20,000 with any header).
        """
        place = f"file:{quote(str(self._path))}?mode=ro&immutable=1"
        try:
            with contextlib.closing(sqlite3.connect(place, uri=True)) as connection:
                # Otherwise such a file is called damaged; nothing can be written here.
                connection.execute("PRAGMA writable_schema=ON")
                return _number_in(connection)
        except sqlite3.Error:
            return None


def _number_in(connection: sqlite3.Connection) -> int | None:
    """Return the number as a connection sees it; None where it cannot be read now."""
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        return _SAID.get(getattr(error, "sqlite_errorname", ""))


def _look_of(found: os.stat_result) -> Look:
    return found.st_mtime_ns, found.st_size
