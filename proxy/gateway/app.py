"""Where a call goes: the data plane, health, or control. The gateway's composition of one call.

``/v1/…`` and ``/{provider}/…`` are relayed and recorded; ``/healthz`` and ``/readyz`` are answered here, whatever the
database does; every other path is control's and is forwarded over its Unix socket. The order of a relayed call:
guard → overload → authentication → body → plan → START record → exchange.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from proxy.domain.identity import IdentityMint
from proxy.domain.snapshot import Snapshot
from proxy.gateway import endings, health
from proxy.gateway.admission import Admission
from proxy.gateway.allowances import Allowances
from proxy.gateway.asks import MODEL_PREFIX
from proxy.gateway.authentication import Caller, KeyIndex
from proxy.gateway.body import BodyReader, ClientLeftError, Inbound, small_body
from proxy.gateway.bounding import Bounds
from proxy.gateway.breaking import Breakers
from proxy.gateway.call import ClientCall
from proxy.gateway.call_start import recorded_body, start_of
from proxy.gateway.ceilings import Ceilings
from proxy.gateway.client_head import ClientHead
from proxy.gateway.echo import EchoUpstream
from proxy.gateway.exchange import Exchange
from proxy.gateway.forwarding import ControlForwarder
from proxy.gateway.gate import Gate
from proxy.gateway.guard import Guard, Refusal
from proxy.gateway.observation import Observation
from proxy.gateway.open_exchange import OpenExchange
from proxy.gateway.plan import Plan, decide
from proxy.gateway.prompts import Composed, Prompts, note_prompt
from proxy.gateway.redacting import Redacting
from proxy.gateway.refusing import Refusing
from proxy.gateway.routing import ECHO, Routing
from proxy.gateway.sending import Sending, Upstream
from proxy.gateway.takeover import Takeover
from proxy.protocol.tagging import META, NONE
from proxy.settings.provider_keys import ProviderKeys
from proxy.settings.values import Settings
from proxy.spool.page import Page
from proxy.spool.tallies import Tallies
from proxy.spool.writer import SpoolWriter
from proxy.upstream.client import UpstreamClient
from proxy.upstream.ways import Ways

LEAVE_SECONDS = 2.0
_FEW_FILES = 1024
_SMALL_BYTES = 4 * 1024
"""A request's body below this is not counted among what is held in memory: the ceiling of calls bounds those."""

log = structlog.get_logger("gateway")

RECORDER_FULL = Refusal(
    503, "recorder_full", "The recorder's disk is full and recording.on_full is 'reject'. Free space, then send again."
)
NO_WEBSOCKET = Refusal(
    426, "websocket_unsupported", "WebSocket connections are not relayed yet. Use the HTTP endpoint."
)


