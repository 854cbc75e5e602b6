"""The client's socket: uvicorn's httptools protocol with deadlines, header limits and one call at a time.

What stock uvicorn leaves open is closed here, where it can still be noticed [measured, facts of reliability 1.4]: a
connection that sends nothing, half a head or a byte a second; a header of 20 MB; a pipelined second request, which
would hide that the client has left. A second request before the answer's end closes the connection after the answer.

A small request becomes a task when it is whole; one with a large or chunked body when its head is, so that the body
can be written aside as it arrives. Deadlines are one number per connection, looked at by the sweep in ``app``:
no timer is armed or cancelled per call. Nothing here knows what a path means.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.gateway.call import ClientCall, Headers
from proxy.protocol.envelope import error_body

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway

_MAX_HEADERS = 256
_DRIP_SECONDS = 60.0
_DRIP_BYTES_PER_SECOND = 1024


class GatewayProtocol(HttpToolsProtocol):
    """One connection of a client. ``deadline`` is loop time; infinite while a call is being answered."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        # Uvicorn tolerates data after "Connection: close"; we close after that answer and want no more.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.gateway = cast("Gateway", self.app)
        self.limits = self.gateway.limits
        self.call: ClientCall | None = None
        self.deadline = math.inf
        self.in_head = True
        self.is_refused = False
        self._ignores_input = False
        self._head_bytes = 0
        self._body_began = 0.0
        self._stall_handle: asyncio.TimerHandle | None = None

    # -- connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the receipt deadline at once: an idle newcomer holds nothing for long."""
        super().connection_made(transport)
        self.peer = f"{self.client[0]}:{self.client[1]}" if self.client else "unix"
        self.deadline = self.loop.time() + self.limits.header_timeout
        if self.gateway.is_draining:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the open call that its client has left."""
        self.connections.discard(self)
        self.deadline = math.inf
        if self._stall_handle is not None:
            self._stall_handle.cancel()
        self.flow.resume_writing()
        if self.call is not None:
            self.call.leave()
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse what is no HTTP or too large a head."""
        if self._ignores_input:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ignores_input = True
        except httptools.HttpParserError as error:
            if not self.is_refused:
                self.refuse(400, "invalid_http", f"The request is not valid HTTP/1.1: {error}.")
            return
        if self.in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.header_bytes + len(data):
                self.refuse_head()

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer a request that never became a call, and close."""
        self.is_refused = self._ignores_input = True
        self.gateway.note_refused_connection()
        if self.call is not None and not self.call.is_complete and self.call.task is not None:
            self.call.keep_alive = False
            self.transport.abort()
            return
        body = error_body(message, kind="invalid_request_error", code=code)
        head = b"HTTP/1.1 %d \r\ncontent-type: application/json\r\nx-dashcam-error: %s\r\n" % (status, code.encode())
        self.transport.write(b"%scontent-length: %d\r\nconnection: close\r\n\r\n%s" % (head, len(body), body))
        self.transport.close()

    def refuse_head(self) -> None:
        """Answer a head that is larger than we keep."""
        limit = self.limits.header_bytes
        message = f"The request head is larger than {limit} bytes. Send fewer or shorter headers."
        self.refuse(431, "request_headers_too_large", message)

    # -- the head -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A new request: its head must be whole within the deadline."""
        self.url = b""
        self.headers: Headers = []
        self.known: dict[bytes, bytes] = {}
        self.in_head = True
        self._head_bytes = 0
        self.expect_100_continue = False
        if self.call is None or self.call.is_complete:
            self.deadline = self.loop.time() + self.limits.header_timeout

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep names as they came; count what the head holds."""
        self.headers.append((name, value))
        lowered = name.lower()
        if self.known.setdefault(lowered, value) is not value and lowered == b"host":
            self.refuse(400, "invalid_host", "The request carries more than one Host header.")
            raise ValueError("two Host headers")
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self.limits.header_bytes or len(self.headers) > _MAX_HEADERS:
            self.refuse_head()
            raise ValueError("head too large")

    def on_headers_complete(self) -> None:
        """Make the call, or close after the running one when this request was pipelined."""
        self.in_head = False
        if self.call is not None and not self.call.is_complete:
            self.call.keep_alive = False
            self._ignores_input = True
            return
        parser = self.parser
        call = ClientCall(
            method=parser.get_method().decode("ascii"),
            target=self.url,
            headers=self.headers,
            known=self.known,
            transport=self.transport,
            flow=self.flow,
            peer=self.peer,
            accepted_at=time.monotonic_ns(),
            keep_alive=parser.should_keep_alive() and parser.get_http_version() == "1.1",
            on_complete=self.call_completed,
        )
        self.call = call
        call.can_chunk = parser.get_http_version() == "1.1"
        if parser.should_upgrade():
            # Other protocols than WebSocket are offers that may be ignored (h2c); the connection is not used again.
            call.upgrade = self.known.get(b"upgrade", b"").lower() == b"websocket"
            call.keep_alive = False
        length = self._body_headers(call)
        if call.upgrade or length < 0 or length > self.limits.spill_bytes or call.expects_continue:
            self._body_began = self.loop.time()
            self.deadline = self._body_began + self.limits.body_idle_timeout
            self._start(call)

    def _body_headers(self, call: ClientCall) -> int:
        """Return the announced body length, -1 when it is chunked."""
        known = call.known
        call.expects_continue = known.get(b"expect", b"").lower() == b"100-continue"
        if b"transfer-encoding" in known:
            return -1
        return int(known.get(b"content-length", 0))

    def _start(self, call: ClientCall) -> None:
        task = self.loop.create_task(self.gateway.handle(call))
        call.task = task
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # -- the body -------------------------------------------------------------------------------------------

    def on_body(self, body: bytes) -> None:
        """Hand a piece on; a reader that lags pauses the socket."""
        call = self.call
        if call is None or self._ignores_input or call.is_complete:
            return
        call.feed_body(body)
        if call.task is not None:
            now = self.loop.time()
            floor = self._body_began + _DRIP_SECONDS + call.received_bytes / _DRIP_BYTES_PER_SECOND
            self.deadline = min(now + self.limits.body_idle_timeout, floor)
            if len(call.parts) > 1:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """The request is whole: from here on only the answer's own deadlines count."""
        call = self.call
        if call is None or self._ignores_input or call.is_complete:
            return
        self.deadline = math.inf
        call.end_body()
        if call.task is None:
            self._start(call)
        else:
            # Reading goes on, so that a client that leaves is noticed at once.
            self.flow.resume_reading()

    # -- the answer -----------------------------------------------------------------------------------------

    def call_completed(self) -> None:
        """The answer has left: wait for the next request."""
        self.deadline = self.loop.time() + self.limits.keep_alive
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def expire(self) -> None:
        """The deadline has passed: end the connection, with a reason when a request had begun."""
        self.deadline = math.inf
        if self.call is not None and not self.call.body_complete:
            if self.call.task is None:
                self.refuse(408, "request_timeout", "The request body did not arrive in time.")
            else:
                self.transport.abort()
        elif self._head_bytes and self.in_head:
            self.refuse(408, "request_timeout", "The request head did not arrive in time.")
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """Close now when idle, else after the running answer."""
        if self.call is None or self.call.is_complete:
            self.transport.close()
        else:
            self.call.keep_alive = False

    def pause_writing(self) -> None:
        """The client reads too slowly; without progress within the stall limit it counts as gone."""
        super().pause_writing()
        buffered = self.transport.get_write_buffer_size()
        self._stall_handle = self.loop.call_later(self.limits.write_stall, self._check_stall, buffered)

    def resume_writing(self) -> None:
        """The client caught up."""
        super().resume_writing()
        if self._stall_handle is not None:
            self._stall_handle.cancel()
            self._stall_handle = None

    def _check_stall(self, before: int) -> None:
        buffered = self.transport.get_write_buffer_size()
        if buffered < before:
            self._stall_handle = self.loop.call_later(self.limits.write_stall, self._check_stall, buffered)
        else:
            self.transport.abort()
