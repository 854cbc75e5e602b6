"""What the doctor looks at in the data folder: rights, space, the database, what waits, what was left."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from proxy.cli.database import calls, size
from proxy.cli.doctor import postgres
from proxy.cli.findings import Finding
from proxy.control.prompt_files import PromptFiles
from proxy.errors import StoreError
from proxy.loader import handover
from proxy.settings.file_systems import network_kind
from proxy.settings.snapshot import load
from proxy.settings.values import RetentionSettings, Settings
from proxy.spool.inventory import Stray, strays
from proxy.store.catalogue import session
from proxy.store.catalogue.keeping import kept_by, wished
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.engines.place import is_nothing
from proxy.store.erasure.clock import jump
from proxy.store.erasure.passes import passes_of
from proxy.store.filters.text_index import TAIL
from proxy.store.migrating.migration import check_unaltered
from proxy.store.reading.reader import Reader
from proxy.store.upkeep.holders import WRITES, holders
from proxy.supervisor import instance

CHECK_SECONDS = 5.0
_OLD_SECONDS = 86_400.0
_SHOWN = 50
_LEFT_OVER = (".snapshot.json.*", "keys/.*", "backups/.*", ".*.restoring", ".*.unsealed")
_ON_FULL = {
    "metadata_only": "calls are kept without their bodies",
    "reject": "calls are refused",
    "drop": "calls are not recorded",
}
"""What becomes of new calls while the disk is nearly full, by ``recording.on_full``."""
_RESTORE = "dashcam db check says more; bring back a copy with: dashcam db restore FILE"


def folder(settings: Settings) -> Iterator[Finding]:
    """Judge the data folder's rights and space."""
    chosen = Path(settings.data_dir)
    existing = next(path for path in (chosen, *chosen.parents) if path.is_dir())
    status = os.statvfs(existing)
    free = status.f_bavail * status.f_frsize
    is_enough = free > settings.recording.min_free_bytes
    detail = f"{chosen}: {size(free)} free"
    yield Finding("data folder", is_enough, detail, f"free some space: {_ON_FULL[settings.recording.on_full]}")
    kind = network_kind(existing)
    if kind is not None:
        allowed = settings.maintenance.network_file_system
        detail = f"{chosen} is on a network file system ({kind}), whose locks may not hold: calls may be lost"
        yield Finding("data folder", None if allowed else False, detail, "choose a local one with --data-dir")
    if not os.access(existing, os.W_OK | os.X_OK):
        yield Finding("rights", False, f"{existing} is not writable for us", "choose another with --data-dir")
    elif chosen.is_dir():
        files = [] if settings.database.is_postgres else [settings.database.path]
        yield rights([chosen, *files, settings.spool_dir, chosen / "keys"])


