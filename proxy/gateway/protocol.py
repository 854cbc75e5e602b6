"""The client's socket: uvicorn's httptools protocol with deadlines, header limits and one call at a time.

What stock uvicorn leaves open is closed here, where it can still be noticed [measured, facts of reliability 1.4]: a
connection that sends nothing, half a head or a byte a second; a header of 20 MB; a pipelined second request, which
would hide that the client has left. A second request before the answer's end closes the connection after the answer.
A client that is refused while it still sends is listened to for a moment, since a reset would overtake the answer.

A small request becomes a call when it is whole; one with a large or chunked body when its head is, so that the body
can be written aside as it arrives. Deadlines are one number per connection, looked at by the sweep in ``app``:
no timer is armed or cancelled per call. Nothing here knows what a path means.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.gateway.call import ClientCall
from proxy.gateway.ceilings import NO_MEMORY, Holding
from proxy.gateway.client_head import ClientHead, Headers
from proxy.gateway.guard import Refusal
from proxy.gateway.head_rules import HeadFault, fault_of, too_long
from proxy.gateway.slow_reader import SlowReader
from proxy.protocol.envelope import error_body
from proxy.spool.page import Page

if TYPE_CHECKING:
    import asyncio

    from proxy.gateway.app import Gateway

_LINGER_SECONDS = 5.0
_IDLE_SECONDS = 1.0
_COME_AGAIN = b"x-should-retry: true\r\nretry-after-ms: 500\r\nretry-after: 1\r\n"


class GatewayProtocol(HttpToolsProtocol):
    """One connection of a client. ``deadline`` is loop time; infinite while a call is being answered."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.parser = self._new_parser()
        self.gateway = cast("Gateway", self.app)
        self.limits = self.gateway.limits
        self.ceilings = self.gateway.ceilings
        self.call: ClientCall | None = None
        self.deadline = math.inf
        self.in_head = True
        self.is_refused = False
        self._last_head: ClientHead | None = None
        self._declined: ClientHead | None = None
        self._ignores_input = False
        self._head_bytes = 0
        self._holding: Holding | None = None
        self._unsent_bytes = 0
        self._beyond: Refusal | None = None
        self._slow: SlowReader | None = None

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Uvicorn tolerates data after "Connection: close"; we close after that answer and want no more.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    # -- connection -----------------------------------------------------------------------------------------

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

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse what is no HTTP or too large a head."""
        if self._ignores_input:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._go_on_without(data[offer.args[0] :])
            return
        except httptools.HttpParserError as error:
            if not self.is_refused:
                self.refuse(400, "invalid_http", f"The request is not valid HTTP/1.1: {error}.")
            return
        if self.in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.header_bytes + len(data):
                self.refuse_head(too_long(self.limits))
        elif self.call is not None and not self.call.body_complete:
            self._wait_for_body(self.call)
            if not self.call.is_taken:
                self._hold(self.call)

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

    def _go_on_without(self, rest: bytes) -> None:
        """Read a request again without its offer of another protocol (h2c), which we decline: its body follows."""
        head, self._declined = self._declined, None
        if head is None:
            self._ignores_input = True
            return
        self.parser = self._new_parser()
        lines = [b"%s: %s" % item for item in head.headers if item[0].lower() != b"upgrade"]
        if self.body_length:
            lines.append(b"Content-Length: %d" % self.body_length)
        request_line = b"%s %s HTTP/1.1" % (head.raw_method, head.target)
        self.data_received(b"\r\n".join((request_line, *lines, b"", rest)))

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

    # -- the head -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A new request: its head must be whole within the deadline."""
        self.url = b""
        self.headers: Headers = []
        self.body_length = 0
        self.in_head = True
        self._head_bytes = 0
        if self.call is None or self.call.is_complete:
            self.deadline = self.loop.time() + self.limits.header_timeout

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep names as they came; the length of the body is not part of the head."""
        if self.in_head:
            if len(name) == 14 and name.lower() == b"content-length":
                self.body_length = int(value)
            else:
                self.headers.append((name, value))
            return
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self.limits.header_bytes:
            self.refuse_head(too_long(self.limits))
            raise ValueError("trailer too large")

    def on_headers_complete(self) -> None:
        """Make the call, or close after the running one when this request was pipelined."""
        self.in_head = False
        if self.call is not None and not self.call.is_complete:
            self.call.keep_alive = False
            self._ignores_input = True
            return
        head = self._head()
        if self.parser.should_upgrade() and not head.wants_websocket:
            self._declined = head
            return
        is_current = self._is_current()
        call = self.call = ClientCall(self, head, time.monotonic_ns(), is_current and self.parser.should_keep_alive())
        call.can_chunk = is_current
        if head.wants_websocket and self.parser.should_upgrade():
            call.upgrade = True
            call.keep_alive = False
        call.expects_continue = head.expects_continue
        if self._beyond is not None:
            call.beyond, call.keep_alive = self._beyond, False
        if head.is_chunked or self.body_length > self.limits.spill_bytes or call.upgrade or call.expects_continue:
            self._wait_for_body(call)
            call.declared_bytes = self.body_length
            call.is_taken = True
            self.gateway.take(call)

    def _is_current(self) -> bool:
        """Return True for HTTP/1.1; the parser takes 0.9 and 2.0 too, and a line without any for the first."""
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self.refuse(400, "invalid_http", f"The request is not valid HTTP/1.1: its version is {version}.")
            raise ValueError("another version of HTTP")
        return version == "1.1"

    def _head(self) -> ClientHead:
        """Return the head: most often it is the one that this connection sent before."""
        method = self.parser.get_method()
        head = self._last_head
        if head is not None and head.equals(method, self.url, self.headers):
            return head
        head = ClientHead(method, self.url, self.headers)
        fault = fault_of(head, self.limits)
        if fault is not None:
            self.refuse_head(fault)
            raise ValueError("the head is refused")
        self._last_head = head
        return head

    # -- the body -------------------------------------------------------------------------------------------

    def on_body(self, body: bytes) -> None:
        """Hand a piece on; a reader that lags pauses the socket."""
        call = self.call
        if call is None or self._ignores_input or call.is_complete:
            return
        call.feed_body(body)
        if call.is_taken and len(call.parts) > 1:
            self.flow.pause_reading()

    def _wait_for_body(self, call: ClientCall) -> None:
        """What is still to come of a body may take its time, but not for ever."""
        self.deadline = min(self.loop.time() + self.limits.body_idle_timeout, self._latest(call))

    def _latest(self, call: ClientCall) -> float:
        """Return when a body that drips is given up (loop time)."""
        limits = self.limits
        return call.accepted_at / 1e9 + limits.body_timeout + call.received_bytes / limits.body_rate

    def on_message_complete(self) -> None:
        """The request is whole: from here on only the answer's own deadlines count."""
        call = self.call
        if call is None or self._ignores_input or call.is_complete:
            return
        self.deadline = math.inf
        if self._holding is not None:
            self._let_go()
        call.end_body()
        if call.is_taken:
            # Reading goes on, so that a client that leaves is noticed at once.
            self.flow.resume_reading()
        else:
            call.is_taken = True
            self.gateway.take(call)

    # -- the answer -----------------------------------------------------------------------------------------

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

    def expire(self) -> None:
        """The deadline has passed: end the connection, with a reason when a request had begun."""
        due, self.deadline = self.deadline, math.inf
        call = self.call
        if self.transport.is_closing():
            self._look_at_rest()
        elif self._ignores_input:
            self.transport.abort()
        elif call is not None and not call.body_complete:
            is_idle = due < self._latest(call)
            self.ceilings.struck(Page.LIMIT_BODY_IDLE_TIMEOUT if is_idle else Page.LIMIT_BODY_TIMEOUT)
            self.refuse(408, "request_timeout", "The request body did not arrive in time.")
            self.end()
        elif self._head_bytes and self.in_head:
            self.ceilings.struck(Page.LIMIT_HEADER_TIMEOUT)
            self.refuse(408, "request_timeout", "The request head did not arrive in time.")
        else:
            self.ceilings.struck(Page.LIMIT_HEADER_TIMEOUT if call is None else Page.LIMIT_KEEP_ALIVE)
            self.end()

    def _look_at_rest(self) -> None:
        """Wait on for a client that still takes some of what was written before the close."""
        left = self.transport.get_write_buffer_size()
        if left < self._unsent_bytes:
            self._unsent_bytes = left
            self.deadline = self.loop.time() + self.limits.write_stall
        else:
            self.transport.abort()

    def make_room(self, now: float) -> None:
        """There are too many connections: end this one when nothing has happened on it for a moment."""
        call = self.call
        is_quiet = not (self.in_head and self._head_bytes) and (call is None or call.is_complete)
        given = self.limits.header_timeout if call is None else self.limits.keep_alive
        if is_quiet and not self.transport.is_closing() and self.deadline - now < given - _IDLE_SECONDS:
            self.ceilings.struck(Page.LIMIT_CONNECTIONS)
            self.end()

    def shutdown(self) -> None:
        """Close now when idle, else after the running answer; a newcomer's first request may be on its way."""
        if self.call is None:
            return
        if self.call.is_complete:
            self.transport.close()
        else:
            self.call.keep_alive = False

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
