"""From a call that is let in to its exchange: plan, START record, who is asked.

A stored prompt is put in before the plan is made, and the record begins before anybody is dialled. What the answer is
and how the call ends is the exchange's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from proxy.gateway import endings
from proxy.gateway.admission import Admission, Departure
from proxy.gateway.asks import MODEL_PREFIX
from proxy.gateway.authentication import Caller
from proxy.gateway.body import Inbound
from proxy.gateway.call import ClientCall
from proxy.gateway.call_start import recorded_body, start_of
from proxy.gateway.equipment import EquippedGateway
from proxy.gateway.exchange import Exchange
from proxy.gateway.guard import Refusal
from proxy.gateway.observation import Observation
from proxy.gateway.plan import Plan, decide
from proxy.gateway.prompts import Composed, note_prompt
from proxy.gateway.sending import Sending
from proxy.gateway.takeover import Takeover
from proxy.protocol.tagging import META, NONE
from proxy.spool.page import Page

RECORDER_FULL = Refusal(
    503, "recorder_full", "The recorder's disk is full and recording.on_full is 'reject'. Free space, then send again."
)


class RelayingGateway(EquippedGateway):
    """A gateway as far as it sends calls on."""

    def _relay(
        self, call: ClientCall, observation: Observation, admission: Admission, caller: Caller, inbound: Inbound
    ) -> None:
        """Send a call whose request is whole to who is to answer it, on record first; or refuse it."""
        planned = self._planned(call, admission, caller, inbound)
        if isinstance(planned, Refusal):
            inbound.discard()
            self.refusing.reject(call, observation, admission, planned, caller)
            return
        plan, composed = planned
        body = inbound if composed is None else composed.inbound
        inbound.values = body.values = None
        departure = admission.departure(plan, caller)
        if not plan.is_known:
            self.page.add(Page.UNKNOWN_MODELS, 1)
        sending = Sending(departure, body, self._upstreams.get(plan.provider.name, self.upstream))
        takeover = None if plan.route is None else self._takeover(call, plan, admission, caller, body)
        exchange = Exchange(self, call, plan, sending, observation, takeover)
        if not self._put_on_record(exchange, admission, caller, departure, inbound, composed):
            inbound.discard()
            self.refusing.answer(call, observation, endings.rejected(RECORDER_FULL))
            return
        if self.gate is not None:
            self.let_wait(call, observation)
        self.began(exchange, len(body.data), admission.seconds)
        exchange.begin()

    def _planned(
        self, call: ClientCall, admission: Admission, caller: Caller, inbound: Inbound
    ) -> tuple[Plan, Composed | None] | Refusal:
        """Return what will be sent where, with the stored prompt that is in it; or why nothing is."""
        assert admission.place is not None
        composed: Composed | None = None
        model = inbound.facts.model
        if self.prompts.is_needed or admission.asks_prompt or (model is not None and model.startswith(MODEL_PREFIX)):
            made = self.prompts.compose(admission, inbound)
            if isinstance(made, Refusal):
                return made
            composed = made
        body = inbound if composed is None else composed.inbound
        plan = decide(admission.place, body, admission.routing, self._without_usage, self._breakers.order)
        if composed is not None:
            note_prompt(plan, composed)
        if plan.unfit is not None:
            return plan.unfit(plan.route)
        if self.allowances.is_needed:
            permitted = self.allowances.admit(call, caller, admission.place, plan, body.facts)
            return permitted if isinstance(permitted, Refusal) else (permitted, composed)
        return plan, composed

    def _takeover(self, call: ClientCall, plan: Plan, admission: Admission, caller: Caller, body: Inbound) -> Takeover:
        """Return who else may serve a call that a route decides."""
        if not plan.alternatives:
            return Takeover(self._breakers)
        waiting = []
        for other in plan.alternatives[: admission.retries]:
            upstream = self._upstreams.get(other.provider.name, self.upstream)
            waiting.append((other, Sending(admission.departure(other, caller), body, upstream)))
        on_next = partial(self.allowances.hand_over, call) if self.allowances.is_needed else None
        return Takeover(self._breakers, waiting, on_next)

    def _put_on_record(
        self,
        exchange: Exchange,
        admission: Admission,
        caller: Caller,
        departure: Departure,
        own: Inbound,
        composed: Composed | None,
    ) -> bool:
        """Begin the record with as much of the client's own body as it may have; False: refuse the call instead."""
        assert admission.place is not None
        plan, observation = exchange.plan, exchange.observation
        says_nothing = plan.rule is None or plan.rule.recording is None
        record = admission.usual if says_nothing else plan.record(admission.record, self.snapshot.recording)
        if record == NONE:
            _leave_nothing(exchange, own)
            observation.leave_out()
            return True
        operation = admission.place.operation
        is_secret = operation.is_secret
        fact, hides = (None, False) if composed is None else (composed.fact, composed.has_secret)
        is_stored = record != META and not (is_secret or operation.is_light or hides)
        if fact is not None and record == META:
            # What a variable says is content.
            fact = replace(fact, variables=None)
        start = start_of(exchange.call, plan, own, caller, departure, is_stored=is_stored, prompt=fact)
        body = recorded_body(own, composed)
        if self.redacting is not None and (redaction := self.redacting.of(caller, plan.rule)) is not None:
            _leave_nothing(exchange, own)
            body = observation.redact(redaction).start(start, body, own)
        return observation.start(start, body, is_secret=is_secret)


def _leave_nothing(exchange: Exchange, own: Inbound) -> None:
    """The record does not refer to a body that lies on disk: it goes with the exchange."""
    if own.side_path is not None:
        exchange.leftover = own
