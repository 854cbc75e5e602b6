"""What a gateway complains of in its log, each at most once a minute: the spool cannot keep everything, the disk failed
a sync, ceilings have turned somebody away.

All of it is read off the page, where whoever met the trouble has counted it: nothing is written to the log on the way
of a call. A failed sync whose data was written anew at once has done no harm, but a disk that fails once is a warning.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from proxy.spool.page import Page
from proxy.spool.trouble import meanings

log = structlog.get_logger("gateway")

AGAIN_SECONDS = 60.0
_CEILINGS = ("in_flight", "in_flight_per_key", "connections", "connections_per_address", "memory_bytes")
_LOSSES = ("bodies_dropped", "dropped_spool_full", "fsync_failures", "sync_waits_expired", "ends_lost")


class Complaints:
    """Looks at the page of now and compares it with what was told; instants are loop time."""

    def __init__(self, page: Callable[[], Page]) -> None:
        self._page = page
        self._degraded_at = self._syncs_at = self._ceilings_at = 0.0
        self._is_degraded = False
        self._told_syncs = 0
        self._told_ceilings: dict[str, int] = {}

    def look(self, now: float) -> None:
        """Say what is new."""
        values = self._page().read_all()
        self._of_degradation(values, now)
        self._of_syncs(values["fsync_failures"], now)
        self._of_ceilings(values, now)

    def _of_degradation(self, values: dict[str, int], now: float) -> None:
        """Say that the spool cannot keep everything, and when that is over."""
        if values["degraded"] and now >= self._degraded_at:
            self._degraded_at, self._is_degraded = now + AGAIN_SECONDS, True
            lost = {name: values[name] for name in _LOSSES}
            found = meanings([values["trouble"]])
            why = [meaning.text for meaning in found] or ["the spool's disk is full or failing"]
            hint = "; ".join(dict.fromkeys(meaning.hint for meaning in found)) or "dashcam doctor"
            log.error("recorder_degraded", why=why, hint=hint, **lost)
        elif self._is_degraded and not values["degraded"]:
            self._is_degraded = False
            log.info("recorder_recovered")

    def _of_syncs(self, failures: int, now: float) -> None:
        """Say that the disk failed a sync, also one whose data was safe again before anybody could look."""
        if failures < self._told_syncs:
            # Another page: ours was removed, and begins anew.
            self._told_syncs = 0
        if failures > self._told_syncs and now >= self._syncs_at:
            self._syncs_at = now + AGAIN_SECONDS
            news, self._told_syncs = failures - self._told_syncs, failures
            hint = "what was at risk is written anew; look at the system's log for errors of the spool's disk"
            log.warning("sync_failed", failures=news, hint=hint)

    def _of_ceilings(self, values: dict[str, int], now: float) -> None:
        """Say which ceilings have turned somebody away."""
        if now < self._ceilings_at:
            return
        counts = {name: values[f"limit_{name}"] for name in _CEILINGS}
        told = self._told_ceilings
        news = {name: more for name, count in counts.items() if (more := count - told.get(name, 0)) > 0}
        self._told_ceilings = counts
        if news:
            self._ceilings_at = now + AGAIN_SECONDS
            log.warning("limits_reached", hint="settings of section limits; README", **news)
