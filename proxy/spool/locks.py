"""Who has a gateway's folder: a lock on the folder itself, and one on a file in it.

The kernel takes both away with their holder, however that ends. The file is what one sees, and what programs of earlier
versions ask for; but anybody may remove it, and whose gateway is taken for dead loses what it appends from then on. The
folder cannot go while there is something in it.
"""

from __future__ import annotations

from pathlib import Path

from proxy.spool.disk import Disk
from proxy.spool.names import LOCK


def hold(disk: Disk, folder: Path) -> list[int] | None:
    """Take a folder for as long as the descriptors are open; None while another process has it."""
    own = disk.lock_folder(folder)
    if own is None:
        return None
    try:
        file = disk.lock(folder / LOCK)
    except OSError:
        disk.close(own)
        raise
    if file is None:
        disk.close(own)
        return None
    return [own, file]


def let_go(disk: Disk, descriptors: list[int]) -> None:
    """Give a folder back."""
    for descriptor in descriptors:
        disk.close(descriptor)


def is_held(disk: Disk, folder: Path) -> bool:
    """True while a process has the folder; nothing is made in it."""
    try:
        own = disk.lock_folder(folder)
    except FileNotFoundError:
        return False
    if own is None:
        return True
    try:
        file = disk.lock(folder / LOCK) if LOCK in disk.names(folder) else own
    finally:
        disk.close(own)
    if file is None:
        return True
    if file != own:
        disk.close(file)
    return False
