"""What is put on record when a call begins: of one that goes out, and of one that we refuse."""

from __future__ import annotations

import time
from urllib.parse import unquote

import orjson

from proxy.domain.recording import CallStart, PromptFact
from proxy.gateway.admission import Departure
from proxy.gateway.authentication import Caller
from proxy.gateway.body import Inbound
from proxy.gateway.call import ClientCall
from proxy.gateway.headers import request_headers
from proxy.gateway.plan import Destination, Plan
from proxy.gateway.prompts import Composed
from proxy.protocol.remembering import remembered
from proxy.protocol.requests import RequestFacts

_SECRET_WORDS = ("key", "token", "secret", "sig", "passw", "auth", "cred", "jwt")


def start_of(
    call: ClientCall,
    plan: Plan,
    inbound: Inbound,
    caller: Caller,
    departure: Departure,
    *,
    is_stored: bool,
    prompt: PromptFact | None = None,
) -> CallStart:
    """Return the start of a call that goes to its provider; ``is_stored``: its bodies are kept."""
    facts: RequestFacts = inbound.facts
    return CallStart(
        accepted_at_ns=wall_clock(call.accepted_at),
        method=call.head.method,
        target=safe_target(call.head.target),
        operation=plan.operation,
        provider=plan.provider.name,
        provider_kind=plan.provider.kind,
        upstream=plan.provider.base_url,
        model=facts.model,
        is_stream=facts.is_stream,
        request_bytes=inbound.length,
        request_sha256=inbound.sha256,
        side_file=inbound.side_file,
        side_key=inbound.side_key,
        edits=plan.recorded_edits,
        request_headers=departure.recorded,
        key_id=caller.key_id,
        content="stored" if is_stored else "off",
        route=plan.route,
        sent_model=plan.sent_model,
        prompt=prompt,
    )


def recorded_body(own: Inbound, composed: Composed | None) -> bytes:
    """Return the client's bytes for the record, where the value of a prompt's secret variable is never among them."""
    if not own.is_kept:
        return b""
    if composed is None or not composed.has_secret:
        return own.data
    try:
        values = orjson.loads(own.data)
    except orjson.JSONDecodeError:
        return b""
    return orjson.dumps({**values, "prompt": {**values["prompt"], "variables": composed.fact.variables}})


def start_of_refused(
    call: ClientCall, place: Destination, caller: Caller | None, prompt: PromptFact | None = None
) -> CallStart:
    """Return the start of a call that goes nowhere; ``prompt`` is the one that it is refused for."""
    head = call.head
    _, recorded = request_headers(head.headers, drop_credentials=True, plain_answer=False)
    return CallStart(
        accepted_at_ns=wall_clock(call.accepted_at),
        method=head.method,
        target=safe_target(head.target),
        operation=place.operation.name,
        provider=place.provider.name if place.provider else "",
        request_bytes=max(call.received_bytes, call.declared_bytes),
        request_headers=recorded,
        key_id=caller.key_id if caller else None,
        content="off",
        prompt=prompt,
    )


def wall_clock(instant: int) -> int:
    """Return the Unix nanoseconds of a monotonic instant just passed."""
    return time.time_ns() - (time.monotonic_ns() - instant)


@remembered(1024)
def safe_target(target: bytes) -> str:
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
