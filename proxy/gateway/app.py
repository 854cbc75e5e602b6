"""Where a call goes: the data plane, health, or control. The gateway's composition of one call.

``/v1/…`` and ``/{provider}/…`` are relayed and recorded; ``/healthz`` and ``/readyz`` are answered here, whatever the
database does; every other path is control's and is forwarded over its Unix socket. The order of a relayed call:
guard → overload → authentication → body → plan → START record → exchange.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import structlog

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.recording import CallStart
from proxy.domain.snapshot import Snapshot
from proxy.gateway import endings, health
from proxy.gateway.admission import Admission, Departure
from proxy.gateway.authentication import Caller
from proxy.gateway.body import ClientLeftError, Inbound, read_body, small_body, too_large
from proxy.gateway.breaking import Breakers
from proxy.gateway.call import ClientCall
from proxy.gateway.client_head import ClientHead
from proxy.gateway.echo import EchoUpstream
from proxy.gateway.exchange import Exchange
from proxy.gateway.forwarding import ControlForwarder
from proxy.gateway.guard import Guard, Refusal
from proxy.gateway.headers import request_headers
from proxy.gateway.observation import Observation
from proxy.gateway.plan import Plan, decide
from proxy.gateway.routing import ECHO, Routing
from proxy.gateway.sending import Sending, Upstream
from proxy.gateway.takeover import Takeover
from proxy.protocol.requests import RequestFacts
from proxy.protocol.tagging import META, NONE
from proxy.settings.values import Settings
from proxy.spool.page import Page
from proxy.spool.writer import SpoolWriter
from proxy.upstream.client import UpstreamClient
from proxy.upstream.ways import Ways

LEAVE_SECONDS = 2.0
_SECRET_WORDS = ("key", "token", "secret", "sig", "passw", "auth", "cred", "jwt")

log = structlog.get_logger("gateway")

OVERLOADED = Refusal(
    503, "proxy_overloaded", "Dashcam relays as many calls as limits.in_flight allows. Send the call again in a moment."
)
RECORDER_FULL = Refusal(
    503, "recorder_full", "The recorder's disk is full and recording.on_full is 'reject'. Free space, then send again."
)
NO_WEBSOCKET = Refusal(
    426, "websocket_unsupported", "WebSocket connections are not relayed yet. Use the HTTP endpoint."
)


class Gateway:
    """All that the gateway's calls share; made once by ``server``."""

    def __init__(
        self,
        settings: Settings,
        snapshot: Snapshot,
        keys: Mapping[str, bytes],
        spool: SpoolWriter,
        upstream: UpstreamClient,
        forwarder: ControlForwarder,
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.spool = spool
        self.page = spool.page
        self.upstream = upstream
        self.forwarder = forwarder
        self.echo = EchoUpstream()
        self._ways = Ways(upstream.dialler)
        self.exchanges: set[Exchange] = set()
        self.is_draining = False
        self._drained = asyncio.Event()
        self._arriving = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._keys = keys
        self._mint = IdentityMint()
        self._without_usage: frozenset[str] = frozenset()
        self._breakers = Breakers(lambda: self.page)
        self.use(snapshot)

    def __repr__(self) -> str:
        return f"<Gateway revision={self.snapshot.revision} in_flight={len(self.exchanges)}>"

    def use(self, snapshot: Snapshot) -> None:
        """Swap in a snapshot; calls under way keep what they started with."""
        self.snapshot = snapshot
        self.routing = Routing(snapshot, self._keys)
        self.echo.listing = self.routing.listing
        self._upstreams: Mapping[str, Upstream] = {ECHO.name: self.echo, **self._ways.for_providers(snapshot.providers)}
        self.guard = Guard(snapshot.allowed_hosts, has_keys=bool(snapshot.proxy_keys))
        self.page.set(Page.SNAPSHOT_REVISION, snapshot.revision)

    def spool_anew(self) -> None:
        """Begin another spool, since the files of this one were removed; calls under way end in the old one, unkept."""
        old = self.page
        self.spool = SpoolWriter.begin(self.settings, self.spool.worker)
        self.page = self.spool.page
        for gauge in (
            Page.READY,
            Page.DRAINING,
            Page.IN_FLIGHT,
            Page.OPEN_STREAMS,
            Page.BREAKERS_OPEN,
            Page.SNAPSHOT_REVISION,
        ):
            self.page.set(gauge, old.get(gauge))

    def remember_without_usage(self, provider: str) -> None:
        """This provider refuses the usage option: stop adding it until the next start."""
        self._without_usage |= {provider}
        log.warning("stream_usage_unsupported", provider=provider)

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
            self.apologise(call, observation)

    def _dispatch(self, call: ClientCall, observation: Observation) -> None:
        admission = self._admission_of(call.head)
        if admission.place is not None:
            self._admit(call, observation, admission)
        elif admission.refusal is not None:
            # No call of the data plane: it gets no row, so no id either.
            self.note_refused_connection()
            self._answer_refusal(call, None, endings.rejected(admission.refusal))
        elif not health.answer(call, self.page, is_draining=self.is_draining):
            self._wait_for(self.forwarder.forward(call), call, observation)

    def _admission_of(self, head: ClientHead) -> Admission:
        admission = head.admission
        if admission is None or admission.snapshot is not self.snapshot:
            admission = head.admission = Admission(head, self.routing, self.guard, self._keys)
        return admission

    def _admit(self, call: ClientCall, observation: Observation, admission: Admission) -> None:
        """Let a call of the data plane in, or refuse it with a row."""
        refusal = admission.refusal or self._refusal_of(call)
        caller = refusal or admission.caller
        if isinstance(caller, Refusal):
            self._reject(call, observation, admission, caller)
        elif call.body_complete and call.received_bytes <= self.limits.spill_bytes:
            self._relay(call, observation, admission, caller, small_body(call))
        else:
            self._wait_for(self._relay_when_whole(call, observation, admission, caller), call, observation)

    def _refusal_of(self, call: ClientCall) -> Refusal | None:
        if call.upgrade:
            return NO_WEBSOCKET
        if call.declared_bytes > self.limits.body_bytes:
            return too_large(self.limits.body_bytes)
        return OVERLOADED if len(self.exchanges) + self._arriving >= self.limits.in_flight else None

    async def _relay_when_whole(
        self, call: ClientCall, observation: Observation, admission: Admission, caller: Caller
    ) -> None:
        self._arriving += 1
        try:
            reaches_disk = admission.record != NONE and not (admission.place and admission.place.operation.is_secret)
            spool = self.spool if reaches_disk else None
            inbound = await read_body(call, self.limits, spool, observation.identity)
            if isinstance(inbound, Refusal):
                self._reject(call, observation, admission, inbound, caller)
            else:
                self._relay(call, observation, admission, caller, inbound)
        finally:
            self._arriving -= 1
            self._look_if_drained()

    def _relay(
        self, call: ClientCall, observation: Observation, admission: Admission, caller: Caller, inbound: Inbound
    ) -> None:
        assert admission.place is not None
        plan = decide(admission.place, inbound, admission.routing, self._without_usage, self._breakers.order)
        departure = admission.departure(plan, caller)
        if not plan.is_known:
            self.page.add(Page.UNKNOWN_MODELS, 1)
        if admission.record == NONE:
            observation.leave_out()
        else:
            operation = admission.place.operation
            is_secret = operation.is_secret
            keeps = admission.record != META and not (is_secret or operation.is_light)
            start = self._start_of(call, plan, inbound, caller, departure, keeps=keeps)
            if not observation.start(start, inbound.data if inbound.is_kept else b"", is_secret=is_secret):
                inbound.discard()
                self._answer_refusal(call, observation, endings.rejected(RECORDER_FULL))
                return
        sending = Sending(departure, inbound, self._upstreams.get(plan.provider.name, self.upstream))
        takeover = None if plan.route is None else self._takeover(plan, admission, caller, inbound)
        exchange = Exchange(self, call, plan, sending, observation, takeover)
        self.exchanges.add(exchange)
        self.page.set(Page.IN_FLIGHT, len(self.exchanges))
        exchange.begin()

    def _takeover(self, plan: Plan, admission: Admission, caller: Caller, inbound: Inbound) -> Takeover:
        """Return who else may serve a call that a route decides."""
        waiting = []
        for other in plan.alternatives:
            upstream = self._upstreams.get(other.provider.name, self.upstream)
            waiting.append((other, Sending(admission.departure(other, caller), inbound, upstream)))
        return Takeover(self._breakers, waiting)

    def finished(self, exchange: Exchange) -> None:
        """An exchange is over."""
        self.exchanges.discard(exchange)
        self.page.set(Page.IN_FLIGHT, len(self.exchanges))
        self._look_if_drained()

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
            self.note_refused_connection()
        except Exception:  # noqa: BLE001 - the edge of a call: logged, and ended all the same
            self.apologise(call, observation)

    def _start_of(
        self, call: ClientCall, plan: Plan, inbound: Inbound, caller: Caller, departure: Departure, *, keeps: bool
    ) -> CallStart:
        facts: RequestFacts = inbound.facts
        return CallStart(
            accepted_at_ns=_wall_clock(call.accepted_at),
            method=call.head.method,
            target=_safe_target(call.head.target),
            operation=plan.operation,
            provider=plan.provider.name,
            provider_kind=plan.provider.kind,
            upstream=plan.provider.base_url,
            model=facts.model,
            is_stream=facts.is_stream,
            request_bytes=inbound.length,
            request_sha256=inbound.sha256,
            side_file=inbound.side_file,
            edits=plan.edits,
            request_headers=departure.recorded,
            key_id=caller.key_id,
            content="stored" if keeps and self.snapshot.record_bodies else "off",
            route=plan.route,
            sent_model=plan.sent_model,
        )

    def _reject(
        self,
        call: ClientCall,
        observation: Observation,
        admission: Admission,
        refusal: Refusal,
        caller: Caller | None = None,
    ) -> None:
        """Refuse a call of the data plane: a row says so, without a body."""
        place, head = admission.place, call.head
        assert place is not None
        _, recorded = request_headers(head.headers, drop_credentials=True, plain_answer=False)
        start = CallStart(
            accepted_at_ns=_wall_clock(call.accepted_at),
            method=head.method,
            target=_safe_target(head.target),
            operation=place.operation.name,
            provider=place.provider.name if place.provider else "",
            request_bytes=max(call.received_bytes, call.declared_bytes),
            request_headers=recorded,
            key_id=caller.key_id if caller else None,
            content="off",
        )
        ending = endings.rejected(refusal)
        if admission.record == NONE:
            observation.leave_out(is_over=True)
        else:
            observation.reject(start, time.monotonic_ns(), ending)
        self._answer_refusal(call, observation, ending)

    def _answer_refusal(self, call: ClientCall, observation: Observation | None, ending: endings.Ending) -> None:
        reply, body = endings.reply(ending, observation.call_id if observation else None)
        if not call.body_complete:
            call.keep_alive = False
        call.begin(ending.status, reply, body, last=True)

    def apologise(self, call: ClientCall, observation: Observation) -> None:
        """End a call that a defect of ours broke, from the ``except`` block that caught it."""
        log.exception("call_failed", id=id_text(observation.identity))
        ending = endings.INTERNAL
        if observation.is_started:
            observation.status = observation.status or ending.status
            observation.end(ending.outcome, time.monotonic_ns(), error=ending)
        if call.response_started:
            call.abort()
        else:
            self._answer_refusal(call, observation, ending)

    async def drain(self, deadline: float) -> None:
        """Wait for open calls until the deadline (loop time), then end what is left with a reason."""
        self.is_draining = True
        loop = asyncio.get_running_loop()
        if self.exchanges or self._arriving:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), max(0.0, deadline - loop.time()))
        for exchange in list(self.exchanges):
            exchange.shut_down()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVE_SECONDS)

    async def close(self) -> None:
        """Close every connection to upstreams."""
        await self.upstream.close()
        await self._ways.close()


def _wall_clock(instant: int) -> int:
    """Return the Unix nanoseconds of a monotonic instant just passed."""
    return time.time_ns() - (time.monotonic_ns() - instant)


@lru_cache(maxsize=1024)
def _safe_target(target: bytes) -> str:
    """Return the request target for the record, with the values of key-like query members taken out."""
    path, mark, query = target.partition(b"?")
    if not mark:
        return path.decode("latin-1")
    members = []
    for member in query.decode("latin-1").split("&"):
        name, equals, _ = member.partition("=")
        hidden = equals and any(word in unquote(name).lower() for word in _SECRET_WORDS)
        members.append(f"{name}=***" if hidden else member)
    return f"{path.decode('latin-1')}?{'&'.join(members)}"
