"""What the one writer of a store does beside loading: after each round of the loader a piece of it, calls first.

Changes that commands have left for it (``amendments``), maintenance that they have asked for (``errands``), and where
there is one host only, the regular upkeep, the removal of what was erased (``sweeping``) and the periodic work. Of
several hosts on a Postgres the leader does these, elsewhere: its loader is not held up by ANALYZE either. What was used
of limits is counted on every host (``charging``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from proxy.errors import StoreError
from proxy.loader.amendments import WaitingAmendments
from proxy.loader.charging import Charging
from proxy.loader.errands import WaitingErrands
from proxy.settings.values import Settings
from proxy.store.care.maintenance import Upkeep
from proxy.store.writing.writer import StoreWriter

log = structlog.get_logger("loader")

SWEEP_SECONDS = 10.0
"""So often it is asked whether slices of bodies have become loose."""


class SideWork:
    """For the loader's thread.

    ``periodic`` does a piece of periodic work with the writer, told whether nobody waits; True: there is more.
    """

    def __init__(self, settings: Settings, periodic: Callable[[StoreWriter, bool], bool]) -> None:
        self._amendments = WaitingAmendments(settings.amendments_dir)
        self._errands = WaitingErrands(settings.errands_dir)
        self._upkeep = Upkeep(0 if settings.database.is_postgres else settings.maintenance.every_hours * 3600)
        self._periodic = periodic
        # Of several hosts on a Postgres the leader sweeps, as a piece of its periodic work.
        self._sweeps = not settings.database.is_postgres
        self._sweep_at = 0.0
        self.charging = Charging(settings.tallies_dir)

    def do_next(self, writer: StoreWriter, is_leaving: Callable[[], bool], *, is_idle: bool) -> bool:
        """Do the next piece of each; True when there may be more at once."""
        self.charging.look()
        has_work = self._amendments.write_next(writer)
        has_work = self._errands.do_next(writer, is_leaving) or has_work
        has_work = self._look_after(writer, is_idle=is_idle and not has_work) or has_work
        has_work = self._sweep(writer) or has_work
        return self._periodic(writer, is_idle) or has_work

    def _sweep(self, writer: StoreWriter) -> bool:
        """Do a step of removing what was erased and lies about still; calls are stored between two steps."""
        if not self._sweeps or time.monotonic() < self._sweep_at:
            return False
        has_more = writer.sweep()
        if not has_more:
            writer.settle_log()
        self._sweep_at = 0.0 if has_more else time.monotonic() + SWEEP_SECONDS
        return has_more

    def _look_after(self, writer: StoreWriter, *, is_idle: bool) -> bool:
        """Do a step of the regular upkeep; when that fails, calls are stored all the same."""
        try:
            return writer.look_after(self._upkeep, is_idle=is_idle)
        except StoreError as error:
            log.warning("upkeep_postponed", reason=error.message)
            return False