class Gateway:
    """All that the gateway's calls share; made once by ``server``.

    ``gateways`` is among how many the ceilings are shared, ``files`` how many files this one may open.
    """

    def __init__(
        self,
        settings: Settings,
        snapshot: Snapshot,
        keys: ProviderKeys,
        spool: SpoolWriter,
        upstream: UpstreamClient,
        forwarder: ControlForwarder,
        *,
        gateways: int = 1,
        files: int = _FEW_FILES,
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.spool = spool
        self.page = spool.page
        rows = settings.recording.refused_per_second
        self.ceilings = Ceilings(settings.limits, lambda: self.page, rows=rows, gateways=gateways, files=files)
        self._least_limit = min(self.limits.body_bytes, self.limits.upload_bytes)
        self._most_kept = settings.recording.max_body_bytes
        self._bodies = BodyReader(settings.limits, self.ceilings)
        self.upstream = upstream
        self.forwarder = forwarder
        self.echo = EchoUpstream()
        self._ways = Ways(upstream.dialler)
        self.exchanges: set[OpenExchange] = set()
        self.refusing = Refusing(self)
        self._bounds = Bounds()
        self.is_draining = False
        self._drained = asyncio.Event()
        self._arriving = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._keys = keys
        self._mint = IdentityMint()
        self._without_usage: frozenset[str] = frozenset()
        self.tallies = Tallies(settings.tallies_dir, f"gateway-{spool.worker}-{os.getpid()}")
        self.prompts = Prompts(settings.prompts_dir)
        self._breakers = Breakers(lambda: self.page)
        self.gate: Gate | None = None
        if settings.recording.mode == "power":
            self.gate = Gate(settings.recording.power_wait)
            self.gate.watch(spool)
        self.use(snapshot)

    def __repr__(self) -> str:
        return f"<Gateway revision={self.snapshot.revision} in_flight={len(self.exchanges)}>"

    def use(self, snapshot: Snapshot) -> None:
        """Swap in a snapshot; calls under way keep what they started with."""
        self.snapshot = snapshot
        self._keys.use(snapshot.providers)
        if self._keys.unusable:
            log.error("provider_keys_unusable", reasons=dict(self._keys.unusable))
        self.routing = Routing(snapshot, self._keys.found)
        self.echo.listing = self.routing.listing
        self._bodies.wanted = self.routing.parameters.wanted
        self._upstreams: Mapping[str, Upstream] = {
            ECHO.name: self.echo,
            **self._ways.for_providers(snapshot.providers, self._keys.unusable),
        }
        self.prompts.use(snapshot)
        redacting = Redacting(snapshot, self.ceilings)
        self.redacting = redacting if redacting.is_needed else None
        self.guard = Guard(snapshot.allowed_hosts, has_keys=snapshot.requires_key)
        self._index = KeyIndex(snapshot)
        self.allowances = Allowances(snapshot, self.ceilings, self.tallies)
        self.page.set(Page.SNAPSHOT_REVISION, snapshot.revision)

    def look_at_keys(self) -> None:
        """Use the keys of files that have changed; heads that were seen before are composed anew."""
        if self._keys.has_changed():
            self.use(replace(self.snapshot))

    def spool_anew(self) -> None:
        """Begin another spool, since the files of this one were removed; calls under way end in the old one, unkept."""
        old = self.page
        new = SpoolWriter.begin(self.settings, self.spool.worker)
        # Once the last call that began with it is over.
        weakref.finalize(self.spool, self.spool.syncing.abandon).atexit = False
        self.spool = new
        self.page = self.spool.page
        if self.gate is not None:
            self.gate.watch(self.spool)
        self.page.go_on_from(old)

    def remember_without_usage(self, provider: str) -> None:
        """This provider refuses the usage option: stop adding it until the next start."""
        self._without_usage |= {provider}
        log.warning("stream_usage_unsupported", provider=provider)

    def struck(self, limit: int) -> None:
        """Count that a limit has struck, in its slot of the page."""
        self.page.slots[limit] += 1

    def note_refused_connection(self) -> None:
        """Count a connection that never became a call."""
        self.page.add(Page.REFUSED_CONNECTIONS, 1)

    # -- one call -------------------------------------------------------------------------------------------

    def take(self, call: ClientCall) -> None:
        """Answer one call, whatever it is; the edge where an unexpected error ends."""
        observation = Observation(self.spool, self._mint.mint(), call.accepted_at)
        try:
            self._dispatch(call, observation)
        except Exception:  # noqa: BLE001 - the edge of a call: logged, and ended all the same
            self.refusing.apologise(call, observation)

    def _dispatch(self, call: ClientCall, observation: Observation) -> None:
        admission = self._admission_of(call.head)
        if admission.place is not None:
            self._admit(call, observation, admission)
        elif admission.refusal is not None:
            # No call of the data plane: it gets no row, so no id either.
            self.note_refused_connection()
            self.refusing.answer(call, None, endings.rejected(admission.refusal))
        elif not health.answer(call, self.page, is_draining=self.is_draining):
            self._wait_for(self.forwarder.forward(call, self.ceilings), call, observation)

    def _admission_of(self, head: ClientHead) -> Admission:
        admission = head.admission
        if admission is None or admission.snapshot is not self.snapshot:
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
            self._look_if_drained()

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

    def _relay(
        self, call: ClientCall, observation: Observation, admission: Admission, caller: Caller, inbound: Inbound
    ) -> None:
        assert admission.place is not None
        planned = self._planned(call, admission, caller, inbound)
        if isinstance(planned, Refusal):
            inbound.discard()
            self.refusing.reject(call, observation, admission, planned, caller)
            return
        plan, composed = planned
        own, inbound = inbound, inbound if composed is None else composed.inbound
        own.values = inbound.values = None
        departure = admission.departure(plan, caller)
        if not plan.is_known:
            self.page.add(Page.UNKNOWN_MODELS, 1)
        is_aside = False
        says_nothing = plan.rule is None or plan.rule.recording is None
        record = admission.usual if says_nothing else plan.record(admission.record, self.snapshot.recording)
        if record == NONE:
            observation.leave_out()
        else:
            operation = admission.place.operation
            is_secret = operation.is_secret
            is_stored = record != META and not (is_secret or operation.is_light)
            fact = None if composed is None else composed.fact
            is_stored = is_stored and not (composed is not None and composed.has_secret)
            start = start_of(call, plan, own, caller, departure, is_stored=is_stored, prompt=fact)
            body = recorded_body(own, composed)
            if self.redacting is not None and (redaction := self.redacting.of(caller, plan.rule)) is not None:
                body = observation.redact(redaction).start(start, body, own)
                is_aside = True
            if not observation.start(start, body, is_secret=is_secret):
                inbound.discard()
                self.refusing.answer(call, observation, endings.rejected(RECORDER_FULL))
                return
        if self.gate is not None:
            self.let_wait(call, observation)
        sending = Sending(departure, inbound, self._upstreams.get(plan.provider.name, self.upstream))
        takeover = None if plan.route is None else self._takeover(call, plan, admission, caller, inbound)
        exchange = Exchange(self, call, plan, sending, observation, takeover)
        if len(inbound.data) > _SMALL_BYTES:
            exchange.held_bytes = len(inbound.data)
            self.ceilings.hold(exchange.held_bytes)
        if (record == NONE or is_aside) and inbound.side_path is not None:
            exchange.leftover = inbound
        self.exchanges.add(exchange)
        self.page.set(Page.IN_FLIGHT, len(self.exchanges))
        if admission.seconds is not None:
            self._bounds.begin(exchange, admission.seconds)
        exchange.begin()

    def let_wait(self, call: ClientCall, observation: Observation) -> None:
        """In mode ``power`` the last bytes of a recorded call's reply wait for its record."""
        if self.gate is not None:
            call.hold = partial(self.gate.hold, observation.spool, observation.identity)

    def _takeover(
        self, call: ClientCall, plan: Plan, admission: Admission, caller: Caller, inbound: Inbound
    ) -> Takeover:
        """Return who else may serve a call that a route decides."""
        if not plan.alternatives:
            return Takeover(self._breakers)
        waiting = []
        for other in plan.alternatives[: admission.retries]:
            upstream = self._upstreams.get(other.provider.name, self.upstream)
            waiting.append((other, Sending(admission.departure(other, caller), inbound, upstream)))
        on_next = partial(self.allowances.hand_over, call) if self.allowances.is_needed else None
        return Takeover(self._breakers, waiting, on_next)

    def finished(self, exchange: OpenExchange) -> None:
        """An exchange is over."""
        self.exchanges.discard(exchange)
        self._bounds.end(exchange)
        self.page.set(Page.IN_FLIGHT, len(self.exchanges))
        if exchange.held_bytes:
            self.let_go_of(exchange)
        if exchange.leftover is not None:
            exchange.leftover.discard()
        if exchange.call.is_counted:
            self.allowances.give_back(exchange.call)
        if exchange.observation.received_bytes > self._most_kept:
            self.struck(Page.LIMIT_MAX_BODY_BYTES)
        self._look_if_drained()

    def let_go_of(self, exchange: OpenExchange) -> None:
        """The request of an exchange will not be sent again: its body is no longer in memory."""
        if exchange.held_bytes:
            self.ceilings.let_go(exchange.held_bytes)
            exchange.held_bytes = 0

    def _look_if_drained(self) -> None:
        if self.is_draining and not self.exchanges and not self._arriving:
            self._drained.set()

    def _wait_for(self, step: Coroutine[Any, Any, None], call: ClientCall, observation: Observation) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(step, call, observation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, step: Coroutine[Any, Any, None], call: ClientCall, observation: Observation) -> None:
        try:
            await step
        except ClientLeftError:
            self.allowances.give_back(call)
            self.note_refused_connection()
        except Exception:  # noqa: BLE001 - the edge of a call: logged, and ended all the same
            self.refusing.apologise(call, observation)

    async def drain(self, deadline: float) -> None:
        """Wait for open calls until the deadline (loop time), then end what is left with a reason."""
        self.is_draining = True
        loop = asyncio.get_running_loop()
        if self.exchanges or self._arriving:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), max(0.0, deadline - loop.time()))
        for exchange in list(self.exchanges):
            self.struck(Page.LIMIT_DRAIN)
            exchange.end_early(endings.SHUT_DOWN)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVE_SECONDS)
        if self.gate is not None:
            await self.gate.settle()

    async def close(self) -> None:
        """Close every connection to upstreams."""
        await self.upstream.close()
        await self._ways.close()
        self.tallies.close()


def _takes_files(admission: Admission) -> bool:
    return admission.place is not None and admission.place.operation.takes_files
