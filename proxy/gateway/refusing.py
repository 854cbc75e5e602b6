"""How the gateway says no: with our own error in the client's envelope, and with a row that tells of it.

A call of the data plane that is refused gets a row without a body, unless there are too many of these at once; what
never was such a call gets none. What a refused call was counted for is given back here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from proxy.domain.identity import id_text
from proxy.gateway import endings
from proxy.gateway.admission import Admission
from proxy.gateway.authentication import Caller
from proxy.gateway.call import ClientCall
from proxy.gateway.call_start import start_of_refused
from proxy.gateway.guard import Refusal
from proxy.gateway.observation import Observation
from proxy.protocol.tagging import NONE
from proxy.spool.page import Page

if TYPE_CHECKING:
    from proxy.gateway.traffic import Traffic

log = structlog.get_logger("gateway")


class Refusing:
    """The refusals of one gateway."""

    def __init__(self, gateway: Traffic) -> None:
        self._gateway = gateway

    def __repr__(self) -> str:
        return f"<Refusing {self._gateway!r}>"

    def reject(
        self,
        call: ClientCall,
        observation: Observation,
        admission: Admission,
        refusal: Refusal,
        caller: Caller | None = None,
    ) -> None:
        """Refuse a call of the data plane: a row says so, without a body, unless there are too many of these."""
        assert admission.place is not None
        gateway = self._gateway
        ending = endings.rejected(refusal)
        if admission.usual == NONE:
            observation.leave_out(is_over=True)
        elif gateway.ceilings.may_have_row(call.accepted_at):
            if gateway.redacting is not None and (redaction := gateway.redacting.of(caller)) is not None:
                observation.redact(redaction)
            start = start_of_refused(call, admission.place, caller, refusal.prompt)
            observation.reject(start, time.monotonic_ns(), ending)
            gateway.let_wait(call, observation)
        else:
            observation.is_ended = True
            gateway.page.add(Page.DROPPED_REFUSED, 1)
            gateway.page.add(Page.ACCEPTED, 1)
            self.answer(call, None, ending)
            return
        self.answer(call, observation, ending)

    def answer(self, call: ClientCall, observation: Observation | None, ending: endings.Ending) -> None:
        """Answer with our error and give back what the call was counted for; without an observation it has no id."""
        self._gateway.allowances.give_back(call)
        reply, body = endings.reply(ending, observation.call_id if observation else None)
        if not call.body_complete:
            call.keep_alive = False
        call.begin(ending.status, reply, body, last=True)

    def apologise(self, call: ClientCall, observation: Observation) -> None:
        """End a call that a defect of ours broke, from the ``except`` block that caught it."""
        log.exception("call_failed", id=id_text(observation.identity))
        self._gateway.allowances.give_back(call)
        ending = endings.INTERNAL
        if observation.is_started:
            observation.status = observation.status or ending.status
            observation.end(ending.outcome, time.monotonic_ns(), error=ending)
        if call.response_started:
            call.abort()
        else:
            self.answer(call, observation, ending)
