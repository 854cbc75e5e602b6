"""The bytes off a client's socket: requests with bounded heads, one call at a time.

What stock uvicorn leaves open is closed here and in what this is built on, where it can still be noticed [measured,
facts of reliability 1.4]: a connection that sends nothing, half a head or a byte a second (``deadlines``); a header of
20 MB; a pipelined second request, which would hide that the client has left. A second request before the answer's end
closes the connection after the answer (``connection``).

A small request becomes a call when it is whole; one with a large or chunked body when its head is, so that the body
can be written aside as it arrives. Nothing here knows what a path means.
"""

from __future__ import annotations

import math
import time
from typing import Any

import httptools

from proxy.gateway.call import ClientCall
from proxy.gateway.client_head import ClientHead, Headers
from proxy.gateway.deadlines import TimedConnection
from proxy.gateway.head_rules import fault_of, too_long


class GatewayProtocol(TimedConnection):
    """Reads what one client sends: uvicorn's protocol, with a parser and its callbacks of our own."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.parser = self._new_parser()
        self._last_head: ClientHead | None = None
        self._declined: ClientHead | None = None

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Uvicorn tolerates data after "Connection: close"; we close after that answer and want no more.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

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
