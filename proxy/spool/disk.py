"""The few things the spool asks of a file system, so that tests can make it fail, fill up, tear and crash.

Paths are absolute; errors are ``OSError`` as the system gives them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from proxy.spool.names import UNFINISHED

_BLOCK = 512
_SLICE = 1 << 20
_CANNOT_ALLOCATE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Disk(Protocol):
    """What the spool needs."""

    def make_folder(self, path: Path) -> None:
        """Make a folder, 0700, with its parents; fine when it is there."""
        ...

    def create(self, path: Path) -> int:
        """Create a new file, 0600, for appending; fails when it exists."""
        ...

    def open_fixed(self, path: Path) -> int:
        """Open a file, 0600, for overwriting; made when it is not there."""
        ...

    def append(self, descriptor: int, data: bytes) -> int:
        """Append in one write; return how many bytes were taken."""
        ...

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """Write over what is there in one write; return how many bytes were taken."""
        ...

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file back."""
        ...

    def sync(self, descriptor: int) -> None:
        """Wait until the file's data is on stable storage."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Wait until the folder's entries are on stable storage."""
        ...

    def close(self, descriptor: int) -> None:
        """Close a file."""
        ...

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes."""
        ...

    def size(self, path: Path) -> int:
        """Return a file's size."""
        ...

    def names(self, path: Path) -> list[str]:
        """Return the names in a folder, sorted; empty when it does not exist."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a file; fine when it is gone."""
        ...

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another name, in place of what bears it."""
        ...

    def hold(self, descriptor: int, size: int) -> None:
        """Make a file so large, and hold that much of the disk; when that fails it is as large as before."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder; fine when it is gone."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Return how many bytes an unprivileged program may still write."""
        ...

    def lock(self, path: Path) -> int | None:
        """Take an exclusive lock on a file, which is made; None when another process holds it."""
        ...

    def lock_folder(self, path: Path) -> int | None:
        """Take an exclusive lock on a folder; None when another process holds it."""
        ...


class RealDisk:
    """The operating system's file system."""

    def make_folder(self, path: Path) -> None:
        """See ``Disk``."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self, path: Path) -> int:
        """See ``Disk``."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def open_fixed(self, path: Path) -> int:
        """See ``Disk``."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, descriptor: int, data: bytes) -> int:
        """See ``Disk``."""
        return os.write(descriptor, data)

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """See ``Disk``."""
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        """See ``Disk``."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """See ``Disk``; macOS has no ``fdatasync``."""
        getattr(os, "fdatasync", os.fsync)(descriptor)

    def sync_folder(self, path: Path) -> None:
        """See ``Disk``."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        """See ``Disk``."""
        os.close(descriptor)

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """See ``Disk``."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)

    def size(self, path: Path) -> int:
        """See ``Disk``."""
        return path.stat().st_size

    def names(self, path: Path) -> list[str]:
        """See ``Disk``."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(os.listdir(path))
        return []

    def unlink(self, path: Path) -> None:
        """See ``Disk``."""
        path.unlink(missing_ok=True)

    def rename(self, path: Path, to: Path) -> None:
        """See ``Disk``."""
        path.rename(to)

    def hold(self, descriptor: int, size: int) -> None:
        """See ``Disk``. Some file systems only promise blocks, or compress what is alike: these are written full."""
        before = os.fstat(descriptor).st_size
        try:
            _allocate(descriptor, size)
            if os.fstat(descriptor).st_blocks * _BLOCK < size:
                for offset in range(before, size, _SLICE):
                    os.pwrite(descriptor, os.urandom(min(_SLICE, size - offset)), offset)
                os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            raise

    def remove_folder(self, path: Path) -> None:
        """See ``Disk``."""
        with contextlib.suppress(FileNotFoundError):
            path.rmdir()

    def free_bytes(self, path: Path) -> int:
        """See ``Disk``."""
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize

    def lock(self, path: Path) -> int | None:
        """See ``Disk``."""
        return _locked(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def lock_folder(self, path: Path) -> int | None:
        """See ``Disk``. Some network file systems lock no folders: there the lock of a file must do."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _locked(os.dup(descriptor))
        except OSError:
            return os.dup(descriptor)
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> int | None:
    """Lock an open file; it is closed where that cannot be."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _allocate(descriptor: int, size: int) -> None:
    """Ask the file system for blocks, where it can be asked (macOS cannot)."""
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is None:
        return
    try:
        allocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in _CANNOT_ALLOCATE:
            raise


def write_whole(disk: Disk, path: Path, parts: Iterable[bytes]) -> int:
    """Write a file that bears its name once it is whole and synced; return its size. What fails leaves nothing."""
    unfinished = path.with_suffix(UNFINISHED)
    disk.unlink(unfinished)
    descriptor = disk.create(unfinished)
    try:
        try:
            size = sum([_append_all(disk, descriptor, part) for part in parts])
            disk.sync(descriptor)
        finally:
            disk.close(descriptor)
        disk.rename(unfinished, path)
    except BaseException:
        # On a full disk half a file would only take the room that others need.
        disk.unlink(unfinished)
        raise
    disk.sync_folder(path.parent)
    return size


def _append_all(disk: Disk, descriptor: int, data: bytes) -> int:
    view = memoryview(data)
    while view:
        view = view[disk.append(descriptor, bytes(view)) :]
    return len(data)
