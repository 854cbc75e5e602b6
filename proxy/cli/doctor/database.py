"""What the doctor looks at in the database: there, sound, open to us; who else has it; its index; retention.

It counts and reads for a few seconds at most. What is particular to a Postgres is ``postgres``; what is wrong with the
database as a whole is told once, by ``soundness``, and what else is asked of it is silent then.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from proxy.cli.database import calls, size
from proxy.cli.doctor import postgres
from proxy.cli.findings import Finding
from proxy.errors import StoreError
from proxy.loader import handover
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RetentionSettings, Settings
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
_RESTORE = "dashcam db check says more; bring back a copy with: dashcam db restore FILE"


def soundness(settings: Settings) -> Iterator[Finding]:
    """Open the database, count, and let SQLite look at it for a few seconds."""
    if settings.database.is_postgres:
        yield from postgres.database(settings.database)
        return
    try:
        counts, newest, wrong = _looked_through(settings.database)
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


def _looked_through(chosen: DatabaseSettings) -> tuple[Mapping[str, int], float | None, list[str] | None]:
    """Return what a file holds, its newest call, and what is wrong with it: None where there was no time to tell."""
    with contextlib.closing(Reader(chosen)) as reader:
        counts, wrong = reader.counts(), reader.quick_check(CHECK_SECONDS)
        newest, obstacle = reader.newest(), reader.obstacle()
    if obstacle is not None:
        raise obstacle
    if not wrong:
        check_unaltered(chosen)
    return counts, newest, wrong


def _sound(detail: str, wrong: list[str] | None) -> Finding:
    if wrong:
        return Finding("database", False, f"{detail}; damaged: {wrong[0]}", _RESTORE)
    checked = "sound" if wrong == [] else f"too large to be checked in {CHECK_SECONDS:.0f} s"
    return Finding("database", True, f"{detail}; {checked}")


def _its_disk(settings: Settings) -> Iterator[Finding]:
    """Tell how much room a database has that lies on another disk than the data folder."""
    place, needed = settings.database.path.parent, settings.recording.min_free_bytes
    if place.stat().st_dev == Path(settings.data_dir).stat().st_dev:
        return
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize
    detail = f"{place}: {size(free)} free"
    yield Finding("database disk", free > needed, detail, "free some space; calls wait in the spool when it is full")


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


def record(settings: Settings) -> Iterator[Finding]:
    """Say when this folder's record has moved into another database than the configured one."""
    try:
        handover.check(settings)
    except StoreUnavailableError:
        # Said of the database already.
        return
    except StoreError as error:
        yield Finding("record", False, error.message, error.hint)


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
