"""Who got in with a token, and who has tried and was not let in: collected in memory, written to the audit log as few
rows.

The first time from a place is written within a second, later ones together: after a minute, then after pauses that
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
_UNKNOWN, _SEVERAL = "unknown", "several places"

_Key = tuple[str, str]


@dataclass(slots=True)
class _Tries:
    """Of one place, or of those without a row of their own: how many since the last row, when the next may be.

    ``places`` are counted up to a bound.
    """

    address: str = ""
    actor: str = _UNKNOWN
    reason: str = ""
    beginning: str = ""
    number: int = 0
    places: set[str] = field(default_factory=set)
    next_at: float = 0.0
    pause: float = _FIRST_PAUSE

    @property
    def key(self) -> _Key:
        """What is counted together."""
        return place_of(self.address), self.actor


class Logins:
    """``note`` is for the event loop and never waits; ``write`` gets what is due, and waits for the database."""

    def __init__(self, write: Callable[..., None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        # Apart: however many guess, who was let in has a row of its own.
        self._refused, self._let_in = _Counts(clock), _Counts(clock)

    def __repr__(self) -> str:
        return f"<Logins refused={len(self._refused)} let_in={len(self._let_in)}>"

    def refused(self, address: str, reason: str, *, actor: str = _UNKNOWN, token: str = "") -> None:
        """Note who was not let in, and why; ``actor`` is the id of a token that is known and does not open this."""
        self._refused.add(_Tries(address, actor, reason, beginning_of(token), 1))

    def let_in(self, address: str, actor: str) -> None:
        """Note who was let in with a token."""
        self._let_in.add(_Tries(address, actor, number=1))

    def flush(self, *, everything: bool = False) -> None:
        """Write what is due; with ``everything`` what is not due yet, too. What cannot be written waits."""
        refused, let_in = (counts.due(everything=everything) for counts in (self._refused, self._let_in))
        if not (refused or let_in):
            return
        for item in refused:
            log.warning("login_failed", source=item.address, reason=item.reason, failures=item.number)
        try:
            self._write(*map(_refusal, refused), *map(_entry, let_in))
        except DashcamError:
            self._refused.again(refused)
            self._let_in.again(let_in)

    async def run(self) -> None:
        """Write every second, until cancelled; the database is waited for in a thread."""
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            if not (len(self._refused) or len(self._let_in)):
                continue
            try:
                await asyncio.to_thread(self.flush)
            except Exception as error:  # noqa: BLE001 - a round of a task: a defect is logged, and the next one comes
                log.error("logins_not_written", reason=f"{type(error).__name__}: {error}")


class _Counts:
    """Counts by place and actor, for any thread; ``len`` is how many of them are known."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: dict[_Key, _Tries] = {}
        self._others = _Tries(address=_SEVERAL)
        self._rows_at: list[float] = []

    def __len__(self) -> int:
        return len(self._tries) + bool(self._others.number)

    def add(self, tried: _Tries) -> None:
        """Count."""
        with self._lock:
            found = self._tries.get(tried.key)
            if found is not None:
                found.number += tried.number
                found.address, found.reason, found.beginning = tried.address, tried.reason, tried.beginning
            elif len(self._tries) < _MOST_PLACES:
                self._tries[tried.key] = tried
            else:
                self._join(tried)

    def due(self, *, everything: bool) -> list[_Tries]:
        """Take what is due out of the counts, and forget places that have been quiet for a pause."""
        now, due = self._clock(), []
        with self._lock:
            self._rows_at = [at for at in self._rows_at if at > now - _FIRST_PAUSE]
            for key, item in list(self._tries.items()):
                if item.next_at > now and not everything:
                    continue
                if not item.number:
                    del self._tries[key]
                elif len(self._rows_at) < _MOST_ROWS:
                    self._rows_at.append(now)
                    due.append(_taken(item, now))
                else:
                    self._join(self._tries.pop(key))
            others = self._others
            if others.number and (others.next_at <= now or everything):
                due.append(_taken(others, now))
                others.pause = _FIRST_PAUSE
        return due

    def again(self, due: list[_Tries]) -> None:
        """Count again what could not be written."""
        with self._lock:
            for item in due:
                is_of_many = item.address == _SEVERAL
                target = self._others if is_of_many else self._tries.setdefault(item.key, _Tries(item.address))
                target.number += item.number
                target.places |= item.places
                target.actor, target.reason, target.beginning = item.actor, item.reason, item.beginning
                target.next_at = self._clock() + _FIRST_PAUSE

    def _join(self, item: _Tries) -> None:
        """Let a place have no row of its own."""
        others = self._others
        others.number, others.reason = others.number + item.number, item.reason
        if len(others.places) < _MOST_PLACES:
            others.places.add(place_of(item.address))


def beginning_of(token: str) -> str:
    """Return what may be written of a token that was sent: enough to find whose it was, nothing of a short one."""
    known = len(_KNOWN_BEGINNING) if token.startswith(_KNOWN_BEGINNING) else 0
    return f"{token[: known + _SHOWN]}…" if len(token) >= _LONG and token.isascii() else ""


def _taken(item: _Tries, now: float) -> _Tries:
    """Return a copy of what was counted, and begin to count anew."""
    taken = _Tries(item.address, item.actor, item.reason, item.beginning, item.number, item.places)
    item.number, item.places = 0, set()
    item.next_at, item.pause = now + item.pause, min(item.pause * 2, _LONGEST_PAUSE)
    return taken


def _refusal(item: _Tries) -> Deed:
    detail: dict[str, object] = {"failures": item.number, "reason": item.reason}
    if item.beginning:
        detail["token"] = item.beginning
    if item.places:
        detail["places"] = len(item.places)
    return Deed(
        actor=item.actor, source=item.address, action="login", noun="access", outcome="refused", detail=detail
    )  # fmt: skip


def _entry(item: _Tries) -> Deed:
    detail = {"requests": item.number} | ({"places": len(item.places)} if item.places else {})
    return Deed(actor=item.actor, source=item.address, action="login", noun="access", detail=detail)
