"""One call on the client's side: the request as it came, and the channel the reply leaves by.

The reply is written straight to the transport: status and headers as the upstream gave them, framed by us
(``Content-Length`` kept when the body is passed unchanged, else chunked). A body that breaks is never ended
cleanly: ``abort`` closes the connection without the terminating chunk, which every client notices.

``on_gone`` is called once, synchronously, when the client leaves before the reply is complete; a half-closed
connection counts as gone. Writing to a gone client does nothing. Back-pressure: write nothing while ``is_congested``;
``on_writable`` is called when that is over.

Where ``hold`` is set (mode ``power``) the last bytes, and a stream's last event, are handed to it as a function that
sends them: the record is on the disk first. Whatever is written after something held waits behind it.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from proxy.gateway.client_head import ClientHead
from proxy.gateway.guard import Refusal
from proxy.gateway.reply_head import ReplyHead

if TYPE_CHECKING:
    from uvicorn.protocols.http.flow_control import FlowControl

    from proxy.gateway.limiting import Subject


def _status_lines() -> dict[int, bytes]:
    lines = {status: b"HTTP/1.1 %d \r\n" % status for status in range(100, 1000)}
    lines.update({item.value: b"HTTP/1.1 %d %s\r\n" % (item, item.phrase.encode()) for item in http.HTTPStatus})
    return lines


_STATUS_LINES = _status_lines()
_NO_BODY = frozenset({204, 304})
_DONE = (b"data: [DONE]\n\n", b"data: [DONE]\r\n\r\n", b"data:[DONE]\n\n")
"""What a client takes for the end of a stream, whether or not the connection says more."""


class Connection(Protocol):
    """What a call needs of the connection it came by; ``peer`` is the client's address."""

    transport: asyncio.Transport
    flow: FlowControl
    peer: str

    def call_completed(self) -> None:
        """The reply is whole."""
        ...

    def end(self) -> None:
        """Close once what was written has left."""
        ...

    def linger(self) -> None:
        """Close once the client has had time to read, although it has not sent all."""
        ...


