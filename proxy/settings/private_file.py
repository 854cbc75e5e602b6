"""Replacing a file of ours in one step: who reads finds the old one or the new one, never a part, and only we may.

With ``is_lasting`` that holds after a power cut, too; without, the file may then be missing or empty, which is for what
another start writes anew.
"""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, data: bytes, *, is_lasting: bool) -> None:
    """Write a file of mode 0600 beside its place and move it there; ``OSError`` when that fails."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if is_lasting:
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        # On a full disk a part would only take room, and each process would leave another one.
        beside.unlink(missing_ok=True)
        raise
    if is_lasting:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
