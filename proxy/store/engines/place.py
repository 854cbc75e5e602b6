"""What may lie where the database should be: nothing yet, our file, or something that must not be touched.

SQLite's own words for most of it are *unable to open database file*; here each has its own, and the next command.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from proxy.errors import StoreError

_MAGIC = b"SQLite format 3\x00"


May = Callable[[Path, int], bool]


def check_file(path: Path, may: May = os.access) -> None:
    """Raise ``StoreError`` when no database can be opened for writing at a path; nothing is changed."""
    try:
        found = path.stat()
    except FileNotFoundError:
        _check_folder(path.parent, may)
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be looked at: {error.strerror}", hint="dashcam doctor") from error
    check_kind(path, found.st_mode)
    _check_mount(path)
    if not may(path, os.R_OK | os.W_OK):
        raise StoreError(f"{path} is not readable and writable for us", hint=f"chmod u+rw {path}")
    _check_folder(path.parent, may)
    if found.st_size:
        _check_head(path)


def is_nothing(path: Path) -> bool:
    """Return True where no database is yet: no file, or one with nothing in it, as a start that was cut off leaves."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return True
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def check_kind(path: Path, mode: int) -> None:
    """Raise ``StoreError`` when what lies there is no ordinary file."""
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
        raise StoreError(
            f"{path} is {kind}, and the database should be there",
            hint=f"move it away (mv {path} {path}.aside) and a new one is made, or correct database.url",
        )


def _check_mount(path: Path) -> None:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise StoreError(f"{path} is on a file system that takes no changes: it is mounted read-only",
                         hint="mount it writable, or choose another place with --data-dir or database.url")  # fmt: skip


def _check_folder(folder: Path, may: May) -> None:
    if folder.exists():
        _check_mount(folder)
    if folder.exists() and not may(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder} is not writable for us, and SQLite keeps files beside the database",
                         hint=f"chmod u+rwx {folder}, or choose another folder with --data-dir")  # fmt: skip


def _check_head(path: Path) -> None:
    with path.open("rb") as file:
        begin = file.read(len(_MAGIC))
    if begin != _MAGIC:
        raise StoreError(f"{path} is no SQLite database; it is left as it is",
                         hint=f"move it away (mv {path} {path}.aside) and a new one is made, or bring back a copy: "
                              "dashcam db restore FILE")  # fmt: skip
