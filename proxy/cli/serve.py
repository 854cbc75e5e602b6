"""``dashcam serve``: checks, writes the settings down, and becomes the supervisor."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

import orjson

from proxy.cli.local_servers import with_local_servers
from proxy.errors import ConfigurationError, DashcamError, UsageError
from proxy.settings.file_systems import network_kind
from proxy.settings.former_snapshot import with_former
from proxy.settings.presets import is_for_clients
from proxy.settings.private_file import replace_file
from proxy.settings.snapshot import base_snapshot, load_or_none, publish
from proxy.settings.values import Settings
from proxy.supervisor import instance

_SOCKET_PATH = 100


def serve(settings: Settings) -> None:
    """Prepare the folders and exec the supervisor; does not return."""
    locks = prepare(with_local_servers(settings))
    own = os.getenv("OPENAI_BASE_URL", "")
    if own and is_for_clients(own, settings.server.port):
        print("dashcam: OPENAI_BASE_URL points at ourselves; it is for clients and is ignored here", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor in locks:
        os.set_inheritable(descriptor, True)
    os.execv(sys.executable, supervisor_command(settings, locks))  # noqa: S606 - our own interpreter and module


def supervisor_command(settings: Settings, locks: list[int]) -> list[str]:
    """Return the command that runs a supervisor for prepared settings, to which the locks' descriptors are handed on.

    Without -P the working folder would come first: an application's own ``proxy`` or ``json.py`` would be run as ours.
    """
    held = ",".join(map(str, locks))
    return [sys.executable, "-P", "-m", "proxy.supervisor", "--run-dir", settings.run_dir, "--locks", held]


def prepare(settings: Settings) -> list[int]:
    """Make and lock the folders, write the resolved settings and publish the snapshot they imply; return the locks."""
    check_own_prices(settings)
    check_archive(settings)
    check_driver(settings)
    check_file_system(settings)
    for folder in (Path(settings.data_dir), Path(settings.run_dir), settings.spool_dir, settings.pages_dir):
        _make_private(folder)
    if len(str(settings.control_socket)) > _SOCKET_PATH:
        raise ConfigurationError(f"run_dir: {settings.run_dir} is too long for a socket's path; choose a shorter one")
    locks = instance.take((Path(settings.data_dir), settings.spool_dir, Path(settings.run_dir)))
    try:
        _write_files(settings)
    except OSError as error:
        for descriptor in locks:
            os.close(descriptor)
        raise ConfigurationError(
            f"{error.filename or settings.data_dir} cannot be written: {error.strerror}",
            hint="free some space, or choose another folder with --data-dir",
        ) from error
    return locks


def check_archive(settings: Settings) -> None:
    """See that what archives are written with is installed; ``ConfigurationError`` says how to install it."""
    if settings.retention.archive and settings.retention.archive_format == "parquet":
        from proxy.forms.parquet import library

        try:
            library()
        except UsageError as error:
            raise ConfigurationError(f"retention.archive_format: {error.message}", hint=error.hint) from error


def check_driver(settings: Settings) -> None:
    """See before anything is bound that the database's driver is installed; ``StoreError`` says how."""
    if settings.database.is_postgres:
        from proxy.store.engines.engine import backend_of

        backend_of(settings.database)


def check_file_system(settings: Settings) -> None:
    """Refuse folders whose locks may not hold, or say loudly that somebody wanted them."""
    folders = {"data_dir": Path(settings.data_dir), "the spool": settings.spool_dir}
    found = [(name, folder, kind) for name, folder in folders.items() if (kind := network_kind(folder)) is not None]
    if not found:
        return
    name, folder, kind = found[0]
    told = f"{name}: {folder} is on a network file system ({kind}), whose locks may not hold"
    if not settings.maintenance.network_file_system:
        raise ConfigurationError(
            f"{told}: two programs may write at once, and calls be lost",
            hint="choose a local folder with --data-dir; or insist: DASHCAM_MAINTENANCE__NETWORK_FILE_SYSTEM=true",
        )
    print(f"dashcam: WARNING: {told}; calls may be lost", file=sys.stderr)


def check_own_prices(settings: Settings) -> None:
    """Read a user's own prices before anything is bound; ``ConfigurationError`` with all that is wrong."""
    if settings.own_prices_path is not None:
        from proxy.pricing.overrides import load

        load(settings.own_prices_path)


def _write_files(settings: Settings) -> None:
    replace_file(Path(settings.run_dir) / "settings.json", orjson.dumps(settings.to_mapping()), is_lasting=False)
    for folder in (Path(settings.data_dir), settings.spool_dir, Path(settings.run_dir)):
        instance.forget(folder)
    last = load_or_none(settings.snapshot_path)
    publish(settings.snapshot_path, with_former(base_snapshot(settings), last, keeps_sealed=settings.secrets.sealed))
    if last is None and (settings.database.is_postgres or settings.database.path.exists()):
        _ask_the_store(settings)


def _ask_the_store(settings: Settings) -> None:
    """Let a first start in a folder have the catalogue at once: a further host, a copy that was brought back.

    Else calls with a key of the store would be refused until control has opened the database. What keeps it from being
    read here is told, and waited for, by control.
    """
    from proxy.control.desk import take_up
    from proxy.control.publishing import Publisher
    from proxy.telemetry.logs import warnings_only

    with warnings_only(), contextlib.suppress(DashcamError):
        take_up(settings, Publisher(settings))


def _make_private(folder: Path) -> None:
    if folder.is_symlink() and folder.parent.stat().st_mode & stat.S_ISVTX:
        raise ConfigurationError(f"{folder} is a link in a folder that anybody may write to; remove it")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be made: {error.strerror}") from error
    status = folder.stat()
    if status.st_uid != os.getuid() and os.getuid() != 0:
        raise ConfigurationError(f"{folder} belongs to another user; choose another folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{folder} is not writable")
