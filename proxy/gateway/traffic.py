"""The calls under way in one gateway: counted, bounded by its ceilings, written into its spool, waited for at the end.

What a call is answered with is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Coroutine
from functools import partial
from typing import Any

from proxy.gateway import endings
from proxy.gateway.allowances import Allowances
from proxy.gateway.body import ClientLeftError
from proxy.gateway.bounding import Bounds
from proxy.gateway.call import ClientCall
from proxy.gateway.ceilings import Ceilings
from proxy.gateway.gate import Gate
from proxy.gateway.observation import Observation
from proxy.gateway.open_exchange import OpenExchange
from proxy.gateway.redacting import Redacting
from proxy.gateway.refusing import Refusing
from proxy.settings.values import Settings
from proxy.spool.page import Page
from proxy.spool.writer import SpoolWriter

LEAVE_SECONDS = 2.0
_SMALL_BYTES = 4 * 1024
"""A request's body below this is not counted among what is held in memory: the ceiling of calls bounds those."""


class Traffic:
    """A gateway as far as it counts. ``Gateway`` is one, and does not have one: nothing is handed down per call.

    ``gateways`` is among how many the ceilings are shared, ``files`` how many files this one may open. ``allowances``
    and ``redacting`` (None: nothing is to be looked for) are those of the snapshot in use.
    """

    allowances: Allowances
    redacting: Redacting | None

    def __init__(self, settings: Settings, spool: SpoolWriter, *, gateways: int, files: int) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.spool = spool
        self.page = spool.page
        rows = settings.recording.refused_per_second
        self.ceilings = Ceilings(settings.limits, lambda: self.page, rows=rows, gateways=gateways, files=files)
        self._most_kept = settings.recording.max_body_bytes
        self.exchanges: set[OpenExchange] = set()
        self._arriving = 0
        """Calls that are let in and whose bodies are not whole yet."""
        self.refusing = Refusing(self)
        self._bounds = Bounds()
        self.is_draining = False
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.gate: Gate | None = None
        if settings.recording.mode == "power":
            self.gate = Gate(settings.recording.power_wait)
            self.gate.watch(spool)

    def spool_anew(self) -> None:
        """Begin another spool, since the files of this one were removed; calls under way end in the old one, unkept."""
        old = self.page
        new = SpoolWriter.begin(self.settings, self.spool.worker)
        # Once the last call that began with it is over.
        weakref.finalize(self.spool, self.spool.syncing.abandon).atexit = False
        self.spool = new
        self.page = self.spool.page
        if self.gate is not None:
            self.gate.watch(self.spool)
        self.page.go_on_from(old)

    def struck(self, limit: int) -> None:
        """Count that a limit has struck, in its slot of the page."""
        self.page.slots[limit] += 1

    def note_refused_connection(self) -> None:
        """Count a connection that never became a call."""
        self.page.add(Page.REFUSED_CONNECTIONS, 1)

    def let_wait(self, call: ClientCall, observation: Observation) -> None:
        """In mode ``power`` the last bytes of a recorded call's reply wait for its record."""
        if self.gate is not None:
            call.hold = partial(self.gate.hold, observation.spool, observation.identity)

    # -- calls under way ------------------------------------------------------------------------------------

    def began(self, exchange: OpenExchange, size: int, seconds: float | None) -> None:
        """An exchange has begun whose request is of so many bytes in memory; its caller bounds it, or None."""
        if size > _SMALL_BYTES:
            exchange.held_bytes = size
            self.ceilings.hold(size)
        self.exchanges.add(exchange)
        self.page.set(Page.IN_FLIGHT, len(self.exchanges))
        if seconds is not None:
            self._bounds.begin(exchange, seconds)

    def let_go_of(self, exchange: OpenExchange) -> None:
        """The request of an exchange will not be sent again: its body is no longer in memory."""
        if exchange.held_bytes:
            self.ceilings.let_go(exchange.held_bytes)
            exchange.held_bytes = 0

    def finished(self, exchange: OpenExchange) -> None:
        """An exchange is over."""
        self.exchanges.discard(exchange)
        self._bounds.end(exchange)
        self.page.set(Page.IN_FLIGHT, len(self.exchanges))
        if exchange.held_bytes:
            self.let_go_of(exchange)
        if exchange.leftover is not None:
            exchange.leftover.discard()
        if exchange.call.is_counted:
            self.allowances.give_back(exchange.call)
        if exchange.observation.received_bytes > self._most_kept:
            self.struck(Page.LIMIT_MAX_BODY_BYTES)
        if self.is_draining:
            self._look_if_drained()

    def _wait_for(self, step: Coroutine[Any, Any, None], call: ClientCall, observation: Observation) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(step, call, observation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, step: Coroutine[Any, Any, None], call: ClientCall, observation: Observation) -> None:
        try:
            await step
        except ClientLeftError:
            self.allowances.give_back(call)
            self.note_refused_connection()
        except Exception:  # noqa: BLE001 - the edge of a call: logged, and ended all the same
            self.refusing.apologise(call, observation)

    # -- the end --------------------------------------------------------------------------------------------

    async def drain(self, deadline: float) -> None:
        """Wait for open calls until the deadline (loop time), then end what is left with a reason."""
        self.is_draining = True
        loop = asyncio.get_running_loop()
        if self.exchanges or self._arriving:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), max(0.0, deadline - loop.time()))
        for exchange in list(self.exchanges):
            self.struck(Page.LIMIT_DRAIN)
            exchange.end_early(endings.SHUT_DOWN)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVE_SECONDS)
        if self.gate is not None:
            await self.gate.settle()

    def _look_if_drained(self) -> None:
        if not self.exchanges and not self._arriving:
            self._drained.set()
