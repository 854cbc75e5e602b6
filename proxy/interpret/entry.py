"""One recorded call as one entry of the store.

How it ended is the gateway's word, with two exceptions that only the bytes can tell: an error inside an answer of
status 200 is an ``upstream_error``, and a call whose gateway died after the whole answer had been kept is
``completed``. A call without an end is otherwise ``interrupted``.

Durations are milliseconds. ``upstream_ms`` is the time from the request's leaving to the last byte of the answer,
``overhead_ms`` all the rest of ``duration_ms``: reading, planning, recording, and the client's own slowness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from proxy.domain.cost import Cost
from proxy.domain.identity import id_text
from proxy.domain.interaction import Attempt, Body, Entry, Interaction
from proxy.domain.outcome import SUCCESSFUL, ContentState, FinishKind, Outcome, UsageSource
from proxy.domain.recording import RecordedCall
from proxy.domain.usage import NO_USAGE, Usage
from proxy.interpret.asking import Request, read_request
from proxy.interpret.cutting import cuts_of
from proxy.interpret.language import language_of
from proxy.interpret.reading import Reading, read_answer
from proxy.interpret.texts import clean, plain, preview
from proxy.protocol.assembly import AnswerError
from proxy.protocol.endpoints import GENERATING
from proxy.protocol.finish import kind_of

CostOf = Callable[..., Cost]
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class _Parts:
    """What was read of a call, on the way to its entry."""

    call: RecordedCall
    request: Request
    reading: Reading
    outcome: Outcome
    error: AnswerError | None
    output: str
    usage: Usage
    cost: Cost


def interpret(call: RecordedCall, cost_of: CostOf) -> Entry:
    """Return the entry of one call."""
    request, reading = read_request(call), read_answer(call)
    assembly = reading.assembly
    outcome, error = _ending(call, reading)
    output = assembly.output_text() if assembly else ""
    usage = _usage(call, reading, output)
    tier = (assembly.service_tier if assembly else None) or request.service_tier
    cost = cost_of(
        kind=call.start.provider_kind,
        operation=call.start.operation,
        model=(assembly.model if assembly else None) or call.start.model or request.model,
        tier=None if tier == "auto" else tier,
        usage=usage,
        outcome=outcome,
        at_ms=call.start.accepted_at_ns // 1_000_000,
    )
    return _entry(_Parts(call, request, reading, outcome, error, output, usage, cost))


def _ending(call: RecordedCall, reading: Reading) -> tuple[Outcome, AnswerError | None]:
    assembly = reading.assembly
    inner = assembly.error if assembly else None
    if call.end is None:
        is_whole = assembly is not None and assembly.is_terminal and inner is None and _is_stream(call)
        return (Outcome.COMPLETED if is_whole else Outcome.INTERRUPTED), inner
    outcome = call.end.outcome
    if inner is not None and outcome is Outcome.COMPLETED:
        outcome = Outcome.UPSTREAM_ERROR
    if call.end.error_code is not None:
        return outcome, AnswerError(call.end.error_message, call.end.error_type, call.end.error_code)
    return outcome, inner


def _is_stream(call: RecordedCall) -> bool:
    return call.head is not None and dict(call.head.headers).get("content-type", "").startswith("text/event-stream")


def _usage(call: RecordedCall, reading: Reading, output: str) -> Usage:
    """Return reported counts, else an estimate of the visible output, labelled as one."""
    usage = reading.assembly.usage if reading.assembly else NO_USAGE
    if usage.source is not UsageSource.NONE or not output or call.start.operation not in GENERATING:
        return usage
    estimate = -(-len(output.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
    return Usage(output_tokens=estimate, source=UsageSource.ESTIMATED_CHARS)


def _entry(parts: _Parts) -> Entry:
    call = parts.call
    keeps = call.start.content != "off"
    interaction = _interaction(parts, keeps=keeps)
    return Entry(
        interaction=interaction,
        attempts=_attempts(call, interaction.id),
        request=_request_body(call) if keeps else None,
        response=_response_body(call) if keeps else None,
        input_text=plain(parts.request.input_text) if keeps else None,
        output_text=plain(parts.output) if keeps else None,
        price=parts.cost.price,
    )


def _interaction(parts: _Parts, *, keeps: bool) -> Interaction:
    call, request, assembly, usage, cost = parts.call, parts.request, parts.reading.assembly, parts.usage, parts.cost
    start, end = call.start, call.end
    path, _, query = start.target.partition("?")
    reasons = assembly.finish_reasons() if assembly else []
    error = parts.error
    headers = dict(call.head.headers) if call.head else {}
    started_ms = start.accepted_at_ns // 1_000_000
    times = _durations(parts)
    return Interaction(
        id=id_text(call.id),
        provider_request_id=clean(headers.get("x-request-id") or (assembly.response_id if assembly else None), 200),
        trace_id=_trace_id(dict(start.request_headers).get("traceparent")),
        user_id=clean(request.user_id, 200),
        key_id=start.key_id,
        started_at=started_ms,
        completed_at=None if end is None else started_ms + end.ended_ns // 1_000_000,
        duration_ms=times.duration,
        ttft_ms=times.ttft,
        upstream_ms=times.upstream,
        overhead_ms=times.overhead,
        operation=start.operation,
        method=clean(start.method, 16) or "",
        endpoint=clean(path, 500) or "/",
        provider=start.provider or None,
        model_requested=clean(start.model or request.model, 200),
        model=clean((assembly.model if assembly else None) or start.model or request.model, 200),
        is_stream=start.is_stream or _is_stream(call),
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        max_tokens=request.max_tokens,
        tool_names=request.tool_names,
        api_version=clean(_api_version(headers, query), 50),
        system_fingerprint=clean(assembly.fingerprint if assembly else None, 100),
        outcome=parts.outcome,
        success=parts.outcome in SUCCESSFUL,
        http_status=end.status if end is not None else (call.head.status if call.head else None),
        error_type=clean(error.kind, 100) if error else None,
        error_code=clean(error.code, 100) if error else None,
        error_message=clean(error.message, 500) if error else None,
        finish_reason=_finish_reason(reasons),
        finish_kind=kind_of(next((reason for reason in reasons if reason), None)) if reasons else FinishKind.NONE,
        attempts=len(end.attempts) if end is not None else 0,
        request_modified=bool(start.edits),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        audio_tokens=usage.audio_tokens,
        usage_source=usage.source,
        usage_raw=usage.raw,
        service_tier=clean((assembly.service_tier if assembly else None) or request.service_tier, 50),
        cost_pico_usd=cost.pico_usd,
        input_cost_pico_usd=cost.input_pico_usd,
        output_cost_pico_usd=cost.output_pico_usd,
        cost_status=cost.status,
        price_id=cost.price.id if cost.price else None,
        content_state=_content_state(call, keeps=keeps),
        request_bytes=start.request_bytes,
        response_bytes=end.received_bytes if end is not None else sum(len(piece.data) for piece in call.pieces),
        response_sha256=end.sha256 if end is not None else None,
        input_preview=preview(request.input_text) if keeps else None,
        output_preview=preview(parts.output) if keeps else None,
        input_length=len(request.input_text) if request.input_text else None,
        output_length=len(parts.output) or None,
        input_language=language_of(request.input_text),
        decode_error=clean(parts.reading.decode_error, 200),
    )


@dataclass(frozen=True, slots=True)
class _Durations:
    """Milliseconds; None where an instant never came."""

    duration: float | None
    ttft: float | None
    upstream: float | None
    overhead: float | None


def _durations(parts: _Parts) -> _Durations:
    end, first = parts.call.end, parts.reading.first_token_ns
    ttft = None if first is None else first / 1e6
    if end is None:
        return _Durations(None, ttft, None, None)
    last = end.attempts[-1] if end.attempts else None
    upstream = None
    if last is not None and end.last_byte_ns is not None:
        upstream = max(0, end.last_byte_ns - (last.sent_ns or last.started_ns)) / 1e6
    duration = end.ended_ns / 1e6
    return _Durations(duration, ttft, upstream, None if upstream is None else max(0.0, duration - upstream))


def _attempts(call: RecordedCall, identity: str) -> tuple[Attempt, ...]:
    end = call.end
    if end is None:
        return ()
    base = call.start.accepted_at_ns
    made = []
    for fact in end.attempts:
        ended = fact.ended_ns if fact.ended_ns is not None else (end.last_byte_ns or end.ended_ns)
        made.append(
            Attempt(
                interaction_id=identity,
                number=fact.number,
                provider=fact.provider,
                upstream=clean(fact.upstream, 500) or "",
                started_at=(base + fact.started_ns) // 1_000_000,
                connect_ms=None if fact.connected_ns is None else (fact.connected_ns - fact.started_ns) / 1e6,
                first_byte_ms=None if fact.head_ns is None else (fact.head_ns - fact.started_ns) / 1e6,
                duration_ms=max(0, ended - fact.started_ns) / 1e6,
                http_status=fact.status,
                error=fact.error,
                error_message=clean(fact.error_message, 500),
                reused=fact.reused,
            )
        )
    return tuple(made)


def _content_state(call: RecordedCall, *, keeps: bool) -> ContentState:
    if not keeps:
        return ContentState.OFF
    is_cut = call.lost_bytes > 0 or call.request is None or (call.end is not None and call.end.bodies_dropped)
    return ContentState.TRUNCATED if is_cut else ContentState.STORED


def _request_body(call: RecordedCall) -> Body | None:
    if call.request is None:
        return None
    headers = dict(call.start.request_headers)
    return Body(
        content=call.request,
        media_type=clean(headers.get("content-type"), 200),
        content_encoding=clean(headers.get("content-encoding"), 50),
        length=call.start.request_bytes,
        sha256=call.start.request_sha256,
        cuts=cuts_of(call.request),
        edits=call.start.edits,
        headers=call.start.request_headers,
    )


def _response_body(call: RecordedCall) -> Body | None:
    if call.head is None:
        return None
    headers = dict(call.head.headers)
    previous, timings = 0, []
    for piece in call.pieces:
        micros = piece.at_ns // 1000
        timings.append((max(0, micros - previous), len(piece.data)))
        previous = micros
    return Body(
        content=b"".join([piece.data for piece in call.pieces]),
        media_type=clean(headers.get("content-type"), 200),
        content_encoding=clean(headers.get("content-encoding"), 50),
        length=call.end.received_bytes if call.end is not None else sum(length for _, length in timings),
        sha256=call.end.sha256 if call.end is not None else None,
        timings=tuple(timings),
        headers=call.head.headers,
    )


def _finish_reason(reasons: list[str | None]) -> str | None:
    """Return the reason as it came; of several choices all of them, joined in their order."""
    said = [reason for reason in reasons if reason]
    return clean(said[0] if len(reasons) == 1 and said else ",".join(reason or "" for reason in reasons), 200) or None


def _api_version(headers: dict[str, str], query: str) -> str | None:
    asked = parse_qs(query).get("api-version")
    return asked[0] if asked else headers.get("openai-version")


def _trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    is_valid = (
        len(parts) >= 4 and len(parts[1]) == 32 and set(parts[1]) <= set("0123456789abcdef") and parts[1].strip("0")
    )
    return parts[1] if is_valid else None
