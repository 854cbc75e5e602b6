"""A disk of a few megabytes, which can be full or read-only; in memory, and gone with its block."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.means import require


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[None]:
    """Mount a disk in memory of so many megabytes."""
    require("linux", "root", "mount")
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def fill_up(path: Path, name: str = "filler") -> Path:
    """Leave no byte free on the disk of a folder; return the file to remove again."""
    filler = path / name
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler
