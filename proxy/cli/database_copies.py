"""``dashcam db backup`` and ``restore``: a copy while all goes on, and a copy brought back while nothing runs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proxy.cli.bar import Bar
from proxy.cli.database import calls, print_facts, size
from proxy.cli.terminal import local_time
from proxy.errors import NotAllowedError, UsageError
from proxy.loader.errands import alone
from proxy.settings.installation import instance_of
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.backup import backup_name, copy_database, unused
from proxy.store.migration import revision_of
from proxy.store.restoring import Content, examine, restore, settle_accounts
from proxy.supervisor import instance


def backup(settings: Settings, file: str | None, *, as_json: bool) -> None:
    """Copy the database as it is at this moment, look at the copy, and say where it is."""
    name = backup_name("backup", revision_of(settings.database))
    if settings.database.is_postgres:
        name = f"{name.removesuffix('.db')}.dump"
    target = Path(file).expanduser() if file else settings.backups_dir
    if target.is_dir() or not file:
        target = unused(target / name)
    with Bar("backup") as bar:
        facts, said = (_dump if settings.database.is_postgres else _copy)(settings, target, bar)
    if as_json:
        print_facts({"path": str(target), **facts}, {}, as_json=True)
        return
    print(target)
    print(f"{said}; the copy was checked.", file=sys.stderr)


def _copy(settings: Settings, target: Path, bar: Bar) -> tuple[dict[str, Any], str]:
    copy_database(settings.database.path, target, bar.tell)
    content = examine(target, bar.tell)
    return asdict(content), _said(content)


def _dump(settings: Settings, target: Path, bar: Bar) -> tuple[dict[str, Any], str]:
    from proxy.cli import postgres_copies

    written = postgres_copies.dump(settings.database, target, bar)
    postgres_copies.look_at(target)
    return {"bytes": written}, size(written)


def bring_back(settings: Settings, file: str, *, is_sure: bool, as_json: bool) -> None:
    """Put a copy in the database's place, after a look at it and a question."""
    _check_stopped(settings)
    copy = Path(file).expanduser()
    facts = (_load if settings.database.is_postgres else _put_in_place)(settings, copy, is_sure)
    if as_json:
        print_facts({"path": settings.database.shown, **facts}, {}, as_json=True)
        return
    print(f"The database is this copy now: {settings.database.shown}")
    if facts["aside"]:
        print(f"What was there before:        {facts['aside']}")
    print("Calls that wait in the spool are stored at the next start: dashcam serve", file=sys.stderr)


def _put_in_place(settings: Settings, copy: Path, is_sure: bool) -> dict[str, Any]:
    target = settings.database.path
    with Bar("restore") as bar:
        content = examine(copy, bar.tell)
    print(f"{copy}: {_said(content)}.", file=sys.stderr)
    _ask(f"It takes the place of {target}, which is set aside", is_sure=is_sure)
    with alone(settings) as is_alone:
        if not is_alone:
            raise _runs(settings)
        with Bar("restore") as bar:
            aside = restore(copy, target, RealDisk().names(settings.spool_dir), bar.tell)
    return {"aside": str(aside) if aside else None, **asdict(content)}


def _load(settings: Settings, copy: Path, is_sure: bool) -> dict[str, Any]:
    """Keep what is there in a copy of its own first: a transaction cannot be taken back after it has counted."""
    from proxy.cli import postgres_copies

    database = settings.database
    postgres_copies.check_alone(database)
    postgres_copies.look_at(copy)
    _ask(f"It takes the place of our tables in {database.shown}, of which a copy is kept", is_sure=is_sure)
    found, aside = revision_of(database), None
    with Bar("restore") as bar:
        if found is not None:
            name = backup_name("aside", found).removesuffix(".db")
            aside = unused(settings.backups_dir / f"{name}.dump")
            postgres_copies.dump(database, aside, bar)
        postgres_copies.load(database, copy, bar)
    settle_accounts(database, RealDisk().names(settings.spool_dir), instance_of(settings))
    return {"aside": str(aside) if aside else None, "bytes": copy.stat().st_size}


def _check_stopped(settings: Settings) -> None:
    if instance.is_served(Path(settings.data_dir)):
        raise _runs(settings)


def _runs(settings: Settings) -> NotAllowedError:
    running = instance.find(Path(settings.data_dir)) or {}
    who = f" (pid {running['pid']})" if running.get("pid") else ""
    return NotAllowedError(
        f"a running Dashcam has the database{who}", hint="stop it first, then restore, then start it again"
    )


def _ask(what: str, *, is_sure: bool) -> None:
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError("this replaces the database; say that you are sure", hint="the same with --yes")
    print(f"{what}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed")


def _said(content: Content) -> str:
    last = f", the last one of {local_time(content.last_call, is_utc=False)}" if content.last_call else ""
    return f"{size(content.bytes)}, {calls(content.calls)}{last}, revision {content.revision}"
