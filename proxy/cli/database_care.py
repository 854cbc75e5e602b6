"""``dashcam db``, the part that writes: upgrade, statistics, space. Whoever is the one writer does it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict

from proxy.cli.bar import Bar
from proxy.cli.database import print_facts, size
from proxy.cli.rows import number
from proxy.errors import NotAllowedError, StoreError
from proxy.loader.errands import Errands, alone
from proxy.settings.credentials import copies_key
from proxy.settings.values import Settings
from proxy.store.care.maintenance import Done
from proxy.store.engines.place import is_nothing
from proxy.store.migrating.migration import How, Upgrade, head, missing_views, revision_of, upgrade
from proxy.store.migrating.revisions import data_steps, statements

_PATIENCE_SECONDS = 6.0
_POLL_SECONDS = 0.05
_SAID = {
    "analyze": "The statistics are new: {took}.",
    "optimize": "Statistics are new, and {freed} given back: {took}.",
    "compact": "Compacted: {after} now, {freed} less; {took}.",
}


def do(settings: Settings, task: str, *, as_json: bool) -> None:
    """Do a task of maintenance, here or in the running Dashcam, and say what came of it."""
    if not settings.database.is_postgres and is_nothing(settings.database.path):
        raise StoreError(
            f"there is no database at {settings.database.path} yet", hint="start Dashcam with: dashcam serve"
        )
    with Bar(task) as bar:
        done = Errands(settings).do(task, bar.look)
    if as_json:
        print_facts(asdict(done), {}, as_json=True)
        return
    print(_said(done))


def _said(done: Done) -> str:
    freed = max(0, done.bytes_before - done.bytes_after)
    return _SAID[done.task].format(took=f"{done.seconds:,.1f} s", freed=size(freed), after=size(done.bytes_after))


def dry_run(settings: Settings) -> None:
    """Print the SQL of the upgrade that would be made; talk goes to standard error."""
    before = _revision(settings)
    if before is not None and before >= head():
        _show_views(settings, before)
        return
    print(statements("postgresql" if settings.database.is_postgres else "sqlite", before).strip())
    for revision, fill in data_steps().items():
        if before is None or revision > before:
            print(f"-- Then, in batches, revision {revision}: {(fill.__doc__ or 'rows are filled in').strip()}")
    print(f"Nothing was done. This is the upgrade from {before or 'nothing'} to {head()}.", file=sys.stderr)


def _show_views(settings: Settings, revision: str) -> None:
    found = missing_views(settings.database)
    if not found:
        print(f"-- The database is at revision {revision}: there is nothing to do.")
        return
    print("".join(f"{statement};\n\n" for statement in found.values()).strip())
    print(f"Nothing was done. This makes anew what is missing: {', '.join(found)}.", file=sys.stderr)


def migrate(settings: Settings, *, batch_rows: int, is_forced: bool, as_json: bool) -> None:
    """Bring the database up to date; where a server runs, its start has done so."""
    if is_forced:
        print("dashcam: --force: no copy is made, and the result is not checked", file=sys.stderr)
    elif settings.database.is_postgres:
        print("No copy is made of a Postgres; for one first: dashcam db backup", file=sys.stderr)
    with _whole(settings) as is_alone:
        if not is_alone:
            _say_what_runs(settings, as_json=as_json)
            return
        with Bar("upgrading") as bar:
            done = upgrade(
                settings.database,
                How(
                    backups=settings.backups_dir,
                    keep_backups=settings.maintenance.backups,
                    spare_bytes=settings.recording.min_free_bytes,
                    master_key=copies_key(settings.maintenance),
                    batch_rows=batch_rows,
                    is_forced=is_forced,
                    makes_views=True,
                    tell=bar.tell,
                ),
            )
    _say_done(done, as_json=as_json, is_postgres=settings.database.is_postgres)


def _say_done(done: Upgrade, *, as_json: bool, is_postgres: bool = False) -> None:
    copy = str(done.backup) if done.backup else None
    if as_json:
        facts = {"before": done.before, "after": done.after, "backup": copy, "filled_rows": done.filled_rows,
                 "views": list(done.views)}  # fmt: skip
        print_facts(facts, {}, as_json=True)
        return
    if done.views:
        print(f"Made anew what was missing: {', '.join(done.views)}.")
        if is_postgres:
            print("Rights that others had on them are to be granted again.", file=sys.stderr)
    if done.before == done.after and not done.filled_rows:
        if not done.views:
            print(f"The database is at revision {done.after}: there was nothing to do.")
        return
    print(f"The database is at revision {done.after} now; it was {done.before or 'empty'}.")
    if done.filled_rows:
        print(f"{number(done.filled_rows)} rows were filled in.")
    if copy:
        print(f"A copy from before: {copy}")


def _say_what_runs(settings: Settings, *, as_json: bool) -> None:
    found = _revision(settings)
    if found is None or found < head():
        raise NotAllowedError(
            f"a running Dashcam has the database, which is at revision {found or 'nothing'}; this program has {head()}",
            hint="stop it and start this one: its start upgrades the database",
        )
    if missing := missing_views(settings.database):
        raise NotAllowedError(
            f"a running Dashcam has the database, in which views are missing: {', '.join(missing)}",
            hint="stop it, then: dashcam db migrate",
        )
    _say_done(Upgrade(found, found), as_json=as_json)


@contextlib.contextmanager
def _whole(settings: Settings) -> Iterator[bool]:
    """Hold the loader's lock; a control that cannot open its database lets go of it every two seconds."""
    if settings.database.is_postgres:
        # There an advisory lock keeps two upgrades apart, and what runs goes on.
        yield True
        return
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with alone(settings) as is_alone:
            if is_alone or time.monotonic() > deadline or _is_current(settings):
                yield is_alone
                return
        time.sleep(_POLL_SECONDS)


def _is_current(settings: Settings) -> bool:
    found = _revision(settings)
    return found is not None and found >= head()


def _revision(settings: Settings) -> str | None:
    if not settings.database.is_postgres and is_nothing(settings.database.path):
        return None
    return revision_of(settings.database)
