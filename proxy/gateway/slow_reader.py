"""A client that takes its answer more slowly than it comes: waited for, counted, and cut off when it stands still.

It begins when the transport holds more than it wants to (64 kB) and ends when that has drained. Meanwhile nothing more
is written, so that its upstream is not read either once as much again is unread: what one such client can hold in
memory is bounded, and counted here with that much. Without any progress within ``limits.write_stall`` it is
taken for gone.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from proxy.gateway.ceilings import Ceilings
from proxy.spool.page import Page
from proxy.upstream.answer import HIGH_WATER


class Stallable(Protocol):
    """The connection of a slow client."""

    transport: asyncio.Transport

    def stall(self) -> None:
        """Break the connection off: its client counts as gone."""
        ...


class SlowReader:
    """One slow spell of one connection; ``patience`` in seconds."""

    __slots__ = ("_ceilings", "_connection", "_handle", "_held", "_patience", "_unread")

    def __init__(self, connection: Stallable, ceilings: Ceilings, patience: float) -> None:
        self._connection = connection
        self._ceilings = ceilings
        self._patience = patience
        self._unread = connection.transport.get_write_buffer_size()
        self._held = self._unread + HIGH_WATER
        ceilings.hold(self._held)
        ceilings.slow_readers[self] = None
        self._handle = asyncio.get_running_loop().call_later(patience, self._look)

    def __repr__(self) -> str:
        return f"<SlowReader held={self._held} unread={self._unread}>"

    def _look(self) -> None:
        unread = self._connection.transport.get_write_buffer_size()
        if unread < self._unread:
            self._unread = unread
            self._handle = asyncio.get_running_loop().call_later(self._patience, self._look)
        else:
            self.give_up(Page.LIMIT_WRITE_STALL)

    def give_up(self, limit: int) -> None:
        """Cut the client off because of this limit."""
        self._ceilings.struck(limit)
        self.end()
        self._connection.stall()

    def end(self) -> None:
        """The spell is over, or the connection is; may be said twice."""
        if self in self._ceilings.slow_readers:
            self._handle.cancel()
            del self._ceilings.slow_readers[self]
            self._ceilings.let_go(self._held)
