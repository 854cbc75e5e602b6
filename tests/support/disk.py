"""A file system in memory that can fill up, tear a write, fail a sync, lose what was not synced, and flip a bit."""

from __future__ import annotations

import errno
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from proxy.spool.framing import LONGEST_HEADER, MARK, Record, heading_of, scan


@dataclass
class FakeFile:
    """``synced`` bytes of ``data`` would survive a power cut.

    After a sync that failed the kernel has forgotten what was not written: a later one says that all is well, and lies.
    """

    data: bytearray = field(default_factory=bytearray)
    synced: int = 0
    has_forgotten: bool = False


class FakeDisk:
    """Implements ``proxy.spool.disk.Disk``; ``room`` is how many more bytes it takes, None for no end.

    One that ``reverts`` gives back, after a failed sync, what was synced before: copy-on-write file systems do.
    """

    def __init__(self) -> None:
        self.files: dict[Path, FakeFile] = {}
        self.folders: set[Path] = set()
        self.open: dict[int, Path] = {}
        self._opened: dict[int, FakeFile] = {}
        self.locked: dict[Path, int] = {}
        self.room: int | None = None
        self.fails_sync = False
        self.reverts = False
        self.syncs = 0
        self.synced: list[int] = []
        self._descriptors = itertools.count(3)

    # -- faults ---------------------------------------------------------------------------------------------

    def kill_processes(self) -> None:
        """Every process dies: descriptors and locks go, every byte that was written stays."""
        self.open.clear()
        self._opened.clear()
        self.locked.clear()

    def cut_power(self, kept: float) -> None:
        """The machine dies: of what was not synced, only a part (0 to 1) is there afterwards."""
        self.kill_processes()
        for file in self.files.values():
            unsynced = len(file.data) - file.synced
            del file.data[file.synced + int(unsynced * kept) :]
            file.synced = len(file.data)

    def flip(self, path: Path, bit: int) -> None:
        """Flip one bit of a file."""
        self.files[path].data[bit // 8] ^= 1 << bit % 8

    # -- Disk -----------------------------------------------------------------------------------------------

    def make_folder(self, path: Path) -> None:
        self.folders |= {path, *path.parents}

    def create(self, path: Path) -> int:
        if path in self.files:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        if self.room == 0:
            raise OSError(errno.ENOSPC, "no space left")
        self.files[path] = FakeFile()
        return self._descriptor(path)

    def open_fixed(self, path: Path) -> int:
        return self._descriptor(path) if path in self.files else self.create(path)

    def append(self, descriptor: int, data: bytes) -> int:
        if descriptor not in self._opened:
            raise OSError(errno.EBADF, "bad descriptor")
        taken = len(data) if self.room is None else min(len(data), self.room)
        if data and not taken:
            raise OSError(errno.ENOSPC, "no space left")
        if self.room is not None:
            self.room -= taken
        self._opened[descriptor].data += data[:taken]
        return taken

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        file = self._opened[descriptor]
        assert offset + len(data) <= len(file.data), "only what is there already needs no room"
        file.data[offset : offset + len(data)] = data
        file.synced = min(file.synced, offset)
        return len(data)

    def truncate(self, descriptor: int, size: int) -> None:
        file = self._opened[descriptor]
        if self.room is not None:
            self.room += len(file.data) - size
        del file.data[size:]
        file.synced = min(file.synced, size)

    def sync(self, descriptor: int) -> None:
        file = self._opened[descriptor]
        if self.fails_sync:
            file.has_forgotten = True
            if self.reverts:
                del file.data[file.synced :]
            raise OSError(errno.EIO, "input/output error")
        self.syncs += 1
        self.synced.append(descriptor)
        if not file.has_forgotten:
            file.synced = len(file.data)

    def sync_folder(self, path: Path) -> None:
        if path not in self.folders:
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(path))

    def close(self, descriptor: int) -> None:
        if descriptor not in self.open:
            raise OSError(errno.EBADF, "bad descriptor")
        path = self.open.pop(descriptor)
        del self._opened[descriptor]
        if self.locked.get(path) == descriptor:
            del self.locked[path]

    def read(self, path: Path, offset: int, size: int) -> bytes:
        return bytes(self._file(path).data[offset : offset + size])

    def size(self, path: Path) -> int:
        return len(self._file(path).data)

    def names(self, path: Path) -> list[str]:
        inside = [item for item in (*self.files, *self.folders) if item.parent == path and item != path]
        return sorted(item.name for item in inside)

    def unlink(self, path: Path) -> None:
        gone = self.files.pop(path, None)
        if gone is not None and self.room is not None:
            self.room += len(gone.data)

    def rename(self, path: Path, to: Path) -> None:
        self.files[to] = self.files.pop(path)
        self.open = {descriptor: to if at == path else at for descriptor, at in self.open.items()}

    def hold(self, descriptor: int, size: int) -> None:
        file = self._opened[descriptor]
        more = size - len(file.data)
        if self.room is not None:
            if self.room < more:
                raise OSError(errno.ENOSPC, "no space left")
            self.room -= more
        file.data += bytes(more)

    def remove_folder(self, path: Path) -> None:
        if self.names(path):
            raise OSError(errno.ENOTEMPTY, "not empty", str(path))
        self.folders.discard(path)

    def free_bytes(self, path: Path) -> int:
        return 1 << 40 if self.room is None else self.room

    def lock(self, path: Path) -> int | None:
        if path in self.locked:
            return None
        self.files.setdefault(path, FakeFile())
        descriptor = self.locked[path] = self._descriptor(path)
        return descriptor

    def lock_folder(self, path: Path) -> int | None:
        if path in self.locked:
            return None
        descriptor = self.locked[path] = next(self._descriptors)
        self.open[descriptor] = path
        self._opened[descriptor] = FakeFile()
        return descriptor

    def _descriptor(self, path: Path) -> int:
        descriptor = next(self._descriptors)
        self.open[descriptor] = path
        # Held by the descriptor also when its name is unlinked, as the real thing does.
        self._opened[descriptor] = self.files[path]
        return descriptor

    def _file(self, path: Path) -> FakeFile:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return self.files[path]


class NotingDisk(FakeDisk):
    """Notes the records of every append to a segment that was taken whole, and of what becomes one, per source."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[Record]] = {}
        self.appends: dict[str, list[list[int]]] = {}

    def append(self, descriptor: int, data: bytes) -> int:
        taken = super().append(descriptor, data)
        path = self.open[descriptor]
        if path.suffix == ".seg" and taken == len(data):
            found = self._note(path, data)
            if found:
                self.appends.setdefault(path.parent.name, []).append([item.sequence for item in found])
        return taken

    def rename(self, path: Path, to: Path) -> None:
        super().rename(path, to)
        if path.suffix == "" and to.suffix == ".seg":
            self._note(to, bytes(self.files[to].data))

    def _note(self, path: Path, data: bytes) -> list[Record]:
        heading = heading_of(bytes(self.files[path].data[:LONGEST_HEADER]))
        mark = MARK if heading is None else heading.mark
        found = [item for item in scan(data, mark=mark) if isinstance(item, Record)]
        if found:
            self.kept.setdefault(path.parent.name, []).extend(found)
        return found
