"""This host among those that share its database: it says that it is there, follows the shared configuration, and leads
or does not. In a thread of its own, which waits for the database as long as it takes; nothing waits for it.

What it knows of the others is what it saw last, and says how old that is. It leads only as long as its own clock says
that the lease cannot have run out: the time before the request counts, and time goes on while a process is frozen.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from proxy.control.configuration import Follower
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.hosts import membership
from proxy.store.hosts.instances import Instance, Report
from proxy.store.hosts.leadership import LEASE_SECONDS
from proxy.store.hosts.membership import Membership, Round

log = structlog.get_logger("hosts")

TELL_SECONDS = 60.0
REPORT_SECONDS = 5.0
_LONGEST_PAUSE = 5.0


class Hosts:
    """Owns the thread. ``report`` gives this host's account, ``on_claimed`` is told when another has our name."""

    def __init__(
        self,
        database: DatabaseSettings,
        who: Instance,
        follower: Follower,
        report: Callable[[], Mapping[str, Any]],
        on_claimed: Callable[[], None],
    ) -> None:
        self.who = who
        self._database = database
        self._follower = follower
        self._report = report
        self._on_claimed = on_claimed
        self._membership: Membership | None = None
        self._leads_until = 0.0
        self._seen: tuple[float, list[dict[str, Any]]] = (time.monotonic(), [])
        self._report_at = 0.0
        self._last_report: Mapping[str, Any] = {}
        self._is_known = True
        self._failures = 0
        self._told_at = -TELL_SECONDS
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hosts", daemon=True)

    def __repr__(self) -> str:
        return f"<Hosts {self.who.id or self.who.host} leader={self.is_leader} {self._follower!r}>"

    def start(self) -> None:
        """Begin to take part."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Leave in order, where that takes no longer than this."""
        self._leaving.set()
        joined = self._membership
        if joined is not None:
            joined.wake()
        self._thread.join(timeout=seconds)

    # -- what others may ask --------------------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        """True while the periodic work of all hosts is ours."""
        return time.monotonic() < self._leads_until

    @property
    def revision(self) -> int:
        """The revision of the shared configuration that is in use here."""
        return self._follower.revision

    def account(self) -> dict[str, Any]:
        """Return who we are, who leads, and all hosts as they were last seen; without others, nobody but us."""
        at, found = self._seen
        age = time.monotonic() - at
        hosts = [{**row, "seen_seconds_ago": round(float(row["seen_seconds_ago"]) + age, 3)} for row in found]
        return {
            "instance": self.who.id,
            "host": self.who.host,
            "is_leader": self.is_leader,
            "config_revision": self.revision,
            "hosts": hosts,
            "hosts_seen_seconds_ago": round(age, 3) if found else 0.0,
        }

    # -- the thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                self._take_part()
            except Exception as error:  # noqa: BLE001 - the thread's round: a defect too is logged, and it joins again
                self._leaving.wait(self._back_off(error))

    def _take_part(self) -> None:
        """Join, and go round after round until we leave or the connection does."""
        joined = membership.join(self._database, self.who)
        self._membership = joined
        try:
            while not self._leaving.is_set():
                self._round(joined)
                joined.wait(joined.round_seconds)
            self._leads_until = 0.0
            joined.leave()
        finally:
            self._membership = None
            joined.close()

    def _round(self, joined: Membership) -> None:
        told = self._told()
        began = time.monotonic()
        found = joined.round(
            Report(
                now_ms=time.time_ns() // 1_000_000,
                config_revision=self.revision,
                pending=told.get("pending"),
                pending_bytes=told.get("pending_bytes"),
                oldest_pending_seconds=told.get("oldest_pending_seconds"),
            )
        )
        self._note(found, began)
        self._follower.follow(found.revisions, joined.revision)
        self._failures = 0

    def _told(self) -> Mapping[str, Any]:
        """Return what we say of ourselves; looking at the spool every few seconds is enough."""
        now = time.monotonic()
        if now >= self._report_at and self._database.is_postgres:
            self._report_at, self._last_report = now + REPORT_SECONDS, self._report()
        return self._last_report

    def _note(self, found: Round, began: float) -> None:
        was_leader = self.is_leader
        self._leads_until = began + LEASE_SECONDS if found.is_leader else 0.0
        self._seen = began, found.instances
        if found.is_leader != was_leader and self._database.is_postgres:
            log.info("leadership", is_leader=found.is_leader)
        if not found.is_known and self._is_known:
            log.error("name_claimed", instance=self.who.id, hint="another Dashcam runs with a copy of our data folder")
            self._on_claimed()
        self._is_known = found.is_known

    def _back_off(self, error: Exception) -> float:
        if time.monotonic() >= self._told_at + TELL_SECONDS:
            self._told_at = time.monotonic()
            reason = error.message if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
            log.warning("hosts_unseen", reason=reason, hint=getattr(error, "hint", None))
        ceiling = min(_LONGEST_PAUSE, 0.2 * 2 ** min(self._failures, 10))
        self._failures += 1
        # Not for secrets: spreads the returns of several hosts.
        return random.uniform(0.1, max(0.1, ceiling))  # noqa: S311
