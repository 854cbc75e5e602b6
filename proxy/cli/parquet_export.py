"""``dashcam export --format parquet``: a folder with a file for each day, and a manifest that says what is in them.

``FOLDER/day=2026-11-27/part-0.parquet``, as DuckDB, Spark and others read it. Broken off, the same command goes on with
the day it was at; a day's file has its name only when it is whole. ``manifest.json`` has of each day its rows, bytes
and SHA-256.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from proxy.cli.room import told
from proxy.errors import UsageError
from proxy.forms.parquet import library, write_file
from proxy.forms.reading import Place
from proxy.forms.writing import Call
from proxy.settings.private_file import replace_file
from proxy.spool.disk import RealDisk

_BEHIND_ALL = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_AT_ONCE = 1024 * 1024


@dataclass
class Manifest:
    """What a folder has: of each day its file, rows, bytes and SHA-256. ``is_whole``: nothing is left to be written.

    ``since`` and ``until`` are Unix milliseconds, as what was ``asked`` meant them when the export began.
    """

    asked: Mapping[str, Any]
    since: int | None
    until: int
    days: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_whole: bool = False

    @property
    def written(self) -> int:
        """Calls in all files."""
        return sum(day["rows"] for day in self.days.values())

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(day["bytes"] for day in self.days.values())

    @property
    def after(self) -> Place | None:
        """Behind which place to go on."""
        return (f"{max(self.days)}T23:59:59.999Z", _BEHIND_ALL) if self.days else None


@contextlib.contextmanager
def opened(folder: Path | None, fresh: Manifest, *, is_replacing: bool) -> Iterator[tuple[Path, Manifest]]:
    """Open a folder to write to, with the manifest of an export that was broken off."""
    library()
    if folder is None:
        raise UsageError("Parquet goes into a folder", hint="say which: --to FOLDER")
    with told(folder):
        RealDisk().make_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _be_alone(folder, descriptor)
        yield folder, _continued(folder, fresh, is_replacing=is_replacing)
    finally:
        os.close(descriptor)


def _be_alone(folder: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another export writes to {folder}", hint="wait for it, or name another folder") from error


def write_days(
    folder: Path, manifest: Manifest, columns: Sequence[str], calls: Iterable[Sequence[Call]],
    tell: Callable[[], None], *, has_content: bool,
) -> None:  # fmt: skip
    """Write calls, which come in the order of time, into a file for each day."""
    for day, portions in itertools.groupby(_by_day(calls), key=lambda part: part[0]):
        path = folder / f"day={day}" / "part-0.parquet"
        with told(path):
            RealDisk().make_folder(path.parent)
            rows = write_file(path, columns, (portion for _, portion in portions), has_content=has_content)
            facts = {"rows": rows, "bytes": path.stat().st_size, "sha256": _sha256(path)}
            manifest.days[day] = {"file": str(path.relative_to(folder)), **facts}
            save(folder, manifest)
        tell()
    manifest.is_whole = True
    with told(folder):
        save(folder, manifest)


def save(folder: Path, manifest: Manifest) -> None:
    """Write the manifest."""
    replace_file(folder / "manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2), is_lasting=True)


def _by_day(calls: Iterable[Sequence[Call]]) -> Iterator[tuple[str, list[Call]]]:
    for portion in calls:
        for day, some in itertools.groupby(portion, key=lambda call: call[0]["started_at"][:10]):
            yield day, list(some)


def _continued(folder: Path, fresh: Manifest, *, is_replacing: bool) -> Manifest:
    found = _load(folder)
    is_ours = found is not None and found.asked == fresh.asked
    if found is not None and is_ours and not found.is_whole:
        print(f"going on behind {max(found.days, default='nothing')}", file=sys.stderr)
        return found
    if any(folder.iterdir()) and not is_replacing:
        raise UsageError(f"{folder} has something in it already", hint="name another folder, or add --replace")
    for path in (*folder.glob("day=*/part-0.parquet*"), folder / "manifest.json"):
        path.unlink(missing_ok=True)
    with told(folder):
        save(folder, fresh)
    return fresh


def _load(folder: Path) -> Manifest | None:
    try:
        return Manifest(**orjson.loads((folder / "manifest.json").read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_AT_ONCE):
            digest.update(data)
    return digest.hexdigest()
