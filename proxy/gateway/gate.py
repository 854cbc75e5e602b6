"""Where replies wait for the disk in mode ``power``: the last bytes leave once the record of the call is synced.

Nothing here blocks: a reply's last bytes are kept as a function to call, in the order in which the calls ended. The
syncing thread wakes the loop after each round; what is then on the disk is let go. The wait is bounded
(``recording.power_wait``): a reply whose time is over goes on without, which its record says (AMEND ``unsynced``) as do
counter and page. Replies of calls that are not recorded, by policy or because the disk takes nothing, wait no longer
than that either.

START is not waited for: a call whose answer nobody has seen to its end is not promised across a power cut, and a sync
before dialling would delay every first token. By the time END is synced, so is START.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from proxy.spool.writer import SpoolWriter


@dataclass(slots=True)
class _Held:
    """One reply; ``ticket`` counts appends, None while an END itself still waits in memory."""

    spool: SpoolWriter
    identity: bytes
    ticket: int | None
    deadline: float
    release: Callable[[], None]


class Gate:
    """Holds replies, first in, first out; for the event loop's thread."""

    def __init__(self, wait: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._wait = wait
        self._held: deque[_Held] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __repr__(self) -> str:
        return f"<Gate held={len(self._held)}>"

    def watch(self, spool: SpoolWriter) -> None:
        """Be woken by this spool's syncing thread."""
        spool.syncing.on_round = self._wake

    def _wake(self) -> None:
        # When the loop is closed nobody waits any more, and the thread has its last round still to do.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.look)

    def hold(self, spool: SpoolWriter, identity: bytes, release: Callable[[], None]) -> None:
        """Call ``release`` when all that was appended up to now is on the disk, or the time is over."""
        ticket = None if spool.has_waiting else spool.appended
        self._held.append(_Held(spool, identity, ticket, self._loop.time() + self._wait, release))
        self._empty.clear()
        spool.syncing.want()
        self.look()

    def look(self) -> None:
        """Let go of what is on the disk by now."""
        while self._held and self._is_synced(self._held[0]):
            self._held.popleft().release()
        if not self._held:
            self._empty.set()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._held[0].deadline, self._expire)

    def _is_synced(self, held: _Held) -> bool:
        spool = held.spool
        if spool.syncing.must_rotate or held.ticket is None:
            # A segment that cannot be synced must be left first; nobody else may append for a while.
            spool.tend()
        if held.ticket is None:
            if spool.has_waiting:
                return False
            held.ticket = spool.appended
            spool.syncing.want()
        return spool.syncing.synced >= held.ticket

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._held and self._held[0].deadline <= now:
            held = self._held.popleft()
            held.release()
            held.spool.note_late(held.identity)
        self.look()

    async def settle(self) -> None:
        """Wait until nothing is held any more, which the bound of each wait makes certain."""
        await self._empty.wait()
