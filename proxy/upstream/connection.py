"""One connection to an upstream: an asyncio protocol on httptools that carries one request at a time.

What one read of the socket gave is one piece: stamped with its arrival, freed of transfer framing, otherwise as it
came. Unread pieces above 64 kB pause the socket, so a slow client slows its upstream and nothing piles up. A message
that ends short, a chunked body that is cut, bytes after the end: each is told apart, and a connection that is not
exactly at the start of the next message is never used again.
"""

from __future__ import annotations

import asyncio
import ssl
import time

import httptools

from proxy.upstream.answer import HIGH_WATER, Answer, Headers
from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure
from proxy.upstream.pool import OriginPool
from proxy.upstream.request import RequestHead

MAX_HEAD = 256 * 1024
_NO_BODY = frozenset({204, 304})


class UpstreamConnection(asyncio.Protocol):
    """Carries one exchange after another. ``deadline`` is loop time, looked at by the client's sweep."""

    def __init__(self, pool: OriginPool, busy: set[UpstreamConnection]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = pool
        self._busy = busy
        self._parser = httptools.HttpResponseParser(self)
        self.transport: asyncio.Transport | None = None
        self.answer: Answer | None = None
        self.is_closed = False
        self.idle_since = 0.0
        self.deadline = 0.0
        self._first_byte_timeout = 0.0
        self._idle_timeout = 0.0
        self._is_write_paused = False
        self._parts: list[bytes] = []
        self._framing_bytes = 0
        self._is_framed = False
        self._keeps_alive = False
        self._is_sending = False
        self._is_read_paused = False

    def __repr__(self) -> str:
        return f"<UpstreamConnection {'closed' if self.is_closed else self.answer or 'idle'}>"

    # -- one exchange ---------------------------------------------------------------------------------------

    def begin(self, head: RequestHead, timing: Timing) -> Answer:
        """Take the connection for one exchange."""
        answer = self.answer = Answer(self, head.method, timing)
        self._first_byte_timeout = head.first_byte_timeout
        self._idle_timeout = head.idle_timeout
        self._parts = []
        self._framing_bytes = 0
        self._is_framed = False
        self.extend()
        if self.is_closed:
            # It may be lost between connecting and this moment, when nobody was there to be told.
            answer.failure = _broken(answer, None)
        return answer

    def extend(self) -> None:
        """Progress was made in sending: the first byte may take its whole time from now on."""
        self.deadline = self._loop.time() + self._first_byte_timeout

    def write(self, data: bytes) -> None:
        """Write a piece of the request."""
        if self.transport is not None and not self.is_closed:
            self.transport.write(data)

    async def writable(self, answer: Answer) -> bool:
        """Wait until more of the request may be written; False when the answer has begun or will not come."""
        while self._is_write_paused and not answer.has_head and answer.failure is None:
            await answer.wait()
        return not answer.has_head and answer.failure is None

    def set_sending(self, is_sending: bool) -> None:
        """An answer that ends while the request is still being sent leaves the connection out of step."""
        self._is_sending = is_sending

    def read_on(self, answer: Answer) -> None:
        """The caller caught up: the upstream has its whole time from now on."""
        if answer is self.answer and not self.is_closed:
            self.deadline = self._loop.time() + self._idle_timeout
            self._resume_reading()

    def _resume_reading(self) -> None:
        if self._is_read_paused and self.transport is not None:
            self._is_read_paused = False
            self.transport.resume_reading()

    def give_up(self, answer: Answer) -> None:
        """The caller does not want the rest: the upstream sees the connection close."""
        if answer is self.answer:
            self.close()

    def expire(self, now: float) -> bool:
        """Fail the exchange when the upstream has been silent too long; one that is paused cannot speak."""
        answer = self.answer
        if answer is None or self.deadline >= now:
            return False
        if answer.unread > HIGH_WATER:
            self.deadline = now + self._idle_timeout
            return False
        if answer.has_head:
            self._fail(FailureReason.IDLE_TIMEOUT, f"it sent nothing more for {self._idle_timeout:g} s")
        else:
            self._fail(FailureReason.FIRST_BYTE_TIMEOUT, f"it did not answer within {self._first_byte_timeout:g} s")
        return True

    def close(self) -> None:
        """Close the connection now; an exchange on it fails."""
        self._fail(FailureReason.CLOSED_EARLY, "the connection was closed on our side")

    def _fail(self, reason: FailureReason, message: str) -> None:
        answer = self.answer
        if answer is not None and answer.failure is None and not answer.is_complete:
            answer.failure = UpstreamFailure(reason, message, answer.timing, answered=answer.has_received)
            answer.wake()
        self.is_closed = True
        if self.transport is not None:
            self.transport.abort()

    # -- asyncio.Protocol -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Parse what one read gave into at most one piece."""
        answer = self.answer
        if answer is None or answer.is_complete:
            # Bytes that nobody asked for: the connection is out of step.
            self.close()
            return
        answer.has_received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(FailureReason.PROTOCOL, "it switched protocols, which was not asked for")
            return
        except httptools.HttpParserError as error:
            self._keeps_alive = False
            if not answer.is_complete:
                self._deliver(answer)
                self._fail(FailureReason.PROTOCOL, f"it does not speak HTTP/1.1 here: {error}")
                return
        if answer.has_head:
            self.deadline = self._loop.time() + self._idle_timeout
        if self._parts or answer.is_complete:
            self._framing_bytes = 0
        else:
            self._framing_bytes += len(data)
            if self._framing_bytes > MAX_HEAD:
                self._fail(FailureReason.HEAD_TOO_LARGE, f"its head or trailer is larger than {MAX_HEAD} bytes")
                return
        self._deliver(answer)

    def _deliver(self, answer: Answer) -> None:
        parts = self._parts
        if parts:
            piece = parts[0] if len(parts) == 1 else b"".join(parts)
            self._parts = []
            answer.pieces.append((time.monotonic_ns(), piece))
            before = answer.unread
            answer.unread += len(piece)
            if before <= HIGH_WATER < answer.unread and not answer.is_complete and self.transport is not None:
                self._is_read_paused = True
                self.transport.pause_reading()
        answer.wake()
        if answer.is_complete:
            self._release()

    def _release(self) -> None:
        self.answer = None
        self._busy.discard(self)
        if self._keeps_alive and not self._is_sending and not self.is_closed:
            self._resume_reading()
            self.idle_since = self._loop.time()
            self._pool.put(self)
        else:
            self.close()

    def eof_received(self) -> None:
        """The upstream has said all; ``connection_lost`` follows and judges."""

    def connection_lost(self, error: Exception | None) -> None:
        """Judge how the connection ended: cleanly, or in the middle of an answer."""
        self.is_closed = True
        answer = self.answer
        if answer is not None and not answer.is_complete and answer.failure is None:
            if answer.has_head and not self._is_framed and error is None:
                answer.is_complete = True
            else:
                answer.failure = _broken(answer, error)
        if answer is not None:
            answer.wake()
        self._busy.discard(self)
        self._pool.remove(self)

    def pause_writing(self) -> None:
        """The upstream reads slowly."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """The upstream caught up."""
        self._is_write_paused = False
        if self.answer is not None:
            self.answer.wake()

    # -- httptools ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Bytes after the end of the answer, in the same read, look like another one: out of step."""
        if self.answer is not None and self.answer.is_complete:
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header as it came."""
        assert self.answer is not None
        if not self.answer.has_head:
            self.answer.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note the head; an interim answer (1xx) is skipped."""
        answer = self.answer
        assert answer is not None
        if answer.has_head:
            return
        status = self._parser.get_status_code()
        if status < 100:
            raise ValueError(f"{status} is no status")
        if status < 200:
            answer.headers = []
            return
        answer.status = status
        answer.has_head = True
        answer.timing.head_ns = time.monotonic_ns()
        self._keeps_alive = self._parser.should_keep_alive()
        # Only an answer whose end can be told may keep the connection; of the others each is looked at.
        self._is_framed = self._keeps_alive or _is_framed(answer.headers)
        if answer.method == "HEAD":
            # httptools cannot be told that this answer has no body: take it as whole and do not reuse.
            answer.is_complete = True
            self._keeps_alive = False

    def on_body(self, body: bytes) -> None:
        """Collect what this read gave."""
        if self.answer is not None and not self.answer.is_complete:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole; an interim answer is none, and one without framing ends with the connection."""
        answer = self.answer
        if answer is not None and answer.has_head and (self._is_framed or answer.status in _NO_BODY):
            answer.is_complete = True


def _is_framed(headers: Headers) -> bool:
    """Return True when the headers say where the body ends."""
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"content-length" or (lowered == b"transfer-encoding" and value.lower().endswith(b"chunked")):
            return True
    return False


def _broken(answer: Answer, error: Exception | None) -> UpstreamFailure:
    where = "in the middle of its answer" if answer.has_head else "before it answered"
    if isinstance(error, ssl.SSLError) and not answer.has_received:
        # With TLS 1.3 an upstream that misses a client certificate says so only now.
        return UpstreamFailure(FailureReason.TLS, f"it ended TLS: {error.reason or error}", answer.timing)
    reason, did = (FailureReason.RESET, "reset") if error is not None else (FailureReason.CLOSED_EARLY, "closed")
    return UpstreamFailure(reason, f"it {did} the connection {where}", answer.timing, answered=answer.has_received)
