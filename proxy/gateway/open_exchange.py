"""What an exchange holds while it is open, and how it ends.

It ends in exactly one of four ways: the answer's end, the upstream's failure, the client leaving, or us ending it
early (shutting down, the caller's own bound); each path ends the observation synchronously, then ``_finish`` lets go of
everything. How it asks an upstream is in ``attempts``, how the answer is handed on in ``exchange``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proxy.domain.outcome import Outcome
from proxy.gateway import endings
from proxy.protocol.envelope import error_event
from proxy.spool.page import Page

if TYPE_CHECKING:
    import asyncio

    from proxy.gateway.body import Inbound
    from proxy.gateway.call import ClientCall
    from proxy.gateway.equipment import EquippedGateway
    from proxy.gateway.observation import Observation
    from proxy.gateway.plan import Plan
    from proxy.gateway.sending import Sending, UpstreamAnswer
    from proxy.gateway.takeover import Takeover
    from proxy.upstream.failure import Timing, UpstreamFailure

_BORDERS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class OpenExchange:
    """One call on its way through. ``Exchange`` is one, and does not have one: nothing is handed down per call.

    ``held_bytes`` of the request count as in memory, until it cannot be sent again; ``leftover`` is a body that lies on
    disk, for no record. ``_waiting_since``: when a try began that waits in a task.
    """

    is_finished = False
    held_bytes = 0
    leftover: Inbound | None = None
    _answer: UpstreamAnswer | None = None
    _is_answered = False
    _is_open_stream = False
    _is_event_stream = False
    _last_output = _BORDERS[0]
    _task: asyncio.Task[None] | None = None
    _linger_handle: asyncio.TimerHandle | None = None
    _waiting_since: Timing | None = None

    def __init__(
        self,
        gateway: EquippedGateway,
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

    def end_early(self, ending: endings.Ending) -> None:
        """A deadline has passed (the drain's, the caller's own): end the call now, telling the client why."""
        if self.call.is_gone:
            self._leave()
        else:
            self._note_unanswered()
            self._end_with(ending)

    def _leave(self) -> None:
        """The client is gone and policy asks for no more of the answer."""
        self._note_unanswered()
        self.observation.end(Outcome.CLIENT_GONE, time.monotonic_ns(), error=endings.of_client(self.call.is_stalled))
        self._finish()

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