class ClientCall:
    """A request with its body so far, and the reply to it. Instants are monotonic nanoseconds.

    ``is_taken``: the gateway answers it; until then its body is still being collected. ``declared_bytes``: how long a
    body is said to be that is not waited for before. ``beyond``: why its connection was one too many. ``is_stalled``:
    its client left because we had it leave, for taking nothing. ``is_counted``: for a proxy key (``counted_key``), or
    for who has limits (``subjects``), of which the reply has something to say (``told``).
    """

    parts: list[bytes]
    received_bytes = 0
    declared_bytes = 0
    body_complete = False
    expects_continue = False
    upgrade = False
    can_chunk = True
    is_taken = False
    is_gone = False
    is_stalled = False
    beyond: Refusal | None = None
    is_counted = False
    counted_key: str | None = None
    subjects: tuple[Subject, ...] = ()
    told: tuple[bytes, ...] = ()
    is_complete = False
    response_started = False
    is_chunked = False
    on_gone: Callable[[], object] | None = None
    on_writable: Callable[[], None] | None = None
    hold: Callable[[Callable[[], None]], None] | None = None
    _held = 0
    _ends_by_close = False
    _has_body = True
    _body_event: asyncio.Event | None = None

    def __init__(self, connection: Connection, head: ClientHead, accepted_at: int, keep_alive: bool) -> None:
        self.connection = connection
        self.transport = connection.transport
        self.flow = connection.flow
        self.head = head
        self.accepted_at = accepted_at
        self.keep_alive = keep_alive
        self.parts = []

    def __repr__(self) -> str:
        state = "complete" if self.is_complete else "gone" if self.is_gone else "open"
        return f"<ClientCall {self.head.method} {self.head.target[:80]!r} {state}>"

    # -- the request's body ---------------------------------------------------------------------------------

    def feed_body(self, data: bytes) -> None:
        """Take one piece of the request's body off the wire."""
        self.parts.append(data)
        self.received_bytes += len(data)
        if self._body_event is not None:
            self._body_event.set()

    def end_body(self) -> None:
        """The request is whole."""
        self.body_complete = True
        if self._body_event is not None:
            self._body_event.set()

    def take_body(self) -> bytes:
        """Return what has arrived and is not taken yet."""
        data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts = []
        return data

    async def more_body(self) -> bool:
        """Wait for more of the body; False when it is whole and all taken, or the client has left."""
        while not self.parts and not self.body_complete and not self.is_gone:
            if self._body_event is None:
                self._body_event = asyncio.Event()
            self.flow.resume_reading()
            await self._body_event.wait()
            self._body_event.clear()
        return bool(self.parts)

    def send_continue(self) -> None:
        """Answer ``Expect: 100-continue``: the body is wanted."""
        if self.expects_continue and not self.response_started:
            self.expects_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # -- the reply ------------------------------------------------------------------------------------------

    def begin(self, status: int, head: ReplyHead, body: bytes = b"", *, last: bool) -> None:
        """Write the head with the first piece; without a length the body is chunked."""
        if self.is_gone:
            return
        self.response_started = True
        lines = [_STATUS_LINES[status], *head.lines]
        has_body = self._has_body = self.head.method != "HEAD" and status not in _NO_BODY
        self.is_chunked = has_body and not head.has_length and self.can_chunk
        self._ends_by_close = has_body and not head.has_length and not self.can_chunk
        if self.is_chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._frame(lines, body if has_body else b"", last)
        if self.hold is not None and (last or body.endswith(_DONE)):
            self._hold_back(b"".join(lines), last)
            return
        self.transport.write(b"".join(lines))
        if last:
            self._complete()

    def write(self, body: bytes, *, last: bool = False) -> None:
        """Write one more piece of the body; ``last`` ends the reply cleanly."""
        if self.is_gone or self.is_complete:
            return
        lines: list[bytes] = []
        if self._has_body:
            self._frame(lines, body, last)
        if self.hold is not None and (last or self._held or body.endswith(_DONE)):
            self._hold_back(b"".join(lines), last)
            return
        if lines:
            self.transport.write(b"".join(lines))
        if last:
            self._complete()

    def _hold_back(self, data: bytes, last: bool) -> None:
        assert self.hold is not None
        self._held += 1
        self.hold(partial(self._let_go, data, last))

    def _let_go(self, data: bytes, last: bool) -> None:
        self._held -= 1
        if self.is_gone or self.is_complete:
            return
        self.transport.write(data)
        if last:
            self._complete()

    def _frame(self, lines: list[bytes], body: bytes, last: bool) -> None:
        if not self.is_chunked:
            if body:
                lines.append(body)
            return
        if body:
            lines += (b"%x\r\n" % len(body), body, b"\r\n")
        if last:
            lines.append(b"0\r\n\r\n")

    @property
    def is_congested(self) -> bool:
        """True while the client reads more slowly than we write."""
        return self.flow.write_paused and not self.is_gone

    async def writable(self) -> None:
        """Wait while the client reads more slowly than we write."""
        if self.is_congested:
            await self.flow.drain()

    def abort(self) -> None:
        """End the reply uncleanly: what was written leaves, then the connection closes.

        Where only the close tells the end (HTTP/1.0), a reset tells that this is none.
        """
        if self._held:
            assert self.hold is not None
            self._held += 1
            self.hold(self._abort_behind)
            return
        self.is_complete = True
        if self._ends_by_close:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.connection.end()

    def _abort_behind(self) -> None:
        """Abort once all that was held has left."""
        self._held -= 1
        if not self.is_gone and not self.is_complete:
            self.abort()

    def _complete(self) -> None:
        self.is_complete = True
        self.connection.call_completed()
        if not self.keep_alive:
            if self.body_complete:
                self.connection.end()
            else:
                self.connection.linger()

    def leave(self) -> None:
        """The client has gone: wake whoever waits, tell the owner once."""
        self.is_gone = True
        if self._body_event is not None:
            self._body_event.set()
        if not self.is_complete and self.on_gone is not None:
            on_gone, self.on_gone = self.on_gone, None
            on_gone()
