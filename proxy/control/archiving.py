"""What goes for its age or the size is written down before it goes, where a folder is set: as an export writes it.

As JSON lines a file for each day of the calls: ``texts-2026-11-27.jsonl`` has calls of which the texts go, ``calls-…``
those that go wholly. As Parquet a folder for each day, as DuckDB and Spark read it, with a file for each portion:
``day=2026-11-27/calls-….parquet``. ``dashcam import`` reads all of them. What cannot be written stays on record, and is
tried again. After a crash in between calls may stand there twice, and whoever imports them finds them there already.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from proxy.errors import StoreError
from proxy.forms.parquet import write_file
from proxy.forms.reading import by_size, with_content
from proxy.forms.writing import Call, Form
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RetentionSettings
from proxy.spool.disk import RealDisk
from proxy.store.erasure.archive import Archive, rows_of
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import COLUMNS

_COLUMNS = [str(name) for name in COLUMNS]


class Files(Protocol):
    """How calls of a day are written into a folder; ``what`` goes of them, ``mark`` tells these calls from others."""

    def write(self, folder: Path, day: str, what: str, calls: Iterable[Sequence[Call]], mark: str) -> None:
        """Write them; ``OSError`` where there is no room."""


class JsonLines:
    """One file a day, which grows."""

    def __init__(self) -> None:
        self._form = Form(_COLUMNS, has_content=True)

    def write(self, folder: Path, day: str, what: str, calls: Iterable[Sequence[Call]], mark: str) -> None:
        """Add calls to the day's file."""
        path = folder / f"{what}-{day}.jsonl"
        is_new = not path.exists()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as file:
            for portion in calls:
                file.writelines(self._form.call(row, parts, is_first=False) for row, parts in portion)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            RealDisk().sync_folder(folder)


class Parquet:
    """A folder a day, with a file for each portion: such a file cannot grow."""

    def write(self, folder: Path, day: str, what: str, calls: Iterable[Sequence[Call]], mark: str) -> None:
        """Write a file; the same calls once more are the same file."""
        place = folder / f"day={day}"
        place.mkdir(mode=0o700, exist_ok=True)
        write_file(place / f"{what}-{mark}.parquet", _COLUMNS, calls, has_content=True)
        RealDisk().sync_folder(place)
        RealDisk().sync_folder(folder)


class Archiving:
    """Writes calls into a folder; called in the transaction that lets them go, which nobody else sees yet."""

    def __init__(self, folder: Path, database: DatabaseSettings, files: Files) -> None:
        self._folder = folder
        self._database = database
        self._files = files

    def __repr__(self) -> str:
        return f"<Archiving {self._folder}>"

    def __call__(self, ids: Sequence[str], what: str) -> None:
        """Write these calls down; ``StoreError`` where that cannot be, and then they stay."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.closing(Reader(self._database, is_primary=True)) as reader:
                self._write(reader, ids, what)
        except OSError as error:
            raise StoreError(
                f"what is due is not deleted: the archive {self._folder} cannot be written: {error.strerror}",
                hint="make room there, or correct retention.archive",
            ) from error

    def _write(self, reader: Reader, ids: Sequence[str], what: str) -> None:
        rows = sorted(reader.answer(rows_of(ids)), key=lambda row: (row["started_at"], row["id"]))
        for day, found in itertools.groupby(rows, key=lambda row: str(row["started_at"][:10])):
            of_day = list(found)
            calls = (with_content(reader, some) for some in by_size(of_day))
            self._files.write(self._folder, day, what, calls, _mark([row["id"] for row in of_day]))


def archive_of(kept: RetentionSettings, database: DatabaseSettings) -> Archive | None:
    """Return what keeps calls elsewhere, None where no folder is set."""
    if not kept.archive:
        return None
    return Archiving(Path(kept.archive), database, Parquet() if kept.archive_format == "parquet" else JsonLines())


def _mark(ids: Sequence[str]) -> str:
    """Return a name for these calls: that of the first one, by which names are in order, and a digest of all."""
    return f"{ids[0]}-{hashlib.sha256(''.join(ids).encode()).hexdigest()[:8]}"
