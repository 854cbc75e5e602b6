"""A file that only holds room: given back when the disk is full, so that the ends of calls under way still fit.

One a gateway, in its folder, made by the syncing thread and given back by whoever meets the full disk: removing a file
needs no space. It is made again once there is plenty of room; until then the spool counts as full.

What a killed gateway left is removed with the rest of its folder once the store has it all. Where that is away, and
gateways are restarted again and again, these files would fill the disk: so each gateway that begins gives back those of
the dead, and what their files for waiting ENDs (``ends``) hold and do not need.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from proxy.spool import ends, locks
from proxy.spool.disk import Disk
from proxy.spool.names import is_source

NAME = "ballast"
_PLENTY = 2


def give_back_abandoned(disk: Disk, root: Path) -> None:
    """Give back the room that dead gateways hold; what cannot be looked at stays."""
    with contextlib.suppress(OSError):
        for name in filter(is_source, disk.names(root)):
            with contextlib.suppress(OSError):
                _give_back(disk, root / name)
                ends.settle(disk, root / name)


def _give_back(disk: Disk, folder: Path) -> None:
    held = locks.hold(disk, folder) if NAME in disk.names(folder) else None
    if held is not None:
        try:
            disk.unlink(folder / NAME)
        finally:
            locks.let_go(disk, held)


class Ballast:
    """``is_spent``: it was given back and is not there again. A size of 0 means none."""

    def __init__(self, disk: Disk, folder: Path, size: int) -> None:
        self._disk = disk
        self._path = folder / NAME
        self._size = size
        self._is_there = False
        self.is_spent = False

    def __repr__(self) -> str:
        return f"<Ballast {self._size} there={self._is_there} spent={self.is_spent}>"

    def make(self, free: int, reserve: int) -> None:
        """Make it when there is none and this much (bytes) is free beyond what must stay free."""
        if self._is_there or not self._size or free < reserve + _PLENTY * self._size:
            return
        # Without one there is only less room at the end: the look at the disk says how much there is.
        with contextlib.suppress(OSError):
            self._disk.unlink(self._path)
            self._hold()
            self._is_there, self.is_spent = True, False

    def _hold(self) -> None:
        descriptor = self._disk.open_fixed(self._path)
        try:
            self._disk.hold(descriptor, self._size)
        except OSError:
            self._disk.unlink(self._path)
            raise
        finally:
            self._disk.close(descriptor)

    def release(self) -> bool:
        """Give the room back; False when there is none to give."""
        if not self._is_there:
            return False
        self._is_there, self.is_spent = False, True
        try:
            self._disk.unlink(self._path)
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Remove it at the end; the loader removes what a killed gateway left."""
        if self._is_there:
            self._is_there = False
            with contextlib.suppress(OSError):
                self._disk.unlink(self._path)
