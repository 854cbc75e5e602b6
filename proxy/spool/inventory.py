"""What lies in the spool and is left alone: foreign files, damaged or newer segments, what was set aside.

Nothing here is ever removed or changed by us; it is listed, so that a person can decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from proxy.spool import ballast, ends
from proxy.spool.disk import Disk, RealDisk
from proxy.spool.framing import LONGEST_HEADER, SEALED_VERSION, SEGMENT_HEADER, heading_of, version_of
from proxy.spool.names import BODIES, LOCK, QUARANTINE, SEGMENT, UNFINISHED, is_source, segment_numbers

MARKS = ("instance.lock", "instance.json")
"""Which instance has the spool."""


@dataclass(frozen=True, slots=True)
class Stray:
    """One file or folder that is left alone, and why."""

    path: str
    reason: str


def strays(root: Path, limit: int, disk: Disk | None = None) -> list[Stray]:
    """Return up to ``limit`` of them; ``OSError`` when the spool cannot be looked at."""
    return list(islice(_strays(root, disk or RealDisk()), limit))


def _strays(root: Path, disk: Disk) -> Iterator[Stray]:
    for name in disk.names(root):
        if is_source(name):
            yield from _in_source(root / name, disk)
        elif name == QUARANTINE:
            for kept in disk.names(root / name):
                yield Stray(str(root / name / kept), "bytes that could not be read, set aside for a person")
        elif name not in MARKS:
            yield Stray(str(root / name), "not ours")


def _in_source(folder: Path, disk: Disk) -> Iterator[Stray]:
    try:
        names = disk.names(folder)
    except NotADirectoryError:
        yield Stray(str(folder), "not ours")
        return
    for name in names:
        path = folder / name
        if name.endswith(SEGMENT) and segment_numbers([name]):
            reason = _reason(path, disk)
            if reason is not None:
                yield Stray(str(path), reason)
        elif name not in (LOCK, BODIES, ballast.NAME, ends.NAME) and not name.endswith(UNFINISHED):
            yield Stray(str(path), "not ours")


def _reason(path: Path, disk: Disk) -> str | None:
    """Return why a segment is left alone, None when it is not."""
    try:
        head = disk.read(path, 0, LONGEST_HEADER)
    except FileNotFoundError:
        return None
    if heading_of(head) is not None or len(head) < SEGMENT_HEADER.size:
        return None
    version = version_of(head)
    if version is not None and version > SEALED_VERSION:
        return f"a segment of version {version}, which a newer Dashcam has written: start that one to load it"
    return "a segment whose beginning is damaged"
