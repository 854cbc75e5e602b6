"""``dashcam db backup`` and ``restore``: a copy while all goes on, and a copy brought back while nothing runs."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from proxy.cli.bar import Bar
from proxy.cli.database import calls, print_facts, size
from proxy.cli.terminal import local_time, on_one_line
from proxy.errors import NotAllowedError, StoreError, UsageError
from proxy.loader.errands import alone
from proxy.sealing import key_id_of
from proxy.settings.credentials import copies_key, key_for, opening_keys
from proxy.settings.installation import instance_of
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.copies.backup import backup_name, copy_database, unused
from proxy.store.copies.sealed_copies import SUFFIX, is_sealed, plain_copy, seal, unsealed
from proxy.store.migrating.migration import revision_of
from proxy.store.upkeep.restoring import Content, examine, restore, settle_accounts
from proxy.supervisor import instance


def backup(settings: Settings, file: str | None, *, is_sealed: bool | None, as_json: bool) -> None:
    """Copy the database as it is at this moment, look at the copy, and say where it is.

    ``is_sealed`` None leaves it to ``maintenance.seal_backups`` whether the copy is sealed.
    """
    master = key_for("--sealed") if is_sealed else None if is_sealed is False else copies_key(settings.maintenance)
    target = _target(settings, file, SUFFIX if master else "")
    with Bar("backup") as bar:
        facts, said = (_dump if settings.database.is_postgres else _copy)(settings, target, master, bar)
    if as_json:
        sealed_with = key_id_of(master).hex() if master else None
        print_facts({"path": str(target), **facts, "sealed_with": sealed_with}, {}, as_json=True)
        return
    print(target)
    sealed = f", sealed with the master key {key_id_of(master).hex()}" if master else ""
    print(f"{said}{sealed}; the copy was checked.", file=sys.stderr)


def _target(settings: Settings, file: str | None, suffix: str) -> Path:
    name = backup_name("backup", revision_of(settings.database))
    if settings.database.is_postgres:
        name = f"{name.removesuffix('.db')}.dump"
    target = Path(file).expanduser() if file else settings.backups_dir
    if file:
        _check_folder(target if file.endswith("/") else target.parent)
    return unused(target / f"{name}{suffix}") if target.is_dir() or not file else target


def _check_folder(folder: Path) -> None:
    """Refuse a folder that is not there: a typing error would put copies where nobody looks for them."""
    if not folder.is_dir():
        hint = f"make it: mkdir -p {shlex.quote(str(folder))}"
        raise UsageError(f"there is no folder {folder} to put the copy into", hint=hint)


def _copy(settings: Settings, target: Path, master: bytes | None, bar: Bar) -> tuple[dict[str, Any], str]:
    source = settings.database.path
    if master is None:
        copy_database(source, target, bar.tell)
        content = _examined(target, bar)
    else:
        with plain_copy(source, settings.backups_dir, target, bar.tell) as plain:
            content = _examined(plain, bar)
            content = replace(content, bytes=seal(plain, target, master, bar.tell))
    return asdict(content), _said(content)


def _examined(copy: Path, bar: Bar) -> Content:
    """Look at a copy just made; a bad one is kept from being trusted, and its database may be damaged itself."""
    try:
        return examine(copy, bar.tell)
    except StoreError as error:
        copy.unlink(missing_ok=True)
        hint = "see whether the database itself is sound: dashcam db check"
        raise StoreError(f"the copy is not sound and was removed: {on_one_line(error.message)}", hint=hint) from error


def _dump(settings: Settings, target: Path, master: bytes | None, bar: Bar) -> tuple[dict[str, Any], str]:
    from proxy.cli import postgres_copies

    written = postgres_copies.dump(settings.database, target, master, bar)
    postgres_copies.look_at(target, opening_keys(), bar)
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
    print("What was erased or redacted since the copy was made is there again: purge it anew", file=sys.stderr)


def _put_in_place(settings: Settings, copy: Path, is_sure: bool) -> dict[str, Any]:
    if not is_sealed(copy):
        return _put(settings, copy, copy, is_sure)
    with Bar("restore") as bar, unsealed(copy, settings.database.path, opening_keys(), bar.tell) as plain:
        return _put(settings, copy, plain, is_sure)


def _put(settings: Settings, copy: Path, plain: Path, is_sure: bool) -> dict[str, Any]:
    """Put a plain copy in the database's place; it is ``copy`` itself, or what was sealed in that."""
    target = settings.database.path
    with Bar("restore") as bar:
        content = examine(plain, bar.tell)
    print(f"{copy}: {_said(content)}.", file=sys.stderr)
    _ask(f"It takes the place of {target}, which is set aside", is_sure=is_sure)
    with alone(settings) as is_alone:
        if not is_alone:
            raise _runs(settings)
        with Bar("restore") as bar:
            names = RealDisk().names(settings.spool_dir)
            aside = restore(plain, target, names, bar.tell, is_ours=plain != copy)
    return {"aside": str(aside) if aside else None, **asdict(content)}


def _load(settings: Settings, copy: Path, is_sure: bool) -> dict[str, Any]:
    """Keep what is there in a copy of its own first: a transaction cannot be taken back after it has counted."""
    from proxy.cli import postgres_copies

    database, masters = settings.database, opening_keys()
    postgres_copies.check_alone(database)
    with Bar("restore") as bar:
        postgres_copies.look_at(copy, masters, bar)
    _ask(f"It takes the place of our tables in {database.shown}, of which a copy is kept", is_sure=is_sure)
    found, aside = revision_of(database), None
    with Bar("restore") as bar:
        if found is not None:
            # Whose copies are sealed does not want what they take the place of to lie about plain.
            master = masters[0] if is_sealed(copy) else copies_key(settings.maintenance)
            aside = _aside(settings, found, SUFFIX if master else "")
            postgres_copies.dump(database, aside, master, bar)
        postgres_copies.load(database, copy, masters, bar)
    settle_accounts(database, RealDisk().names(settings.spool_dir), instance_of(settings))
    return {"aside": str(aside) if aside else None, "bytes": copy.stat().st_size}


def _aside(settings: Settings, revision: str, suffix: str) -> Path:
    name = backup_name("aside", revision).removesuffix(".db")
    return unused(settings.backups_dir / f"{name}.dump{suffix}")


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
