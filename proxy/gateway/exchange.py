"""Relaying one call: the answer on its way from the upstream to the client.

The same bytes, in order, with back-pressure both ways: each piece is appended to the spool before it is handed to the
client, and the end is appended before the last byte leaves. An exchange is moved on by what happens (``advance``: the
answer changed, the client can take more) and needs no task of its own. How it asks for an answer is in ``attempts``,
how it ends in ``open_exchange``.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from proxy.domain.outcome import Outcome
from proxy.gateway import endings
from proxy.gateway.attempts import AttemptingExchange
from proxy.gateway.reply_head import ReplyHead
from proxy.protocol.stripping import UsageStripper
from proxy.spool.page import Page

if TYPE_CHECKING:
    from proxy.gateway.sending import Pieces, UpstreamAnswer


class Exchange(AttemptingExchange):
    """One call on its way through."""

    _stripper: UsageStripper | None = None
    _linger_until = 0

    def begin(self) -> None:
        """Send the request: at once on a kept connection, else from a task that dials."""
        self.call.on_gone = self._client_left
        self.call.on_writable = self.advance
        self._start()

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

    # -- the head -------------------------------------------------------------------------------------------

    def _relay_head(self, answer: UpstreamAnswer) -> None:
        """Begin the client's reply; an answer that is whole already is handed over in one go."""
        head = ReplyHead(answer.headers)
        if head.coding:
            self._refuse_coding(answer, head.coding)
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

    def _refuse_coding(self, answer: UpstreamAnswer, coding: bytes) -> None:
        """The answer comes in a form that nobody asked for: it is none."""
        failure = endings.unasked_coding(coding, answer.timing)
        self.observation.broke_off(failure)
        self._failed(failure)

    def _take_usage_out(self, head: ReplyHead) -> None:
        """Take out again what the client did not ask for."""
        if head.is_encoded:
            # Compressed although we asked for plain text: this one must pass, the next ones are not asked for usage.
            self._gateway.remember_without_usage(self.plan.provider.name)
            return
        self._stripper = UsageStripper()
        self.observation.hash_what_is_sent()
        head.drop_length()

    # -- the body -------------------------------------------------------------------------------------------

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

    # -- the client leaves ----------------------------------------------------------------------------------

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
