"""Relaying one call: attempts, pump, ending.

The same bytes, in order, with back-pressure both ways: each piece is appended to the spool before it is handed to the
client, and the end is appended before the last byte leaves. An exchange is moved on by what happens (``advance``: the
answer changed, the client can take more) and needs no task of its own; only dialling, a body from a file and a second
attempt wait in one. A second attempt is made only before the first answer byte, for one of three reasons: a pooled
connection turned out dead; the upstream refused the usage option that we had added, so it is asked without, once; a
route has another candidate (``takeover``).

An exchange ends in exactly one of four ways: the answer's end, the upstream's failure, the client leaving, our
shutting down; each path ends the observation synchronously, then ``_finish`` lets go of everything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from proxy.domain.outcome import Outcome
from proxy.gateway import endings
from proxy.gateway.call import ClientCall
from proxy.gateway.observation import Observation
from proxy.gateway.plan import Plan
from proxy.gateway.reply_head import ReplyHead
from proxy.gateway.sending import read_some
from proxy.gateway.takeover import Takeover
from proxy.protocol.envelope import error_event
from proxy.protocol.stripping import UsageStripper
from proxy.spool.page import Page
from proxy.upstream.client import is_stale
from proxy.upstream.failure import Timing, UpstreamFailure

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway
    from proxy.gateway.body import Inbound
    from proxy.gateway.sending import Pieces, Sending, UpstreamAnswer

_BORDERS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_MAX_REFUSAL = 64 * 1024


class Exchange:
    """One call on its way through."""

    is_finished = False
    held_bytes = 0
    leftover: Inbound | None = None
    """So many bytes of the body count as in memory, until it cannot be sent again; or it is on disk, for no record."""
    _answer: UpstreamAnswer | None = None
    _is_answered = False
    _is_open_stream = False
    _stripper: UsageStripper | None = None
    _is_event_stream = False
    _last_output = _BORDERS[0]
    _task: asyncio.Task[None] | None = None
    _linger_handle: asyncio.TimerHandle | None = None
    _linger_until = 0
    _waiting_since: Timing | None = None
    """When a try began that waits in a task."""

    def __init__(
        self,
        gateway: Gateway,
        call: ClientCall,
        plan: Plan,
        sending: Sending,
        observation: Observation,
        takeover: Takeover | None = None,
    ) -> None:
        self._gateway = gateway
        self.call = call
        self.plan = plan
        self._sending = sending
        self.observation = observation
        self._takeover = takeover

    def __repr__(self) -> str:
        return f"<Exchange {self.call!r} to {self.plan.provider.name}>"

    # -- attempts -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Send the request: at once on a kept connection, else from a task that dials."""
        self.call.on_gone = self._client_left
        self.call.on_writable = self.advance
        self._start()

    def _start(self) -> None:
        if self._takeover is not None:
            self._takeover.began(self.plan.provider.name)
        try:
            answer = self._sending.begin(self.plan.edits)
        except UpstreamFailure as failure:
            self._not_answered(failure)
            return
        if answer is None:
            self._wait_for(self._send())
        else:
            self._follow(answer)

    def _wait_for(self, step: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._guarded(step))

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except Exception:  # noqa: BLE001 - the edge of a call: logged, and ended all the same
            self._task = None
            self._give_up()

    async def _send(self, stale: UpstreamFailure | None = None) -> None:
        self._waiting_since = Timing(time.monotonic_ns())
        self._waiting_since.replaced = stale
        try:
            answer = await self._sending.send(self.plan.edits, stale)
        except UpstreamFailure as failure:
            self._not_answered(failure)
        else:
            self._follow(answer)

    async def _ask_plainly(self, refused: UpstreamAnswer) -> None:
        """The usage option may be what was refused: send the request without it, once, and remember."""
        self._answer = None
        message = await read_some(refused, _MAX_REFUSAL)
        self.plan = self.plan.without_usage()
        self.observation.replanned(self.plan, is_taken_over=False)
        self._waiting_since = Timing(time.monotonic_ns())
        try:
            answer = await self._sending.send(self.plan.edits)
        except UpstreamFailure as failure:
            self._not_answered(failure)
            return
        if answer.status < 400 or b"stream_options" in message:
            self._gateway.remember_without_usage(self.plan.provider.name)
        self._follow(answer)

    def _follow(self, answer: UpstreamAnswer) -> None:
        self._task = self._waiting_since = None
        self._answer = answer
        if self.is_finished:
            answer.abort()
            return
        answer.listen(self.advance)
        if answer.has_head or answer.failure is not None:
            self.advance()

    def _not_answered(self, failure: UpstreamFailure) -> None:
        """The attempt is over without an answer."""
        self._task = self._waiting_since = None
        if self.is_finished:
            return
        self.observation.attempted(self.plan.provider, failure.timing, None, failure)
        if self._takeover is not None and not self.call.is_gone:
            in_flight = len(self._gateway.exchanges)
            if following := self._takeover.after_failure(failure, self.plan.operation, in_flight):
                self._hand_over(*following)
                return
        self._failed(failure)

    def _is_taken_over(self, answer: UpstreamAnswer) -> bool:
        """Let the next candidate of a route try where this answer says that its upstream cannot."""
        assert self._takeover is not None
        following = self._takeover.after_answer(answer.status, answer.headers, len(self._gateway.exchanges))
        if following is None:
            return False
        answer.listen(None)
        answer.abort()
        self._hand_over(*following)
        return True

    def _hand_over(self, plan: Plan, sending: Sending) -> None:
        self._answer = None
        self.plan, self._sending = plan, sending
        self.observation.replanned(plan, is_taken_over=True)
        self._start()

    # -- pump -----------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Something has changed: take what is there and hand it on."""
        try:
            if not self.call.is_congested:
                self._advance()
        except Exception:  # noqa: BLE001 - the edge of a call: logged, and ended all the same
            self._give_up()

    def _advance(self) -> None:
        answer = self._answer
        if answer is None or self.is_finished:
            return
        if not self._is_answered:
            if not answer.has_head:
                self._lost_before_head(answer)
                return
            self.observation.attempted(self.plan.provider, answer.timing, answer.status, None)
            if self.plan.asks_usage and answer.status in (400, 422):
                answer.listen(None)
                self._wait_for(self._ask_plainly(answer))
                return
            if self._takeover is not None and self._is_taken_over(answer):
                return
            self._relay_head(answer)
        else:
            self._relay(answer, answer.take_ready())
        if answer.failure is not None and not self.is_finished:
            self._failed(answer.failure)

    def _lost_before_head(self, answer: UpstreamAnswer) -> None:
        if (failure := answer.failure) is None:
            return
        answer.listen(None)
        if is_stale(failure):
            self._answer = None
            self._wait_for(self._send(failure))
        else:
            self._not_answered(failure)

    def _relay_head(self, answer: UpstreamAnswer) -> None:
        """Begin the client's reply; an answer that is whole already is handed over in one go."""
        head = ReplyHead(answer.headers)
        if head.coding:
            failure = endings.unasked_coding(head.coding, answer.timing)
            self.observation.broke_off(failure)
            self._failed(failure)
            return
        self._is_answered = True
        self._is_event_stream = head.content_type.startswith(b"text/event-stream")
        if self.plan.asks_usage and self._is_event_stream:
            self._take_usage_out(head)
        head.add(b"x-dashcam-id", self.observation.call_id)
        self._sending.reply_facts.add_to(head, self.plan, self.observation)
        self.observation.answered(answer.status, head.recorded)
        pieces = answer.take_ready()
        if answer.is_complete and self._stripper is None and len(pieces) <= 1:
            self._relay_whole(answer, head, pieces)
        else:
            self._is_open_stream = True
            self._gateway.page.add(Page.OPEN_STREAMS, 1)
            self._sending.forget_body()
            self._gateway.let_go_of(self)
            self._relay(answer, pieces, head)

    def _take_usage_out(self, head: ReplyHead) -> None:
        """Take out again what the client did not ask for."""
        if head.is_encoded:
            # Compressed although we asked for plain text: this one must pass, the next ones are not asked for usage.
            self._gateway.remember_without_usage(self.plan.provider.name)
            return
        self._stripper = UsageStripper()
        self.observation.hash_what_is_sent()
        head.drop_length()

    def _relay_whole(self, answer: UpstreamAnswer, head: ReplyHead, pieces: Pieces) -> None:
        """The whole answer is here: end the record with it, then hand it over."""
        last = pieces[0] if pieces else None
        body = last[1] if last else b""
        if not self.call.is_gone:
            self.observation.sent(body)
        self.observation.end(self._outcome(answer), time.monotonic_ns(), last=last)
        self.call.begin(answer.status, head, body, last=True)
        self._finish()

    def _relay(self, answer: UpstreamAnswer, pieces: Pieces, head: ReplyHead | None = None) -> None:
        """Record some pieces, then hand them on; with a head they begin the reply."""
        call, observation = self.call, self.observation
        is_last = answer.is_complete
        for at, data in pieces:
            observation.piece(at, data)
        output = self._outgoing(pieces, is_last)
        if output and not call.is_gone:
            observation.sent(output)
        if is_last:
            observation.end(self._outcome(answer), time.monotonic_ns(), error=endings.of_client(self.call.is_stalled))
        if head is not None:
            call.begin(answer.status, head, output, last=is_last)
        elif output or is_last:
            call.write(output, last=is_last)
        if is_last:
            self._finish()
        elif self._linger_until and observation.received_bytes >= self._linger_until:
            self._linger_no_more(Page.LIMIT_LINGER_BYTES)

    def _outgoing(self, pieces: Pieces, is_last: bool) -> bytes:
        if self._stripper is None:
            output = pieces[0][1] if len(pieces) == 1 else b"".join([data for _, data in pieces])
        else:
            output = b"".join([self._stripper.feed(data) for _, data in pieces])
            if is_last:
                output += self._stripper.finish()
        if output:
            self._last_output = output
        return output

    def _outcome(self, answer: UpstreamAnswer) -> Outcome:
        if self.call.is_gone:
            return Outcome.CLIENT_GONE
        return Outcome.UPSTREAM_ERROR if answer.status >= 400 else Outcome.COMPLETED

    # -- endings --------------------------------------------------------------------------------------------

    def _client_left(self) -> None:
        """Called when the client leaves: read to the end where policy says so, else briefly for the usage, or stop."""
        if self.plan.on_client_gone == "cancel":
            if self._answer is None or self.observation.first_byte_at is None:
                self._leave()
                return
            limits = self._gateway.limits
            self._linger_until = self.observation.received_bytes + limits.linger_bytes
            self._linger_handle = asyncio.get_running_loop().call_later(
                limits.linger_seconds, self._linger_no_more, Page.LIMIT_LINGER_SECONDS
            )
        self.advance()

    def _linger_no_more(self, limit: int) -> None:
        self._gateway.struck(limit)
        self._leave()

    def _leave(self) -> None:
        """The client is gone and policy asks for no more of the answer."""
        self._note_unanswered()
        self.observation.end(Outcome.CLIENT_GONE, time.monotonic_ns(), error=endings.of_client(self.call.is_stalled))
        self._finish()

    def end_early(self, ending: endings.Ending) -> None:
        """A deadline has passed (the drain's, the caller's own): end the call now, telling the client why."""
        if self.call.is_gone:
            self._leave()
        else:
            self._note_unanswered()
            self._end_with(ending)

    def _note_unanswered(self) -> None:
        """The request is with an upstream that has not answered yet: that was a try too."""
        answer, timing = self._answer, self._waiting_since
        if answer is not None and not answer.has_head and answer.failure is None:
            timing = answer.timing
        if timing is not None:
            self.observation.attempted(self.plan.provider, timing, None, None)

    def _failed(self, failure: UpstreamFailure) -> None:
        if self._is_answered:
            self.observation.broke_off(failure)
        if self.call.is_gone:
            self._leave()
            return
        tell = endings.in_answer if self._is_answered else endings.before_answer
        self._end_with(tell(failure, self.plan.provider.name))

    def _end_with(self, ending: endings.Ending) -> None:
        if self.call.response_started:
            self._break_off(ending)
        else:
            self._refuse(ending)
        self._finish()

    def _refuse(self, ending: endings.Ending) -> None:
        """Nothing was sent yet: answer with our error."""
        head, body = endings.reply(ending, self.observation.call_id)
        self._sending.reply_facts.add_to(head, self.plan, self.observation)
        self.observation.status = ending.status
        self.observation.end(ending.outcome, time.monotonic_ns(), error=ending)
        self.call.begin(ending.status, head, body, last=True)

    def _break_off(self, ending: endings.Ending) -> None:
        """The answer has begun: say why between two events where possible, and never end it cleanly."""
        self.observation.end(ending.outcome, time.monotonic_ns(), error=ending)
        tells = self._is_event_stream and self.plan.provider.on_broken_stream == "tell"
        last = self._last_output
        if tells and last.endswith(_BORDERS) and self.call.is_chunked:
            operation, kind, code = self.plan.operation, ending.kind, ending.code
            self.call.write(error_event(operation, ending.message, kind=kind, code=code, after=last))
        self.call.abort()

    def _give_up(self) -> None:
        """A defect of ours, in an ``except`` block: log it, end the call and its record all the same."""
        self._gateway.refusing.apologise(self.call, self.observation)
        self._finish()

    def _finish(self) -> None:
        """Let go of everything; the exchange is over."""
        if self.is_finished:
            return
        self.is_finished = True
        self.call.on_gone = self.call.on_writable = None
        answer, task, handle = self._answer, self._task, self._linger_handle
        if handle is not None:
            handle.cancel()
        if answer is not None:
            answer.listen(None)
            if not answer.is_complete:
                answer.abort()
        if task is not None:
            task.cancel()
        if self._takeover is not None:
            self._takeover.finish()
        if self._is_open_stream:
            self._gateway.page.add(Page.OPEN_STREAMS, -1)
        self._gateway.finished(self)
