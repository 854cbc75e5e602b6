"""Where a call goes: the data plane, health, or control. The gateway's composition of one call.

``/v1/…`` and ``/{provider}/…`` are relayed and recorded; ``/healthz`` and ``/readyz`` are answered here, whatever the
database does; every other path is control's and is forwarded over its Unix socket. The order of a relayed call:
guard → overload → authentication → body → plan → START record → exchange.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import lru_cache

import structlog

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.recording import CallStart
from proxy.domain.snapshot import Snapshot
from proxy.gateway import endings, health
from proxy.gateway.authentication import Caller, identify
from proxy.gateway.body import ClientLeftError, Inbound, read_body
from proxy.gateway.call import ClientCall
from proxy.gateway.echo import EchoUpstream
from proxy.gateway.exchange import Exchange
from proxy.gateway.forwarding import ControlForwarder
from proxy.gateway.guard import Guard, Refusal
from proxy.gateway.headers import request_headers
from proxy.gateway.observation import Observation
from proxy.gateway.plan import ECHO, Destination, Plan, decide, destination
from proxy.gateway.sending import Sending
from proxy.protocol.requests import RequestFacts
from proxy.settings.values import Settings
from proxy.spool.page import Page
from proxy.spool.writer import SpoolWriter
from proxy.upstream.client import UpstreamClient

_UNSEEN = object()
_MAX_PLACES = 2048

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
        page: Page,
        upstream: UpstreamClient,
        forwarder: ControlForwarder,
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.spool = spool
        self.page = page
        self.upstream = upstream
        self.forwarder = forwarder
        self.echo = EchoUpstream()
        self.exchanges: set[Exchange] = set()
        self.is_draining = False
        self._keys = keys
        self._mint = IdentityMint()
        self._without_usage: frozenset[str] = frozenset()
        self.use(snapshot)

    def __repr__(self) -> str:
        return f"<Gateway revision={self.snapshot.revision} in_flight={len(self.exchanges)}>"

    def use(self, snapshot: Snapshot) -> None:
        """Swap in a snapshot; calls under way keep what they started with."""
        self.snapshot = snapshot
        self._places: dict[tuple[str, bytes], object] = {}
        self.guard = Guard(snapshot.allowed_hosts, has_keys=bool(snapshot.proxy_keys))
        self.page.set(Page.SNAPSHOT_REVISION, snapshot.revision)

    def remember_without_usage(self, provider: str) -> None:
        """This provider refuses the usage option: stop adding it until the next start."""
        self._without_usage |= {provider}
        log.warning("stream_usage_unsupported", provider=provider)

    def note_refused_connection(self) -> None:
        """Count a connection that never became a call."""
        self.page.add(Page.REFUSED_CONNECTIONS, 1)

    async def handle(self, call: ClientCall) -> None:
        """Answer one call, whatever it is; the edge where an unexpected error ends."""
        observation = Observation(self.spool, self._mint.mint(), call.accepted_at)
        try:
            await self._dispatch(call, observation)
        except ClientLeftError:
            return
        except Exception:
            # The edge of an observation: a defect of ours must not leave a call without an end.
            log.exception("call_failed", id=id_text(observation.identity))
            self._apologise(call, observation)

    async def _dispatch(self, call: ClientCall, observation: Observation) -> None:
        refusal = self.guard.check(call.target, call.known)
        place = self._place_of(call)
        if place is not None:
            await self._relay(call, observation, place, refusal)
        elif refusal is not None:
            self._answer_refusal(call, observation, endings.rejected(refusal))
        elif not health.answer(call, self.page, is_draining=self.is_draining):
            await self.forwarder.forward(call)

    def _place_of(self, call: ClientCall) -> Destination | None:
        """Return where the path belongs; the same few paths come again and again."""
        key = (call.method, call.target)
        place = self._places.get(key, _UNSEEN)
        if place is _UNSEEN:
            place = destination(call.method, call.target, self.snapshot)
            if len(self._places) < _MAX_PLACES:
                self._places[key] = place
        return place  # type: ignore[return-value]

    async def _relay(
        self, call: ClientCall, observation: Observation, place: Destination, refusal: Refusal | None
    ) -> None:
        caller = refusal or self._admit(call)
        if isinstance(caller, Refusal):
            return self._reject(call, observation, place, caller)
        inbound = await read_body(call, self.limits, self.spool, observation.identity)
        if isinstance(inbound, Refusal):
            return self._reject(call, observation, place, inbound, caller)
        plan = decide(place, inbound, self.snapshot, self._without_usage)
        call_id = id_text(observation.identity).encode()
        sending = Sending(call, call_id, plan, inbound, caller, self._keys)
        sending.through(self.echo if plan.provider is ECHO else self.upstream)
        start = self._start_of(call, plan, inbound, caller, sending)
        if not observation.start(start, inbound.data if inbound.is_kept else b""):
            inbound.discard()
            return self._answer_refusal(call, observation, endings.rejected(RECORDER_FULL))
        await self._exchange(Exchange(self, call, plan, sending, observation))
        return None

    async def _exchange(self, exchange: Exchange) -> None:
        self.exchanges.add(exchange)
        self.page.set(Page.IN_FLIGHT, len(self.exchanges))
        try:
            await exchange.run()
        finally:
            self.exchanges.discard(exchange)
            self.page.set(Page.IN_FLIGHT, len(self.exchanges))

    def _admit(self, call: ClientCall) -> Caller | Refusal:
        """Return who calls, or why the call is not taken."""
        if call.upgrade:
            return NO_WEBSOCKET
        if len(self.exchanges) >= self.limits.in_flight:
            return OVERLOADED
        return identify(call.known, self.snapshot.proxy_keys)

    def _start_of(self, call: ClientCall, plan: Plan, inbound: Inbound, caller: Caller, sending: Sending) -> CallStart:
        facts: RequestFacts = inbound.facts
        return CallStart(
            accepted_at_ns=_wall_clock(call.accepted_at),
            method=call.method,
            target=_safe_target(call.target),
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
            usage_injected=bool(plan.edits),
            request_headers=sending.recorded_headers,
            key_id=caller.key_id,
            content="stored" if self.snapshot.record_bodies else "off",
        )

    def _reject(
        self,
        call: ClientCall,
        observation: Observation,
        place: Destination,
        refusal: Refusal,
        caller: Caller | None = None,
    ) -> None:
        """Refuse a call of the data plane: a row says so, without a body."""
        _, recorded = request_headers(call.headers, drop_credentials=True, plain_answer=False)
        start = CallStart(
            accepted_at_ns=_wall_clock(call.accepted_at),
            method=call.method,
            target=_safe_target(call.target),
            operation=place.operation,
            provider=place.provider.name if place.provider else "",
            request_bytes=call.received_bytes,
            request_headers=recorded,
            key_id=caller.key_id if caller else None,
            content="off",
        )
        ending = endings.rejected(refusal)
        observation.reject(start, time.monotonic_ns(), ending)
        self._answer_refusal(call, observation, ending)

    def _answer_refusal(self, call: ClientCall, observation: Observation, ending: endings.Ending) -> None:
        headers, body = endings.reply(ending, id_text(observation.identity).encode())
        if not call.body_complete:
            call.keep_alive = False
        call.begin(ending.status, headers, body, last=True)

    def _apologise(self, call: ClientCall, observation: Observation) -> None:
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
        tasks = {exchange.call.task for exchange in self.exchanges if exchange.call.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, deadline - loop.time()))
        left = [exchange.call.task for exchange in self.exchanges if exchange.call.task is not None]
        for exchange in list(self.exchanges):
            exchange.shut_down()
        if left:
            await asyncio.wait(left, timeout=2.0)


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
        hidden = equals and any(word in name.lower() for word in ("key", "token", "secret", "sig", "password"))
        members.append(f"{name}=***" if hidden else member)
    return f"{path.decode('latin-1')}?{'&'.join(members)}"
