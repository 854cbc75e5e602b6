"""Where a call goes: the data plane, health, or control. The gateway's composition of one call.

``/v1/…`` and ``/{provider}/…`` are relayed and recorded; ``/healthz`` and ``/readyz`` are answered here, whatever the
database does; every other path is control's and is forwarded over its Unix socket. The order of a relayed call:
guard → overload → authentication → body (here) → plan → START record → exchange (``relay``).
"""

from __future__ import annotations

from proxy.gateway import endings, health
from proxy.gateway.admission import Admission
from proxy.gateway.authentication import Caller
from proxy.gateway.body import small_body
from proxy.gateway.call import ClientCall
from proxy.gateway.client_head import ClientHead
from proxy.gateway.guard import Refusal
from proxy.gateway.observation import Observation
from proxy.gateway.relay import RelayingGateway
from proxy.protocol.tagging import NONE
from proxy.spool.page import Page

NO_WEBSOCKET = Refusal(
    426, "websocket_unsupported", "WebSocket connections are not relayed yet. Use the HTTP endpoint."
)


class Gateway(RelayingGateway):
    """Takes calls off their connections."""

    def take(self, call: ClientCall) -> None:
        """Answer one call, whatever it is; the edge where an unexpected error ends."""
        observation = Observation(self.spool, self._mint.mint(), call.accepted_at)
        try:
            self._dispatch(call, observation)
        except Exception:  # noqa: BLE001 - the edge of a call: logged, and ended all the same
            self.refusing.apologise(call, observation)

    def _dispatch(self, call: ClientCall, observation: Observation) -> None:
        admission = call.head.admission
        if admission is None or admission.snapshot is not self.snapshot:
            admission = self._conclude(call.head)
        if admission.place is not None:
            self._admit(call, observation, admission)
        elif admission.refusal is not None:
            # No call of the data plane: it gets no row, so no id either.
            self.note_refused_connection()
            self.refusing.answer(call, None, endings.rejected(admission.refusal))
        elif not health.answer(call, self.page, is_draining=self.is_draining):
            self._wait_for(self.forwarder.forward(call, self.ceilings), call, observation)

    def _conclude(self, head: ClientHead) -> Admission:
        admission = head.admission = Admission(head, self.routing, self.guard, self._index, self._keys.found)
        return admission

    def _admit(self, call: ClientCall, observation: Observation, admission: Admission) -> None:
        """Let a call of the data plane in, or refuse it with a row."""
        refusal = admission.refusal or self._refusal_of(call, admission)
        caller = refusal or admission.caller
        if self.allowances.is_needed and isinstance(caller, Caller):
            caller = self.allowances.take(call, caller)
        if isinstance(caller, Refusal):
            self.refusing.reject(call, observation, admission, caller)
        elif call.body_complete and call.received_bytes <= self.limits.spill_bytes:
            self._relay(call, observation, admission, caller, small_body(call))
        else:
            self._arriving += 1
            self._wait_for(self._relay_when_whole(call, observation, admission, caller), call, observation)

    def _refusal_of(self, call: ClientCall, admission: Admission) -> Refusal | None:
        if call.upgrade:
            return NO_WEBSOCKET
        size = call.declared_bytes or call.received_bytes
        if size > self._least_limit and (refusal := self._bodies.refusal(size, takes_files=_takes_files(admission))):
            return refusal
        return call.beyond or self.ceilings.refusal(len(self.exchanges) + self._arriving)

    async def _relay_when_whole(
        self, call: ClientCall, observation: Observation, admission: Admission, caller: Caller
    ) -> None:
        try:
            reaches_disk = admission.record != NONE and not (admission.place and admission.place.operation.is_secret)
            spool = self.spool if reaches_disk else None
            files, is_sealed = _takes_files(admission), self.redacting is not None or admission.usual == NONE
            inbound = await self._bodies.read(call, spool, observation.identity, takes_files=files, is_sealed=is_sealed)
            if isinstance(inbound, Refusal):
                self.refusing.reject(call, observation, admission, inbound, caller)
                return
            if inbound.length > self._most_kept:
                self.struck(Page.LIMIT_MAX_BODY_BYTES)
            self._relay(call, observation, admission, caller, inbound)
        finally:
            self._arriving -= 1
            if self.is_draining:
                self._look_if_drained()


def _takes_files(admission: Admission) -> bool:
    return admission.place is not None and admission.place.operation.takes_files
