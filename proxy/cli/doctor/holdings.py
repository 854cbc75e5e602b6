"""What the doctor looks at in the data folder: rights, space, what gateways read, what was left.

The database in it is ``database``, the spool is ``spool``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from proxy.cli.database import size
from proxy.cli.findings import Finding
from proxy.control.prompt_files import PromptFiles
from proxy.settings.file_systems import network_kind
from proxy.settings.snapshot import load
from proxy.settings.values import Settings

_OLD_SECONDS = 86_400.0
_LEFT_OVER = (".snapshot.json.*", "keys/.*", "backups/.*", ".*.restoring", ".*.unsealed")
_ON_FULL = {
    "metadata_only": "calls are kept without their bodies",
    "reject": "calls are refused",
    "drop": "calls are not recorded",
}
"""What becomes of new calls while the disk is nearly full, by ``recording.on_full``."""


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
