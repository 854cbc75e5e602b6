"""A disk that fails and a clock that steps under a running program: ``tests/faults/shim.c``, compiled and preloaded.

``Shim.environment`` goes to the processes; afterwards its methods turn faults on and off while they run.
``power_cut`` puts a folder back to what was synced, as if the machine had lost its power.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from proxy.spool.framing import SEGMENT_HEADER
from tests.support.means import require
from tests.support.processes import ROOT

WRITE, SYNC, OPEN = range(3)
_KINDS = 3
_SYNC_ALL = """
import os, sys
for folder, folders, files in os.walk(sys.argv[1]):
    for path in [folder, *(os.path.join(folder, name) for name in files)]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
"""
_FROM, _UNTIL, _SEEN = _KINDS, 2 * _KINDS, 3 * _KINDS
_SLEEP, _WALL = 4 * _KINDS, 4 * _KINDS + 1
_EVER = 1 << 62


def compile_shim(folder: Path) -> Path:
    """Compile it; passes the test over where there is no compiler."""
    require("linux", "cc")
    made = folder / "shim.so"
    source = ROOT / "tests" / "faults" / "shim.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", made, source, "-ldl"], check=True, capture_output=True)
    return made


class Shim:
    """Between the processes of one Dashcam and the files below ``root``."""

    def __init__(self, library: Path, folder: Path, root: Path) -> None:
        self.root = root
        self.shadow = folder / "shadow"
        self.shadow.mkdir()
        page = folder / "page"
        page.write_bytes(bytes(4096))
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 4096)
        self.environment = {
            "LD_PRELOAD": str(library),
            "SHIM_PAGE": str(page),
            "SHIM_ROOT": str(root),
            "SHIM_SHADOW": str(self.shadow),
        }

    def _set(self, slot: int, value: int) -> None:
        struct.pack_into("q", self._page, slot * 8, value)

    def _get(self, slot: int) -> int:
        return int(struct.unpack_from("q", self._page, slot * 8)[0])

    def fail(self, kind: int, number: int, *, after: int = 0, times: int = _EVER) -> None:
        """Let writes, syncs or opens fail with an errno from now on, ``after`` so many more, so many times."""
        begin = self.seen(kind) + after
        self._set(_FROM + kind, begin)
        self._set(_UNTIL + kind, begin + times)
        self._set(kind, number)

    def fail_once(self, kind: int, number: int) -> Callable[[], bool]:
        """Let the next one fail; return what tells whether it has."""
        self.fail(kind, number, times=1)
        until = self._get(_UNTIL + kind)
        return lambda: self.seen(kind) >= until

    def heal(self) -> None:
        """Let everything succeed again."""
        for kind in range(_KINDS):
            self._set(kind, 0)
        self._set(_SLEEP, 0)

    def seen(self, kind: int) -> int:
        """How many writes, syncs or opens there have been."""
        return self._get(_SEEN + kind)

    def sync_slowly(self, seconds: float) -> None:
        """Let each sync take so long."""
        self._set(_SLEEP, int(seconds * 1000))

    def step_clock(self, seconds: float) -> None:
        """Set the clock on the wall so far from the true time."""
        self._set(_WALL, int(seconds * 1e9))

    def lose_everything_from_now_on(self) -> None:
        """Let no sync end, so that nothing more becomes lasting."""
        self.sync_slowly(3600)

    # -- the power cut --------------------------------------------------------------------------------------

    def is_all_synced(self, folder: Path) -> bool:
        """Tell whether each segment below a folder that holds a record is on the disk as it is."""
        with contextlib.suppress(FileNotFoundError):  # one is freed just now: the next look is without it
            used = [path for path in folder.rglob("*.seg") if path.stat().st_size > SEGMENT_HEADER.size]
            return all(self._kept(path) == path.read_bytes() for path in used)
        return False

    def _kept(self, path: Path) -> bytes | None:
        found = [item for item in self.shadow.glob(f"{path.stat().st_ino}-*") if item.name.count(".") == 1]
        # Inodes are given out again: of those of one number the last that was born is there.
        return max(found).read_bytes() if found else None

    def power_cut(self, seed: int) -> None:
        """Put everything below the root back to what was synced; of a segment some of what was not may be there too."""
        chance = random.Random(seed)
        unsynced = {path: path.read_bytes() for path in self.root.rglob("*.seg")}
        kept = {item.name: item.read_bytes() for item in self.shadow.iterdir() if item.name.count(".") == 1}
        folders = {_folder_of(content): content for content in kept.values() if content.startswith(b"folder ")}
        for item in self.root.iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        self._restore(self.root, folders, kept)
        for path, was in unsynced.items():
            if path.exists() and was.startswith(there := path.read_bytes()):
                path.write_bytes(was[: chance.randint(len(there), len(was))])
        self._let_it_last()

    def _let_it_last(self) -> None:
        """What is there after the power has come back is on the disk."""
        for item in self.shadow.iterdir():
            item.unlink()
        self.heal()
        environment = {**os.environ, **self.environment}
        subprocess.run([sys.executable, "-c", _SYNC_ALL, str(self.root)], env=environment, check=True)

    def _restore(self, folder: Path, folders: dict[str, bytes], kept: dict[str, bytes]) -> None:
        listed = folders.get(str(folder), b"folder\n")
        for line in listed.splitlines()[1:]:
            kind, name, entry = line.decode().split(" ", 2)
            path = folder / entry
            if kind == "d":
                path.mkdir(mode=0o700)
                self._restore(path, folders, kept)
            else:
                path.touch(mode=0o600)
                path.write_bytes(kept.get(name, b""))


def _folder_of(content: bytes) -> str:
    return content.partition(b"\n")[0].removeprefix(b"folder ").decode()
