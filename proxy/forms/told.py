"""Entries for the store of calls that another program tells of: interpreted as those are that a gateway saw.

The same path, so that tokens, cost, texts and ends mean the same: what is told takes the form that a call has in the
spool. What only a gateway can know (tries, waiting, its own part) stays unknown; the row's metadata says who told it.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import orjson

from proxy.catalogue.told_call import Body, ToldCall
from proxy.domain.cost import Cost, to_pico
from proxy.domain.identity import IdentityMint, id_time_ns, parse_id
from proxy.domain.interaction import Entry, Interaction
from proxy.domain.outcome import CostStatus, Outcome, UsageSource
from proxy.domain.recording import AnswerHead, CallEnd, CallStart, Piece, PromptFact, RecordedCall
from proxy.domain.usage import Usage
from proxy.forms.calls import check_when
from proxy.forms.redacting import redacted
from proxy.interpret.entry import CostOf, interpret
from proxy.protocol.endpoints import operation_of
from proxy.redaction.redactor import Redactor

TOLD_BY = "dashcam_told_by"
"""The property that says of a row who told of its call."""
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
_SAID = ("client_request_id", "session_id", "user_id", "trace_id", "app", "environment", "error_type", "error_code",
         "error_message", "ttft_ms")  # fmt: skip
_EVENTS = ("data:", "event:", ":")


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Who tells, of a provider of this kind at this address, and how calls are priced and kept here."""

    name: str
    cost_of: CostOf
    keeps_bodies: bool
    redactor: Redactor | None = None
    kind: str = ""
    upstream: str = ""


def entry_of_told(said: ToldCall, teller: Teller) -> Entry:
    """Return the entry; ``InvalidError`` where its id and its time do not go together, or lie in the future."""
    now = time.time_ns()
    said, found = (said, None) if teller.redactor is None else redacted(said, teller.redactor)
    started_at = _started_at(said, now)
    identity = IdentityMint().mint(started_at) if said.id is None else parse_id(said.id)
    call = _call(said, identity, started_at, teller)
    call.start.redacted = found
    entry = interpret(call, _costs(said, teller), _usage(said))
    _complete(entry.interaction, said, teller)
    check_when(entry.interaction, now // 1_000_000)
    return entry


def _started_at(said: ToldCall, now: int) -> int:
    """Return Unix nanoseconds; where nothing is said the call has just ended."""
    if said.started_at is not None:
        return _milliseconds(said.started_at) * 1_000_000
    if said.id is not None:
        return id_time_ns(parse_id(said.id))
    return now - int((said.duration_ms or 0) * 1e6)


def _milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def _call(said: ToldCall, identity: bytes, started_at: int, teller: Teller) -> RecordedCall:
    request, answer = _bytes(said.request), _bytes(said.response)
    ended = int((said.duration_ms or 0) * 1e6)
    status = said.http_status or (200 if answer is not None else None)
    operation = operation_of(said.method, said.endpoint.partition("?")[0])
    is_kept = teller.keeps_bodies and said.record == "full" and not operation.is_secret
    start = CallStart(
        accepted_at_ns=started_at, method=said.method, target=said.endpoint,
        operation=operation.name, provider=said.provider or "",
        provider_kind=teller.kind, upstream=teller.upstream, model=said.model, is_stream=said.is_stream,
        request_bytes=len(request or b""), request_sha256=hashlib.sha256(request).hexdigest() if request else None,
        request_headers=(("content-type", "application/json"),) if request is not None else (),
        content="stored" if is_kept else "off", prompt=_prompt(said, keeps_values=is_kept),
    )  # fmt: skip
    size = len(answer or b"")
    head = None if answer is None else AnswerHead(status=status or 200, headers=(("content-type", _media(answer)),))
    end = CallEnd(outcome=_outcome(said), ended_ns=ended, status=status, received_bytes=size, sent_bytes=size)
    pieces = () if answer is None else (Piece(ended, answer),)
    return RecordedCall(id=identity, start=start, request=request, head=head, pieces=pieces, end=end)


def _bytes(said: Body | None) -> bytes | None:
    return said.encode() if isinstance(said, str) else None if said is None else orjson.dumps(said)


def _media(answer: bytes) -> str:
    begins = answer[:100].decode("utf-8", "replace").lstrip()
    if begins.startswith(_EVENTS):
        return "text/event-stream"
    return "application/json" if begins.startswith(("{", "[")) else "text/plain"


def _outcome(said: ToldCall) -> Outcome:
    if said.outcome is not None:
        return said.outcome
    has_failed = (said.http_status or 0) >= 400 or bool(said.facts("error_type", "error_code", "error_message"))
    return Outcome.UPSTREAM_ERROR if has_failed else Outcome.COMPLETED


def _prompt(said: ToldCall, *, keeps_values: bool) -> PromptFact | None:
    if said.prompt_name is None:
        return None
    return PromptFact(
        name=said.prompt_name, version=said.prompt_version, label=said.prompt_label,
        variables=said.prompt_variables if keeps_values else None,
    )  # fmt: skip


def _usage(said: ToldCall) -> Usage | None:
    """Return the counts that are said, None where none is: then they are read."""
    counts: dict[str, Any] = said.facts(*_COUNTS)
    if not counts:
        return None
    both = said.input_tokens is not None and said.output_tokens is not None
    total = (said.input_tokens or 0) + (said.output_tokens or 0) if both else None
    return Usage(**counts, total_tokens=total, source=UsageSource.REPORTED)


def _costs(said: ToldCall, teller: Teller) -> CostOf:
    return teller.cost_of if said.cost_usd is None else partial(_reported, said.cost_usd)


def _reported(cost_usd: float, **_what: object) -> Cost:
    return Cost(status=CostStatus.REPORTED, pico_usd=to_pico(Decimal(str(cost_usd))))


def _complete(item: Interaction, said: ToldCall, teller: Teller) -> None:
    """Put what is said into the row, and take out what only a gateway could know."""
    for name, value in said.facts(*_SAID).items():
        setattr(item, name, value)
    item.upstream_ms = item.overhead_ms = None
    if said.duration_ms is None:
        item.duration_ms = item.completed_at = None
    item.tags = tuple(dict.fromkeys((*said.tags, *item.tags)))[:32]
    item.metadata = {**(item.metadata or {}), **said.metadata, TOLD_BY: teller.name[:200]}
