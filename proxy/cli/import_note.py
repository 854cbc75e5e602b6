"""How far an import is, kept in the data folder until it is done, and what it put aside.

The note is of one file as it was: changed or moved, it is imported from its beginning, which changes nothing twice.
Lines that cannot be taken stand in ``NAME.aside`` as they were found, to be mended and imported from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson

from proxy.cli.import_source import Source
from proxy.cli.room import told
from proxy.errors import UsageError
from proxy.settings.private_file import replace_file
from proxy.spool.disk import RealDisk


@dataclass
class Note:
    """What came of the lines so far; ``offset`` is where the next one begins, ``aside`` bytes of what was put aside.

    ``oldest`` is when the first of the calls that were stored began, in Unix milliseconds.
    """

    offset: int = 0
    number: int = 0
    stored: int = 0
    there: int = 0
    different: int = 0
    erased: int = 0
    refused: int = 0
    aside: int = 0
    oldest: int | None = None
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        """Lines that were looked at, and are accounted for."""
        return self.stored + self.there + self.different + self.erased + self.refused


class Desk:
    """Keeps the note and the file of what was put aside, for one import at a time of one file.

    ``keeps_lines`` False: nothing is kept aside, since no text of a call may lie about; numbers and reasons are told.
    """

    def __init__(self, folder: Path, source: Source, *, keeps_lines: bool) -> None:
        self._folder = folder
        self._keeps_lines = keeps_lines
        said = repr(source.mark or ("-", os.getpid())).encode("utf-8", "surrogateescape")
        name = source.path.name if source.path is not None else "stdin"
        stem = f"{name[:80]}-{hashlib.sha256(said).hexdigest()[:12]}"
        self._note_path = folder / f"{stem}.json" if source.mark is not None else None
        self.aside_path = folder / f"{stem}.aside"
        self._aside: IO[bytes]
        self.note = Note()

    def __repr__(self) -> str:
        return f"<Desk {self.aside_path}>"

    def put_aside(self, line: bytes) -> None:
        """Keep a line that could not be taken."""
        if not self._keeps_lines:
            return
        with told(self._folder):
            self.note.aside += self._aside.write(line + b"\n")

    def save(self) -> None:
        """Note that what was looked at is in the store, or aside."""
        with told(self._folder):
            self._aside.flush()
            if self._note_path is not None:
                replace_file(self._note_path, orjson.dumps(self.note), is_lasting=False)

    def begin(self) -> None:
        """Take up what was noted; ``UsageError`` where another import has this file in hand."""
        with told(self._folder):
            RealDisk().make_folder(self._folder)
            descriptor = os.open(self.aside_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._aside = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(self._aside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError("another import has this file in hand", hint="wait for its end") from error
        self.note = self._load()
        self._aside.truncate(self.note.aside)
        self._aside.seek(self.note.aside)

    def end(self, *, is_done: bool) -> None:
        """Let go; done, there is nothing to go on with."""
        with contextlib.suppress(OSError):
            # What was not noted is put aside once more.
            self._aside.close()
        if is_done and self._note_path is not None:
            self._note_path.unlink(missing_ok=True)
        if not self.note.aside:
            self.aside_path.unlink(missing_ok=True)

    def _load(self) -> Note:
        try:
            values = orjson.loads(self._note_path.read_bytes()) if self._note_path is not None else {}
            note = Note(**{**values, "reasons": Counter(values.get("reasons", {}))})
        except (OSError, orjson.JSONDecodeError, TypeError, AttributeError):
            return Note()
        return note if self.aside_path.stat().st_size >= note.aside else Note()
