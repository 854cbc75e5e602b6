"""What goes for its age or the size is written down before it goes, where a folder is set: as an export writes it.

A file for each day of the calls: ``texts-2026-11-27.jsonl`` has calls of which the texts go, ``calls-…`` those that go
wholly. ``dashcam import`` reads both. What cannot be written stays on record, and is tried again. A crash in between
writes a call twice, and whoever imports it finds it there already.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from proxy.errors import StoreError
from proxy.forms.writing import Form
from proxy.settings.database import DatabaseSettings
from proxy.store.erasure.retention import Archive, rows_of
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import COLUMNS, TRUTHS


class Archiving:
    """Writes calls into a folder; called in the transaction that lets them go, which nobody else sees yet."""

    def __init__(self, folder: Path, database: DatabaseSettings) -> None:
        self._folder = folder
        self._database = database
        self._form = Form([str(name) for name in COLUMNS], has_content=True)

    def __repr__(self) -> str:
        return f"<Archiving {self._folder}>"

    def __call__(self, ids: Sequence[str], what: str) -> None:
        """Write these calls down; ``StoreError`` where that cannot be, and then they stay."""
        lines: dict[str, list[bytes]] = defaultdict(list)
        with contextlib.closing(Reader(self._database, is_primary=True)) as reader:
            for day, line in self._lines(reader, ids):
                lines[day].append(line)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for day, found in sorted(lines.items()):
                _append(self._folder / f"{what}-{day}.jsonl", b"".join(found))
        except OSError as error:
            raise StoreError(
                f"what is due is not deleted: the archive {self._folder} cannot be written: {error.strerror}",
                hint="make room there, or correct retention.archive",
            ) from error

    def _lines(self, reader: Reader, ids: Sequence[str]) -> list[tuple[str, bytes]]:
        rows = reader.answer(rows_of(ids))
        parts, made = reader.parts_of([row["id"] for row in rows]), reader.made_of(rows)
        found = []
        for row in rows:
            row |= made.get(row["id"], {})
            row |= {name: bool(row[name]) for name in TRUTHS if row.get(name) is not None}
            found.append((row["started_at"][:10], self._form.call(row, parts.get(row["id"]), is_first=False)))
        return found


def archive_of(folder: str | None, database: DatabaseSettings) -> Archive | None:
    """Return what keeps calls elsewhere, None where no folder is set."""
    return Archiving(Path(folder), database) if folder else None


def _append(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
