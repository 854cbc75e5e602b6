"""The upgrade of the database at control's start: told as it goes, and not tried again where it cannot succeed.

An upgrade that failed was rolled back, and would fail again the same way, with another copy of the database each time:
so it waits until somebody has changed something (``dashcam db migrate``, ``restore``) or starts anew. All else, such as
a disk without room, is tried again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import structlog

from proxy.errors import StoreError
from proxy.settings.credentials import copies_key
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.migrating.migration import How, Upgrade, prepare, revision_of
from proxy.store.migrating.upgrading import UpgradeError

log = structlog.get_logger("control")

_TOLD_EVERY = 10
"""Per cent of a copy after which a line is logged."""


class Upgrades:
    """Control's upgrades; ``doing`` says what goes on now, None between them."""

    def __init__(self, settings: Settings, is_leaving: Callable[[], bool]) -> None:
        self._how = How(
            backups=settings.backups_dir,
            keep_backups=settings.maintenance.backups,
            spare_bytes=settings.recording.min_free_bytes,
            master_key=copies_key(settings.maintenance),
            tell=self._tell,
            is_leaving=is_leaving,
        )
        self._failed: tuple[UpgradeError, str | None] | None = None
        self._told = 0
        self.doing: str | None = None

    def prepare(self, database: DatabaseSettings) -> Upgrade:
        """Upgrade where that is ours to do, or raise the ``StoreError`` that stands in the way."""
        if self._failed is not None and _revision_of(database) == self._failed[1]:
            raise self._failed[0]
        try:
            done = prepare(database, self._how)
        except UpgradeError as error:
            self._failed = error, _revision_of(database)
            raise
        finally:
            self.doing = None
        self._failed = None
        if not done.is_whole:
            raise StoreError("the upgrade of the database was interrupted; the next start goes on with it")
        if done.before != done.after or done.filled_rows:
            copy = str(done.backup) if done.backup else None
            log.info("database_upgraded", before=done.before, after=done.after, rows=done.filled_rows, copy=copy)
        return done

    def _tell(self, what: str, done: int, total: int) -> None:
        share = 100 * done // total if total else 0
        self.doing = f"upgrading the database: {what}" + (f" {share} %" if total else f" {done:,}" if done else "")
        if total and share // _TOLD_EVERY != self._told // _TOLD_EVERY:
            log.info("database_upgrading", what=what, per_cent=share)
        self._told = share


def _revision_of(database: DatabaseSettings) -> str | None:
    with contextlib.suppress(StoreError):
        return revision_of(database)
    return None
