"""A file that takes its place whole: private, synced, and never in the place of one that is there.

While it is written it lies beside that place under a name of its own, locked (``flock``). So what a killed program left
is known from what is under way, and goes with the next copy in that folder: it may be as large as a database.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from proxy.errors import StoreError

ROOM = "free some space, or choose another folder"
_COPY = r"[a-z]+-(\d{4}|empty)-\d{8}T\d{6}Z(-\d+)?\.(db|dump)(\.sealed)?\.part"
_LEFT = re.compile(rf"\.({_COPY}|plain-\d+\.db)\Z")
"""Names that we gave: parts of copies, and plain copies that are to be sealed."""


@contextlib.contextmanager
def placed(target: Path) -> Iterator[Path]:
    """Lend an empty file of mode 0600 beside a path, which takes that place when the block has ended well.

    Raises ``StoreError`` when something is there already or the disk refuses it. After any error nothing is left.
    """
    check_free(target)
    part = target.with_name(f".{target.name}.part")
    try:
        with held(part):
            yield part
            sync(part)
            part.rename(target)
            sync(target.parent)
    except OSError as error:
        raise refusal(target, error) from error


def refusal(target: Path, error: OSError) -> StoreError:
    """Return what to tell of a file that the disk refuses."""
    hint = ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another folder"
    return StoreError(f"{target} cannot be written: {error.strerror}", hint=hint)


def check_free(target: Path) -> None:
    """Raise ``StoreError`` when something is there already."""
    if os.path.lexists(target):
        raise StoreError(f"{target} is there already", hint="choose another name, or move it away")


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Begin an empty file of mode 0600, locked while the block runs; gone after it, if it still has that name."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_left(path.parent)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _forget_left(folder: Path) -> None:
    for path in folder.glob(".*"):
        if _LEFT.match(path.name):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                # SQLite keeps one beside a file that it fills.
                path.with_name(f"{path.name}-journal").unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk; ``OSError`` when that fails."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
