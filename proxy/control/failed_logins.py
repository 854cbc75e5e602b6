"""Who has tried to get in and was not let in: collected in memory, written to the audit log as few rows.

The first failure of a place is written within a second, later ones together: after a minute, then after pauses that
double up to an hour, for as long as it goes on. Of many places at once some have rows of their own and the others one
together. So guessing fills no table and costs one transaction a second at most; nobody who asks waits for it. While the
database is away the counts wait.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from proxy.control.throttle import place_of
from proxy.errors import DashcamError
from proxy.store.catalogue.audit import Deed

log = structlog.get_logger("access")

_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
_MOST_PLACES = 1024
_MOST_ROWS = 20
_ROUND_SECONDS = 1.0
_KNOWN_BEGINNING = "dashcam_adm_"
_SHOWN, _LONG = 4, 32


@dataclass(slots=True)
class _Failures:
    """Of one place, or of those without a row of their own: how many since the last row, when the next may be.

    ``places`` are counted up to a bound.
    """

    address: str = ""
    actor: str = "unknown"
    reason: str = ""
    beginning: str = ""
    number: int = 0
    places: set[str] = field(default_factory=set)
    next_at: float = 0.0
    pause: float = _FIRST_PAUSE


class FailedLogins:
    """``note`` is for the event loop and never waits; ``write`` gets what is due, and waits for the database."""

    def __init__(self, write: Callable[..., None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._by_place: dict[str, _Failures] = {}
        self._others = _Failures(address="several places")
        self._rows_at: list[float] = []

    def __repr__(self) -> str:
        return f"<FailedLogins places={len(self._by_place)}>"

    def note(self, address: str, reason: str, *, actor: str = "unknown", token: str = "") -> None:
        """Note a failure; ``actor`` is the id of a token that is known and does not open this."""
        place = place_of(address)
        with self._lock:
            found = self._by_place.get(place)
            if found is None:
                found = self._others
                if len(self._by_place) < _MOST_PLACES:
                    found = self._by_place[place] = _Failures()
                elif len(found.places) < _MOST_PLACES:
                    found.places.add(place)
            found.number += 1
            if found is not self._others:
                found.address = address
            found.actor, found.reason, found.beginning = actor, reason, beginning_of(token)

    def flush(self, *, everything: bool = False) -> None:
        """Write what is due; with ``everything`` what is not due yet, too. What cannot be written waits."""
        due = self._due(everything=everything)
        if not due:
            return
        for item in due:
            log.warning("login_failed", source=item.address, reason=item.reason, failures=item.number)
        try:
            self._write(*map(_deed, due))
        except DashcamError:
            self._again(due)

    async def run(self) -> None:
        """Write every second, until cancelled; the database is waited for in a thread."""
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            if not self._by_place and not self._others.number:
                continue
            try:
                await asyncio.to_thread(self.flush)
            except Exception as error:  # noqa: BLE001 - a round of a task: a defect is logged, and the next one comes
                log.error("failed_logins_not_written", reason=f"{type(error).__name__}: {error}")

    # -----------------------------------------------------------------------------------------------------

    def _due(self, *, everything: bool) -> list[_Failures]:
        """Take what is due out of the counts, and forget places that have been quiet for a pause."""
        now, due = self._clock(), []
        with self._lock:
            self._rows_at = [at for at in self._rows_at if at > now - _FIRST_PAUSE]
            for place, item in list(self._by_place.items()):
                if item.next_at > now and not everything:
                    continue
                if not item.number:
                    del self._by_place[place]
                elif len(self._rows_at) < _MOST_ROWS:
                    self._rows_at.append(now)
                    due.append(_taken(item, now))
                else:
                    self._join(place, item)
            others = self._others
            if others.number and (others.next_at <= now or everything):
                due.append(_taken(others, now))
                others.pause = _FIRST_PAUSE
        return due

    def _join(self, place: str, item: _Failures) -> None:
        """Let a place have no row of its own."""
        self._others.number += item.number
        self._others.actor, self._others.reason = "unknown", item.reason
        if len(self._others.places) < _MOST_PLACES:
            self._others.places.add(place)
        del self._by_place[place]

    def _again(self, due: list[_Failures]) -> None:
        """Count again what could not be written."""
        with self._lock:
            for item in due:
                place = place_of(item.address)
                is_of_many = item.address == self._others.address
                target = self._others if is_of_many else self._by_place.setdefault(place, _Failures(item.address))
                target.number += item.number
                target.places |= item.places
                target.actor, target.reason, target.beginning = item.actor, item.reason, item.beginning
                target.next_at = self._clock() + _FIRST_PAUSE


def beginning_of(token: str) -> str:
    """Return what may be written of a token that was sent: enough to find whose it was, nothing of a short one."""
    known = len(_KNOWN_BEGINNING) if token.startswith(_KNOWN_BEGINNING) else 0
    return f"{token[: known + _SHOWN]}…" if len(token) >= _LONG and token.isascii() else ""


def _taken(item: _Failures, now: float) -> _Failures:
    """Return a copy of what was counted, and begin to count anew."""
    taken = _Failures(item.address, item.actor, item.reason, item.beginning, item.number, item.places)
    item.number, item.places = 0, set()
    item.next_at, item.pause = now + item.pause, min(item.pause * 2, _LONGEST_PAUSE)
    return taken


def _deed(item: _Failures) -> Deed:
    detail: dict[str, object] = {"failures": item.number, "reason": item.reason}
    if item.beginning:
        detail["token"] = item.beginning
    if item.places:
        detail["places"] = len(item.places)
    return Deed(
        actor=item.actor, source=item.address, action="login", noun="access", outcome="refused", detail=detail
    )  # fmt: skip
