"""The one writer of a SQLite file as a process that may be killed at any moment: it notes each call that it committed.

``python -m tests.support.one_writer DATABASE NOTES SEED``; a line of the notes is an id, or ``parted`` and why.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
from pathlib import Path

from proxy.domain.interaction import Entry
from proxy.settings.database import sqlite_at
from proxy.store.engines.failures import StoreMovedError, StoreUnavailableError
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry

PARTED = "parted"


def write_on(writer: StoreWriter, notes: int, chance: random.Random) -> None:
    """Store calls, look at the place, clear the log and compact, until killed or told that the file is another one."""
    while True:
        batch = _some_batch(chance)
        # Held by others for longer than we wait: what the batch was is not noted.
        with contextlib.suppress(StoreUnavailableError):
            writer.write(WriteBatch(entries=[("s", entry) for entry in batch]), lambda _: {})
            os.write(notes, "".join(f"{entry.interaction.id}\n" for entry in batch).encode())
            _look_after(writer, chance.random())


def _some_batch(chance: random.Random) -> list[Entry]:
    """Small calls mostly: where one of them lets the file grow the next ones change its last page again."""
    calls, size = chance.choice((*[(1, 10)] * 20, (3, 1000), (6, 60_000)))
    return [an_entry(chance.randbytes(size)) for _ in range(calls)]


def _look_after(writer: StoreWriter, drawn: float) -> None:
    writer.check_place()
    if drawn < 0.05:
        writer.clear_log()
    elif drawn < 0.052:
        writer.maintain("compact")


def main(database: Path, notes_at: Path, seed: int) -> int:
    """Write until it is over; return 3 when the database was parted from."""
    notes = os.open(notes_at, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        write_on(StoreWriter(sqlite_at(database)), notes, random.Random(seed))
    except StoreMovedError as error:
        os.write(notes, f"{PARTED} {error.message}\n".encode())
    return 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
