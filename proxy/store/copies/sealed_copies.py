"""Sealed copies of a SQLite database, and how they come back.

SQLite copies into files only. So while a sealed copy is made, a plain one lies in the workplace, a folder of the data
folder, where the database itself lies plain too: mode 0600, gone when the command ends, and after a kill -9 with the
next copy. Opening one writes it beside the database's place, which it then takes. Nowhere else is anything plain.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from proxy.errors import StoreError
from proxy.store.copies.backup import SPARE_BYTES, Tell, beside, check_room, copy_pages, silent, size_of
from proxy.store.copies.placing import check_free, held, placed, refusal
from proxy.store.copies.sealed_file import POSTGRES, SQLITE, SealingFile, heading_of, opened

SUFFIX = ".sealed"
_PIECE = 1 << 20


def is_sealed(copy: Path) -> bool:
    """Return True for a sealed copy; ``StoreError`` when it is not there or cannot be read."""
    return heading_of(copy) is not None


@contextlib.contextmanager
def plain_copy(
    source: Path, workplace: Path, target: Path, tell: Tell = silent, spare: int = SPARE_BYTES
) -> Iterator[Path]:
    """Lend a plain copy of a database that is to be sealed as ``target``; it is gone when the block ends.

    Raises ``NoRoomError`` before anything is written where the two copies have no room, errors as ``copy_database``.
    """
    check_free(target)
    _check_rooms(size_of(source), workplace, target.parent, spare)
    plain = workplace / f".plain-{os.getpid()}.db"
    try:
        with held(plain):
            copy_pages(source, plain, tell)
            yield plain
    except OSError as error:
        raise refusal(plain, error) from error


def seal(plain: Path, target: Path, master: bytes, tell: Tell = silent) -> int:
    """Write a plain copy sealed, and open it once to see that it opens; return its bytes. Errors as ``placed``."""
    total, done = plain.stat().st_size, 0
    with placed(target) as part:
        with plain.open("rb") as content, part.open("wb") as file:
            sealing = SealingFile(file, SQLITE, master)
            while piece := content.read(_PIECE):
                sealing.write(piece)
                done += len(piece)
                tell("sealed", done, total)
            sealing.finish()
        see_that_it_opens(part, [master], tell)
    return target.stat().st_size


def see_that_it_opens(copy: Path, masters: Sequence[bytes], tell: Tell = silent) -> None:
    """Open a sealed copy to its end, and keep nothing; errors as ``sealed_file.opened``."""
    total, done = copy.stat().st_size, 0
    for piece in opened(copy, masters):
        done += len(piece)
        tell("opened", min(done, total), total)


@contextlib.contextmanager
def unsealed(copy: Path, target: Path, masters: Sequence[bytes], tell: Tell = silent) -> Iterator[Path]:
    """Lend what is in a sealed copy as a plain file beside the database's place; gone when the block ends, or taken.

    Raises ``CopyKeyError``, ``CopyBrokenError``, ``NoRoomError``, ``StoreError``; then nothing is left of it.
    """
    heading = heading_of(copy)
    if heading is not None and heading.kind == POSTGRES:
        raise StoreError(
            f"{copy} is a copy of a Postgres, and the database here is a SQLite file",
            hint="restore it with --database-url's address in DASHCAM_DATABASE_URL",
        )
    plain = target.with_name(f".{target.name}.unsealed")
    plain.unlink(missing_ok=True)
    check_room(copy.stat().st_size, target.parent, "opening the copy")
    try:
        _write_out(copy, plain, masters, tell)
        yield plain
    finally:
        for left in beside(plain):
            left.unlink(missing_ok=True)


def _write_out(copy: Path, plain: Path, masters: Sequence[bytes], tell: Tell) -> None:
    total, done = copy.stat().st_size, 0
    with placed(plain) as part, part.open("wb") as file:
        for piece in opened(copy, masters):
            file.write(piece)
            done += len(piece)
            tell("opened", min(done, total), total)


def _check_rooms(size: int, workplace: Path, folder: Path, spare: int) -> None:
    """Look for room for the plain copy and the sealed one, which may be on one disk."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    here = next(path for path in (workplace, *workplace.parents) if path.exists())
    is_one_disk = there.stat().st_dev == here.stat().st_dev
    check_room(size * (2 if is_one_disk else 1), workplace, "a plain copy, and the sealed one", spare)
    if not is_one_disk:
        check_room(size, folder, "the sealed copy", spare)