def catalogue(settings: Settings) -> Iterator[Finding]:
    """Judge what gateways read: the snapshot, and the contents of prompts that it names."""
    mend = "a running Dashcam writes it anew within seconds; else: dashcam serve"
    try:
        snapshot = load(settings.snapshot_path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        yield Finding("snapshot", False, f"{settings.snapshot_path} cannot be read: {error}", mend)
        return
    named = {
        version.sha256: f"{prompt.name}@{version.number}" for prompt in snapshot.prompts for version in prompt.versions
    }
    if missing := PromptFiles(settings.prompts_dir).missing(named):
        told = ", ".join(sorted(named[sha256] for sha256 in missing)[:5])
        yield Finding(
            "prompts", False, f"{len(missing)} contents in {settings.prompts_dir} are damaged or gone: {told}", mend
        )


def rights(paths: list[Path]) -> Finding:
    """Judge whether others can read what was recorded; that they can look into a folder of closed files is a note."""
    wide = [path for path in paths if path.exists() and path.stat().st_mode & 0o077]
    if not wide:
        return Finding("rights", True, "only their owner can read the recordings")
    files = [path for path in wide if path.is_file()]
    verb, told = ("read", files) if files else ("look into", wide)
    names = ", ".join(map(str, told))
    return Finding("rights", False if files else None, f"others on this machine can {verb} {names}",
                   f"chmod go= {' '.join(map(str, wide))}")  # fmt: skip


def database(settings: Settings) -> Iterator[Finding]:
    """Open the database, count, and let SQLite look at it for a few seconds."""
    if settings.database.is_postgres:
        yield from postgres.database(settings.database)
        return
    try:
        reader = Reader(settings.database)
        try:
            counts, wrong = reader.counts(), reader.quick_check(CHECK_SECONDS)
            newest, obstacle = reader.newest(), reader.obstacle()
        finally:
            reader.close()
        if obstacle is not None:
            raise obstacle
        if not wrong:
            check_unaltered(settings.database)
    except StoreError as error:
        if is_nothing(settings.database.path):
            yield Finding("database", None, error.message, error.hint)
        else:
            yield Finding("database", False, error.message, error.hint or _RESTORE)
        return
    detail = f"{settings.database.shown}: {calls(counts['interactions'])}, {counts['bytes'] / 1e6:,.1f} MB"
    yield _sound(detail, wrong)
    yield from _its_disk(settings)
    yield from postgres.clock(newest)


def retention(settings: Settings) -> Iterator[Finding]:
    """Say where nothing is deleted because the clock has jumped, or there was nobody to look."""
    try:
        is_chosen, since = session.read(settings.database, partial(_look, settings.retention))
    except StoreError:
        # What is wrong with the database is told where it is looked at.
        return
    if not is_chosen:
        return
    if since is None:
        yield Finding("retention", True, "what is too old is deleted")
        return
    last = datetime.fromtimestamp(since / 1000, UTC)
    detail = f"nothing is deleted: the last look was at {last:%Y-%m-%d %H:%M} UTC, or the clock has jumped"
    yield Finding("retention", None, detail, "correct the clock; where it is right: dashcam prune --force")


def _look(said: RetentionSettings, within: session.Session) -> tuple[bool, int | None]:
    """Return whether anything is to be deleted, ever, and since when nobody has looked."""
    kept = kept_by(within.connection, said)
    is_chosen = bool(passes_of(kept) or kept.max_size or wished(within.connection))
    return is_chosen, jump(within.connection, time.time_ns() // 1_000_000) if is_chosen else None


def text_index(settings: Settings) -> Iterator[Finding]:
    """Say that searches take longer while the full-text index is being made, and how much of it is not."""
    try:
        with contextlib.closing(Reader(settings.database)) as reader:
            lacking = reader.unindexed()
    except StoreError:
        # What is wrong with the database is told where it is looked at.
        return
    if lacking > TAIL:
        detail = f"{lacking:,} calls are not in the full-text index yet: searches look through their texts"
        yield Finding("text index", None, detail, "nothing: a running Dashcam adds them, the newest first")


def _its_disk(settings: Settings) -> Iterator[Finding]:
    """Tell how much room a database has that lies on another disk than the data folder."""
    place, needed = settings.database.path.parent, settings.recording.min_free_bytes
    if place.stat().st_dev == Path(settings.data_dir).stat().st_dev:
        return
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize
    detail = f"{place}: {size(free)} free"
    yield Finding("database disk", free > needed, detail, "free some space; calls wait in the spool when it is full")


def record(settings: Settings) -> Iterator[Finding]:
    """Say when this folder's record has moved into another database than the configured one."""
    try:
        handover.check(settings)
    except StoreUnavailableError:
        # Said of the database already.
        return
    except StoreError as error:
        yield Finding("record", False, error.message, error.hint)


def _sound(detail: str, wrong: list[str] | None) -> Finding:
    if wrong:
        return Finding("database", False, f"{detail}; damaged: {wrong[0]}", _RESTORE)
    checked = "sound" if wrong == [] else f"too large to be checked in {CHECK_SECONDS:.0f} s"
    return Finding("database", True, f"{detail}; {checked}")


def who_has_it(settings: Settings) -> Iterator[Finding]:
    """Tell which other programs have the database open; who writes to it keeps calls from being stored."""
    if settings.database.is_postgres:
        yield from postgres.who_has_it(settings.database)
        return
    running = (instance.find(Path(settings.data_dir)) or {}).get("pid")
    others = [item for item in holders(settings.database.path) if running is None or item.parent != running]
    for item in others:
        keeps_out = item.does == WRITES
        detail = f"{item.command} (pid {item.pid}) {item.does}"
        if keeps_out:
            detail += ": no call can be stored while it holds the lock"
        yield Finding("database lock", False if keeps_out else None, detail, f"end it: kill {item.pid}")


def spool(settings: Settings) -> Finding:
    """Tell what waits on disk while nothing runs."""
    size = spool_bytes(settings)
    if not size:
        return Finding("spool", True, "nothing waits")
    return Finding("spool", None, f"{size / 1e6:,.1f} MB wait to be loaded, which the next start does", "dashcam serve")


def spool_bytes(settings: Settings) -> int:
    """Return how large the segments on disk are."""
    roots = (settings.spool_dir, settings.other_spool_dir)
    return sum(path.stat().st_size for root in roots for path in root.glob("*/*.seg") if path.is_file())


def left_alone(settings: Settings) -> Iterator[Finding]:
    """Tell of what lies in the spool and is not ours to touch, and of a spool that lies in RAM."""
    if settings.recording.mode == "memory":
        detail = f"recording.mode is 'memory': the spool lies in {settings.spool_dir} and goes with the machine"
        yield Finding("spool", None, detail, "set recording.mode to process or power where there is a disk")
    found: list[Stray] = []
    for root in (settings.spool_dir, settings.other_spool_dir):
        try:
            found += strays(root, _SHOWN)
        except OSError as error:
            yield Finding("spool", False, f"{root} cannot be looked at: {error.strerror}", f"ls -la {root}")
    yield from told_as_left_alone([(item.path, item.reason) for item in found])


def told_as_left_alone(found: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    """Tell of each reason once, with the first file that it is about."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in found:
        by_reason.setdefault(reason, []).append(path)
    for reason, paths in by_reason.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        folder = Path(paths[0]).parent
        yield Finding("spool", None, f"left alone: {paths[0]}{more}: {reason}", f"ls -la {folder}")


def left_over(settings: Settings) -> Iterator[Finding]:
    """Tell of files that an interrupted step of ours left, and of a running instance's file that nobody is behind."""
    old = [
        path for pattern in _LEFT_OVER for path in Path(settings.data_dir).glob(pattern) if _age(path) > _OLD_SECONDS
    ]
    if old:
        told = " ".join(map(str, old))
        yield Finding("old files", None, f"{len(old)} left by interrupted writes", f"rm {told}")


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
