"""Which database a data folder's record is in, and how it becomes another one while calls go on.

A spool belongs to one record: positions in the one database would count again what the other one has. So a copy
ends with a *handover*. The command holds the loader (``hold``): the running control leaves the store after its batch
and waits until the hold is over, gateways go on spooling. When all is carried, ``data_dir/record.json`` says which copy
is the record, and control refuses to write into any other database: the former one, and an incomplete copy.

The hold is a lock and goes with its holder; the loader asks for it once a round, which is one look for a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from proxy.errors import NotAllowedError, StoreError, UnreachableError
from proxy.settings.database import typed
from proxy.settings.installation import id_of
from proxy.settings.private_file import replace_file
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.moving import state

_RECORD, _HOLD, _COPY, _LOADER = "record.json", "hold.lock", "copy.lock", "loader.lock"
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 60.0


def is_held(data_dir: Path) -> bool:
    """Return True while a command wants nobody to write."""
    path = data_dir / _HOLD
    if not path.exists():
        return False
    lock = RealDisk().lock(path)
    if lock is None:
        return True
    os.close(lock)
    return False


@contextlib.contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Be the only copy of a data folder."""
    lock = _take(data_dir / _COPY, 0.0, time.sleep)
    if lock is None:
        raise NotAllowedError("another copy of this data folder is under way", hint="wait for its end")
    try:
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def hold(data_dir: Path, wait: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Keep every loader of a data folder away from the store; ``UnreachableError`` when one does not leave it."""
    # A control that looks whether there is a hold has the lock for that moment.
    wanted = _take(data_dir / _HOLD, 1.0, wait)
    if wanted is None:
        raise NotAllowedError("another command holds this record", hint="wait for its end")
    try:
        loader = _take(data_dir / _LOADER, _PATIENCE_SECONDS, wait)
        if loader is None:
            raise UnreachableError(
                f"the running Dashcam has not let go of its database in {_PATIENCE_SECONDS:.0f} s",
                hint="dashcam doctor says why; or stop it, and give the same command again",
            )
        try:
            yield
        finally:
            os.close(loader)
    finally:
        (data_dir / _HOLD).unlink(missing_ok=True)
        os.close(wanted)


def _take(path: Path, seconds: float, wait: Callable[[float], None]) -> int | None:
    RealDisk().make_folder(path.parent)
    deadline = time.monotonic() + seconds
    while True:
        lock = RealDisk().lock(path)
        if lock is not None or time.monotonic() >= deadline:
            return lock
        wait(_POLL_SECONDS)


def hand_over(data_dir: Path, copied: state.CopyState, shown: str) -> None:
    """Say that a complete copy is the record from now on."""
    values = {"copy": copied.id, "database": shown, "before": copied.source}
    replace_file(data_dir / _RECORD, json.dumps(values, indent=1).encode() + b"\n", is_lasting=True)


def handed_over(data_dir: Path) -> dict[str, str] | None:
    """Return which copy is the record of a data folder; None when it never moved."""
    try:
        found = json.loads((data_dir / _RECORD).read_bytes())
        return {name: str(found[name]) for name in ("copy", "database", "before")}
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{data_dir / _RECORD} cannot be read", hint="restore it from a backup") from error


def check(settings: Settings) -> None:
    """Raise ``StoreError`` where the configured database is not this folder's record; for who is about to write."""
    data_dir = Path(settings.data_dir)
    found, there = handed_over(data_dir), state.of(settings.database)
    if found is not None and (there is None or there.id != found["copy"]):
        raise StoreError(
            f"the record moved to {found['database']}; nothing is written to {settings.database.shown} any more",
            hint=f"dashcam serve --database-url {shlex.quote(typed(found['database']))}; "
            f"or, to go on without it: rm {data_dir / _RECORD}",
        )
    if there is None or there.state == state.IN_USE:
        return
    if there.state == state.COPYING or (found is None and there.instance == id_of(data_dir)):
        raise StoreError(f"{settings.database.shown} is a copy of {there.source} that is not complete",
                         hint="complete it: dashcam db copy")  # fmt: skip


def take_into_use(settings: Settings) -> None:
    """Check, and note that the database is written to as the record from now on."""
    check(settings)
    there = state.of(settings.database)
    if there is not None and there.state == state.COMPLETE:
        state.use(settings.database)
