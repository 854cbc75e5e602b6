"""Relaying one call: attempts, pump, ending.

The same bytes, in order, with back-pressure both ways: each piece is appended to the spool before it is handed to the
client, and the end is appended before the last byte leaves. A second attempt is made only before the first answer
byte, and only for one reason: the upstream refused the usage option that we had added, so the client's own bytes are
sent once. An exchange ends in exactly one of four ways: the answer's end, the upstream's failure, the client leaving,
our shutting down; each path ends the observation synchronously.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from proxy.domain.outcome import Outcome
from proxy.gateway import endings
from proxy.gateway.call import ClientCall, Headers
from proxy.gateway.headers import find, reply_headers
from proxy.gateway.observation import Observation
from proxy.gateway.plan import Plan
from proxy.protocol.envelope import error_event
from proxy.protocol.injection import Edit
from proxy.protocol.stripping import UsageStripper
from proxy.spool.page import Page
from proxy.upstream.failure import UpstreamFailure

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway
    from proxy.gateway.sending import Sending, UpstreamAnswer

_BORDERS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_MAX_REFUSAL = 64 * 1024
Pieces = list[tuple[int, bytes]]


class Exchange:
    """One call on its way through; owned by the task that runs it."""

    __slots__ = (
        "_answer",
        "_border",
        "_gateway",
        "_is_event_stream",
        "_linger_handle",
        "_linger_until",
        "_sending",
        "_stop",
        "_stripper",
        "call",
        "observation",
        "plan",
    )

    def __init__(
        self, gateway: Gateway, call: ClientCall, plan: Plan, sending: Sending, observation: Observation
    ) -> None:
        self._gateway = gateway
        self.call = call
        self.plan = plan
        self._sending = sending
        self.observation = observation
        self._answer: UpstreamAnswer | None = None
        self._stripper: UsageStripper | None = None
        self._stop: endings.Ending | None = None
        self._is_event_stream = False
        self._border = True
        self._linger_handle: asyncio.TimerHandle | None = None
        self._linger_until = 0

    def __repr__(self) -> str:
        return f"<Exchange {self.call!r} to {self.plan.provider.name}>"

    async def run(self) -> None:
        """Relay the call to its end; never raises for what the client or the upstream do."""
        self.call.on_gone = self._client_left
        try:
            answer = self._answer = await self._ask()
            await self._relay(answer)
        except UpstreamFailure as failure:
            self._failed(failure)
        except asyncio.CancelledError:
            self._stopped()
        finally:
            self.call.on_gone = None
            if self._linger_handle is not None:
                self._linger_handle.cancel()
            if self._answer is not None and not self._answer.is_finished:
                self._answer.abort()

    # -- attempts -------------------------------------------------------------------------------------------

    async def _ask(self) -> UpstreamAnswer:
        answer = await self._attempt(self.plan.edits)
        if self.plan.edits and answer.status in (400, 422) and not self.call.is_gone:
            return await self._ask_plainly(answer)
        return answer

    async def _attempt(self, edits: tuple[Edit, ...]) -> UpstreamAnswer:
        provider = self.plan.provider
        try:
            answer = await self._sending.send(edits)
        except UpstreamFailure as failure:
            self.observation.attempted(provider, failure.timing, None, failure)
            raise
        self.observation.attempted(provider, answer.timing, answer.status, None)
        return answer

    async def _ask_plainly(self, refused: UpstreamAnswer) -> UpstreamAnswer:
        """The usage option may be what was refused: send the client's own bytes, once, and remember."""
        message = await _read_some(refused, _MAX_REFUSAL)
        self.plan = self.plan.without_edits()
        answer = await self._attempt(())
        if answer.status < 400 or b"stream_options" in message:
            self._gateway.remember_without_usage(self.plan.provider.name)
        return answer

    # -- pump -----------------------------------------------------------------------------------------------

    async def _relay(self, answer: UpstreamAnswer) -> None:
        headers, is_plain = self._head(answer)
        pieces = answer.take_ready()
        if is_plain and answer.is_finished and len(pieces) <= 1:
            self._relay_whole(answer, headers, pieces)
        else:
            await self._relay_pieces(answer, headers, pieces)

    def _head(self, answer: UpstreamAnswer) -> tuple[Headers, bool]:
        """Note the head, return the client's headers and whether the body passes unchanged."""
        content_type = find(answer.headers, b"content-type") or b""
        self._is_event_stream = content_type.startswith(b"text/event-stream")
        if self.plan.edits and self._is_event_stream and find(answer.headers, b"content-encoding") is None:
            self._stripper = UsageStripper()
        is_plain = self._stripper is None
        headers, recorded = reply_headers(answer.headers, drop_length=not is_plain)
        headers.append((b"x-dashcam-id", self._sending.call_id))
        self.observation.answered(answer.status, recorded, answer.timing.head_ns or time.monotonic_ns())
        return headers, is_plain

    def _relay_whole(self, answer: UpstreamAnswer, headers: Headers, pieces: Pieces) -> None:
        """The whole answer is here: end the record with it, then hand it over."""
        last = pieces[0] if pieces else None
        body = last[1] if last else b""
        if not self.call.is_gone:
            self.observation.sent(body)
        self.observation.end(self._outcome(answer), time.monotonic_ns(), last=last)
        self.call.begin(answer.status, headers, body, last=True)

    async def _relay_pieces(self, answer: UpstreamAnswer, headers: Headers, pieces: Pieces) -> None:
        page = self._gateway.page
        page.add(Page.OPEN_STREAMS, 1)
        try:
            await self._pump(answer, headers, pieces)
        finally:
            page.add(Page.OPEN_STREAMS, -1)

    async def _pump(self, answer: UpstreamAnswer, headers: Headers, pieces: Pieces) -> None:
        call, observation = self.call, self.observation
        is_begun = False
        while True:
            is_last = answer.is_finished
            for at, data in pieces:
                observation.piece(at, data)
            output = self._outgoing(pieces, is_last)
            if not call.is_gone:
                observation.sent(output)
            if is_last:
                observation.end(self._outcome(answer), time.monotonic_ns())
            if not is_begun:
                call.begin(answer.status, headers, output, last=is_last)
                is_begun = True
            elif output or is_last:
                call.write(output, last=is_last)
            if is_last or self._has_lingered():
                return
            if call.flow.write_paused:
                await call.writable()
            piece = await answer.read()
            pieces = answer.take_ready()
            if piece is not None:
                pieces.insert(0, piece)

    def _outgoing(self, pieces: Pieces, is_last: bool) -> bytes:
        if self._stripper is None:
            output = pieces[0][1] if len(pieces) == 1 else b"".join([data for _, data in pieces])
        else:
            output = b"".join([self._stripper.feed(data) for _, data in pieces])
            if is_last:
                output += self._stripper.finish()
        if output:
            self._border = output.endswith(_BORDERS)
        return output

    def _outcome(self, answer: UpstreamAnswer) -> Outcome:
        if self.call.is_gone:
            return Outcome.CLIENT_GONE
        return Outcome.UPSTREAM_ERROR if answer.status >= 400 else Outcome.COMPLETED

    # -- endings --------------------------------------------------------------------------------------------

    def _client_left(self) -> None:
        """Called when the client leaves: stop asking, or read on briefly for the usage of an almost finished answer."""
        answer = self._answer
        if answer is None or self.observation.first_byte_at is None:
            if self.call.task is not None:
                self.call.task.cancel()
        elif self.plan.provider.on_client_gone == "cancel":
            limits = self._gateway.limits
            self._linger_until = self.observation.received_bytes + limits.linger_bytes
            loop = asyncio.get_running_loop()
            self._linger_handle = loop.call_later(limits.linger_seconds, answer.abort)

    def _has_lingered(self) -> bool:
        """True when the client is gone and as much as policy allows was read after that; ends the record."""
        if not self._linger_until or self.observation.received_bytes < self._linger_until:
            return False
        self.observation.end(Outcome.CLIENT_GONE, time.monotonic_ns())
        return True

    def shut_down(self) -> None:
        """The drain deadline has passed: end the call now, telling the client why."""
        self._stop = endings.SHUT_DOWN
        if self.call.task is not None:
            self.call.task.cancel()

    def _failed(self, failure: UpstreamFailure) -> None:
        if self.call.is_gone:
            self.observation.end(Outcome.CLIENT_GONE, time.monotonic_ns())
        elif self.call.response_started:
            self._break_off(endings.in_answer(failure, self.plan.provider.name))
        else:
            self._refuse(endings.before_answer(failure, self.plan.provider.name))

    def _stopped(self) -> None:
        """The task was cancelled: by the client's leaving, or by our shutting down."""
        if self.call.is_gone:
            self.observation.end(Outcome.CLIENT_GONE, time.monotonic_ns())
        elif self.call.response_started:
            self._break_off(self._stop or endings.SHUT_DOWN)
        else:
            self._refuse(self._stop or endings.SHUT_DOWN)

    def _refuse(self, ending: endings.Ending) -> None:
        """Nothing was sent yet: answer with our error."""
        headers, body = endings.reply(ending, self._sending.call_id)
        self.observation.status = ending.status
        self.observation.end(ending.outcome, time.monotonic_ns(), error=ending)
        self.call.begin(ending.status, headers, body, last=True)

    def _break_off(self, ending: endings.Ending) -> None:
        """The answer has begun: say why between two events where possible, and never end it cleanly."""
        self.observation.end(ending.outcome, time.monotonic_ns(), error=ending)
        if self._is_event_stream and self._border and self.call.is_chunked:
            self.call.write(error_event(self.plan.operation, ending.message, kind=ending.kind, code=ending.code))
        self.call.abort()


async def _read_some(answer: UpstreamAnswer, limit: int) -> bytes:
    """Read a short body whole; beyond the limit the connection is given up."""
    data = b"".join([piece for _, piece in answer.take_ready()])
    while not answer.is_finished and len(data) < limit:
        piece = await answer.read()
        if piece is None:
            break
        data += piece[1]
    if not answer.is_finished:
        answer.abort()
    return data
