"""What keeps the loader from the store now: since when, why, what to do, and when to try again.

Told once a minute for as long as it lasts, and once when it is over. Others may read it from any thread.

A Postgres may also be replaced by its replica without a word, while there is nothing to write: so it is looked at every
``LOOK_BACK_SECONDS``.
"""

from __future__ import annotations

import time

import structlog

from proxy.loader.pausing import pause_after
from proxy.store.writing.positions import StoreWentBackError
from proxy.telemetry.repeating import Repeating

log = structlog.get_logger("loader")


LOOK_BACK_SECONDS = 10.0


class Outage:
    """``looks_back``: the store may have gone back to an earlier state also where nothing was seen to fail."""

    def __init__(self, *, looks_back: bool = False) -> None:
        self._looks_back = looks_back
        self._looked_at = time.monotonic()
        self._was_there = False
        self.reason: str | None = None
        self.hint: str | None = None
        self._since: float | None = None
        self._failures = 0
        self._complaints = Repeating()

    def __repr__(self) -> str:
        return f"<Outage since={self._since} {self.reason}>"

    @property
    def is_there(self) -> bool:
        """True while the last try has failed."""
        return self._since is not None

    @property
    def must_look_back(self) -> bool:
        """True when one is over, or it is time, and nobody has looked since at what the store has."""
        return self._was_there or (self._looks_back and time.monotonic() - self._looked_at >= LOOK_BACK_SECONDS)

    def looked_back(self) -> None:
        """The store is where we left it."""
        self._was_there, self._looked_at = False, time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it lasts by now."""
        since = self._since
        return 0.0 if since is None else time.time() - since

    def failed(self, error: Exception) -> float:
        """Note a failure, say so once a minute, and return the pause before the next try."""
        self.reason = f"{type(error).__name__}: {error}" if not str(error) else str(error)
        self.hint = getattr(error, "hint", None)
        if isinstance(error, StoreWentBackError):
            log.error("store_went_back", reason=self.reason, hint=self.hint)
        self._since = self._since or time.time()
        if self._complaints.is_due(self.reason):
            log.warning("loading_paused", error=type(error).__name__, reason=self.reason, hint=self.hint)
        self._failures += 1
        return pause_after(self._failures - 1)

    def succeeded(self) -> None:
        """The store has taken something."""
        if self._since is not None:
            log.info("loading_resumed", seconds=round(self.seconds, 1))
            self._complaints.forget()
            self._was_there = True
        self._since, self._failures, self.reason, self.hint = None, 0, None, None
