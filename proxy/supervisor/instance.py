"""The mark of a running instance, in its data folder: a lock, and a file that says who and where it is.

The lock is what counts: it goes with its holder, however that ends. The file stays behind after a kill -9, and its
address may be another Dashcam's by then, so nobody is found by the file alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from proxy.errors import ConfigurationError, UnreachableError
from proxy.settings.private_file import replace_file
from proxy.spool.disk import RealDisk

_LOCK, _FILE = "instance.lock", "instance.json"
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def lock(folder: Path) -> int | None:
    """Take a data or spool folder for as long as the descriptor is open; None while another instance has it.

    The kernel knows a folder by what it is, not by the path that led there: links and containers make no difference.
    ``ConfigurationError`` where the file system has no locks, as some network ones.
    """
    try:
        return RealDisk().lock(folder / _LOCK)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise ConfigurationError(
            f"{folder}: its file system has no locks ({error.strerror}), so nothing would keep a second Dashcam away",
            hint="choose a local folder with --data-dir",
        ) from error


def take(folders: Iterable[Path]) -> list[int]:
    """Lock the folders of an instance; ``UnreachableError`` when another has one of them, and then none is locked.

    One that stands there twice, also by a link, is locked once. Whoever starts takes them before anything is written
    there, and hands them on to the supervisor: else a second start could change what the first works from.
    """
    taken: list[int] = []
    try:
        for folder in {item.resolve(): item for item in folders}.values():
            descriptor = lock(folder)
            if descriptor is None:
                raise _refusal(folder)
            taken.append(descriptor)
    except BaseException as error:
        for descriptor in taken:
            os.close(descriptor)
        if isinstance(error, OSError):
            raise ConfigurationError(
                f"cannot lock {error.filename}: {error.strerror}", hint="look at its disk and its rights"
            ) from error
        raise
    return taken


def _refusal(folder: Path) -> UnreachableError:
    running = find(folder) or {}
    where, pid = running.get("url", "an address it has not told yet"), running.get("pid")
    known, ending = ("", "") if pid is None else (f" (pid {pid})", f" (kill {pid})")
    return UnreachableError(
        f"Dashcam already serves {folder} at {where}{known}",
        hint=f"stop that one first{ending}, or choose another folder with --data-dir or DASHCAM_DATA_DIR",
    )


def holds(data_dir: Path, descriptor: int) -> bool:
    """Return True while the lock that is held is the one that others would find: its file may have been removed."""
    try:
        return os.path.samestat((data_dir / _LOCK).stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def is_announced(data_dir: Path) -> bool:
    """Return True while what the holder of the lock wrote is there."""
    return (data_dir / _FILE).exists()


def is_served(data_dir: Path) -> bool:
    """Return True while an instance has the data folder."""
    if not (data_dir / _LOCK).exists():
        return False
    descriptor = lock(data_dir)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def find(data_dir: Path) -> dict[str, object] | None:
    """Return what the running instance of this data folder wrote about itself, None when none runs or has written."""
    try:
        values = json.loads((data_dir / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and is_served(data_dir) else None


def announce(data_dir: Path, values: Mapping[str, object]) -> None:
    """Write down who and where we are; for the holder of the lock."""
    replace_file(data_dir / _FILE, json.dumps(values).encode(), is_lasting=False)


def forget(data_dir: Path) -> None:
    """Remove what an instance that is gone wrote."""
    with contextlib.suppress(FileNotFoundError):
        (data_dir / _FILE).unlink()
