"""One connection of a client: how it begins and is lost, and how it ends with an answer under way.

A client that is refused while it still sends is listened to for a moment, since a reset would overtake the answer. What
comes off the wire is read in ``protocol``; when the client has taken too long is in ``deadlines``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.gateway.call import ClientCall
from proxy.gateway.ceilings import NO_MEMORY, Holding
from proxy.gateway.guard import Refusal
from proxy.gateway.head_rules import HeadFault
from proxy.gateway.slow_reader import SlowReader
from proxy.protocol.envelope import error_body

if TYPE_CHECKING:
    import asyncio

    from proxy.gateway.app import Gateway

_LINGER_SECONDS = 5.0
_COME_AGAIN = b"x-should-retry: true\r\nretry-after-ms: 500\r\nretry-after: 1\r\n"


class ClientConnection(HttpToolsProtocol):
    """A client's socket and the call that it is used for, one at a time.

    ``deadline`` is loop time; infinite while a call is being answered. ``in_head``: the next bytes are of a head, of
    which ``_head_bytes`` are here.
    """

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.gateway = cast("Gateway", self.app)
        self.limits = self.gateway.limits
        self.ceilings = self.gateway.ceilings
        self.call: ClientCall | None = None
        self.deadline = math.inf
        self.in_head = True
        self.is_refused = False
        self._ignores_input = False
        self._head_bytes = 0
        self._holding: Holding | None = None
        self._unsent_bytes = 0
        self._beyond: Refusal | None = None
        self._slow: SlowReader | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the receipt deadline at once: an idle newcomer holds nothing for long."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else "unix"
        self.peer = f"{self.address}:{self.client[1]}" if self.client else "unix"
        self.deadline = self.loop.time() + self.limits.header_timeout
        self._beyond = self.ceilings.connect(self.address, len(self.connections))
        if self._beyond is not None and self.ceilings.has_no_room(self.address, len(self.connections)):
            self._turn_away(self._beyond)
        elif self.gateway.is_draining:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the open call that its client has left."""
        self.connections.discard(self)
        self.ceilings.disconnect(self.address)
        self.deadline = math.inf
        if self._slow is not None:
            self._slow.end()
        self._let_go()
        self.flow.resume_writing()
        call = self.call
        if call is not None:
            if not (call.is_taken or self.is_refused):
                # Its body never came: no call, but not nothing either.
                self.gateway.note_refused_connection()
            call.leave()
        self.transport.close()

    # -- a body that waits for its rest ---------------------------------------------------------------------

    def _hold(self, call: ClientCall) -> None:
        """Count a small body that comes in pieces while it waits in memory for its rest."""
        holding = self._holding
        if holding is None:
            holding = self._holding = Holding(self.ceilings)
        if not holding.take(call.received_bytes - holding.size):
            self.refuse(NO_MEMORY.status, NO_MEMORY.code, NO_MEMORY.message)

    def _let_go(self) -> None:
        """What was held is with the gateway now, or of no more use."""
        if self._holding is not None:
            self._holding.give_back()
            self._holding = None

    # -- refusals -------------------------------------------------------------------------------------------

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer a request that never became a call, and close."""
        self.is_refused = self._ignores_input = True
        self._let_go()
        call = self.call
        if call is None or not call.is_taken or call.is_complete:
            # Of a call that is taken, who reads its body counts that it never came.
            self.gateway.note_refused_connection()
        elif call.body_complete or call.response_started:
            # What follows a whole request is no request: the answer under way is the last one here.
            call.keep_alive = False
            return
        self.transport.write(_refusal(status, code, message))
        if self.in_head:
            self.end()
        else:
            self.linger()

    def refuse_head(self, fault: HeadFault) -> None:
        """Answer a head that is not taken."""
        if fault.limit is not None:
            self.ceilings.struck(fault.limit)
        self.refuse(fault.refusal.status, fault.refusal.code, fault.refusal.message)

    def _turn_away(self, refusal: Refusal) -> None:
        """There is no room even to hear what this one wants."""
        self.is_refused = self._ignores_input = True
        self.gateway.note_refused_connection()
        self.transport.write(_refusal(refusal.status, refusal.code, refusal.message))
        self.transport.close()
        self.deadline = self.loop.time()

    # -- the end of an answer -------------------------------------------------------------------------------

    def call_completed(self) -> None:
        """The answer has left: wait for the next request."""
        self.deadline = self.loop.time() + self.limits.keep_alive
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def end(self) -> None:
        """Close once what was written has left; a client that takes none of it any more is cut off."""
        self.deadline = self.loop.time() + self.limits.write_stall
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self.transport.close()

    def linger(self) -> None:
        """Close when the client has read the answer: what it still sends meanwhile is taken and thrown away."""
        self._ignores_input = True
        if self.transport.is_closing():
            return
        self.deadline = self.loop.time() + _LINGER_SECONDS
        self.flow.resume_reading()
        self.transport.write_eof()

    # -- a client that takes it slowly ----------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The client reads too slowly; without progress within the stall limit it counts as gone."""
        super().pause_writing()
        if self._slow is None and not self.transport.is_closing():
            self._slow = SlowReader(self, self.ceilings, self.limits.write_stall)
            self.ceilings.cut_slow_readers()

    def resume_writing(self) -> None:
        """The client caught up."""
        super().resume_writing()
        if self._slow is not None:
            self._slow.end()
            self._slow = None
        if self.call is not None and self.call.on_writable is not None:
            self.call.on_writable()

    def stall(self) -> None:
        """The client takes nothing more: it counts as gone."""
        if self.call is not None:
            self.call.is_stalled = True
        self.transport.abort()


def _refusal(status: int, code: str, message: str) -> bytes:
    """Return a whole answer that refuses what never became a call, and closes."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = error_body(message, kind=kind, code=code)
    head = b"HTTP/1.1 %d \r\ncontent-type: application/json\r\nx-dashcam-error: %s\r\n" % (status, code.encode())
    retry = _COME_AGAIN if status == 503 else b""
    return b"%s%scontent-length: %d\r\nconnection: close\r\n\r\n%s" % (head, retry, len(body), body)
