"""The row of a call, column by column: what was read, counted and priced of it, each group of columns by itself.

What is not known stays None. Texts are cut to what their columns hold, and freed of what no database takes. Of a call
whose content is not to be kept there are no previews, but how long they would be, and in which language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

import orjson

from proxy.domain.cost import Cost
from proxy.domain.identity import id_text
from proxy.domain.interaction import Interaction
from proxy.domain.outcome import SUCCESSFUL, Outcome
from proxy.domain.recording import CallStart, RecordedCall
from proxy.domain.retention import EXPIRES
from proxy.domain.usage import Usage
from proxy.interpret.asking import Request
from proxy.interpret.content import content_state_of, edits_of, sent_sha256
from proxy.interpret.language import language_of
from proxy.interpret.reading import Reading
from proxy.interpret.tagging import tags_of
from proxy.interpret.texts import clean, preview, storable
from proxy.interpret.timing import durations_of
from proxy.protocol.assembly import AnswerError
from proxy.protocol.finish import kind_of

_LAST_SECOND = 253_402_300_799  # of the year 9999, behind which no instant has a text


@dataclass(slots=True)
class Parts:
    """What was read of a call, on the way to its row."""

    call: RecordedCall
    request: Request
    reading: Reading
    outcome: Outcome
    error: AnswerError | None
    output: str
    usage: Usage
    cost: Cost


def interaction_of(parts: Parts, *, keeps: bool) -> Interaction:
    """Return the row, with what was said where it ``keeps`` that.

    It is filled in group by group: a constructor that is given seventy names takes three times as long.
    """
    start = parts.call.start
    item = Interaction(
        id=id_text(parts.call.id),
        started_at=start.accepted_at_ns // 1_000_000,
        operation=start.operation,
        method=clean(start.method, 16) or "",
        endpoint=clean(start.target.partition("?")[0], 500) or "/",
        outcome=parts.outcome,
        success=parts.outcome in SUCCESSFUL,
    )
    _set_way(item, parts)
    _set_answer(item, parts)
    _set_times(item, parts)
    _set_parameters(item, parts.request)
    _set_tags(item, parts)
    _set_ending(item, parts)
    _set_counts(item, parts)
    _set_content(item, parts, keeps=keeps)
    _set_prompt(item, start)
    return item


def _set_way(item: Interaction, parts: Parts) -> None:
    """Say who called whom for which model."""
    call, request, assembly = parts.call, parts.request, parts.reading.assembly
    item.key_id = call.start.key_id
    item.route = clean(call.start.route, 200)
    item.provider = call.provider or None
    item.model_requested = clean(call.start.model or request.model, 200)
    item.model = clean((assembly.model if assembly else None) or call.sent_model or request.model, 200)
    item.is_stream = call.start.is_stream or parts.reading.is_stream
    item.attempts = len(call.end.attempts) if call.end is not None else 0
    item.request_modified = bool(edits_of(call))


def _set_answer(item: Interaction, parts: Parts) -> None:
    """Set what the answer's head and the provider say of themselves."""
    call, assembly = parts.call, parts.reading.assembly
    headers = dict(call.head.headers) if call.head else {}
    item.provider_request_id = clean(headers.get("x-request-id") or (assembly.response_id if assembly else None), 200)
    item.api_version = clean(_api_version(headers, call.start.target.partition("?")[2]), 50)
    item.system_fingerprint = clean(assembly.fingerprint if assembly else None, 100)
    item.http_status = call.end.status if call.end is not None else (call.head.status if call.head else None)
    item.decode_error = clean(parts.reading.decode_error or parts.request.decode_error, 200)


def _set_times(item: Interaction, parts: Parts) -> None:
    end, first = parts.call.end, parts.reading.first_token_ns
    times = durations_of(end)
    item.completed_at = None if end is None else item.started_at + end.ended_ns // 1_000_000
    item.duration_ms = times.duration
    item.ttft_ms = None if first is None else max(0, first) / 1e6
    item.upstream_ms = times.upstream
    item.overhead_ms = times.overhead


def _set_parameters(item: Interaction, request: Request) -> None:
    item.temperature = request.temperature
    item.top_p = request.top_p
    item.top_k = request.top_k
    item.max_tokens = request.max_tokens
    item.tool_names = request.tool_names


def _set_tags(item: Interaction, parts: Parts) -> None:
    """Say whose call it is."""
    start = parts.call.start
    tags = tags_of(start.request_headers, parts.request.values)
    item.client_request_id = tags.client_id
    item.retry_count = tags.retry
    item.trace_id = tags.trace_id
    item.session_id = tags.session_id
    item.user_id = tags.user_id
    item.app = tags.app
    item.environment = tags.environment
    item.tags = tags.tags
    expiry = {} if tags.retention is None else {EXPIRES: _expiry(item.started_at, tags.retention)}
    item.metadata = {**_with_fallback(tags.metadata, start), **_redactions(parts.call.redactions), **expiry} or None


def _with_fallback(metadata: Mapping[str, str], start: CallStart) -> Mapping[str, str]:
    """Add which prompt could not be served, where another one took its place."""
    if start.prompt is None or start.prompt.fallback_for is None:
        return metadata
    return {**metadata, "dashcam_prompt_fallback": clean(start.prompt.fallback_for, 200) or ""}


def _redactions(found: Mapping[str, int]) -> Mapping[str, str]:
    """Say what was taken out before the call was written down, and how often."""
    return {"dashcam_redacted": " ".join(f"{name}={found[name]}" for name in sorted(found))} if found else {}


def _expiry(started_at: int, seconds: int) -> str:
    """Return the instant until which a call may be kept, as instants are stored; the last one there is at most."""
    at = min(started_at // 1000 + seconds, _LAST_SECOND)
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _set_ending(item: Interaction, parts: Parts) -> None:
    """Say why it ended so, in the provider's words or the gateway's."""
    error, assembly = parts.error, parts.reading.assembly
    if error is not None:
        item.error_type = clean(error.kind, 100)
        item.error_code = clean(error.code, 100)
        item.error_message = clean(error.message, 500)
    if assembly is not None and (reasons := assembly.finish_reasons()):
        item.finish_reason = _finish_reason(reasons)
        item.finish_kind = kind_of(next((reason for reason in reasons if reason), None))


def _finish_reason(reasons: list[str | None]) -> str | None:
    """Return the reason as it came; of several choices a JSON list in their order."""
    if not any(reasons):
        return None
    return clean(reasons[0] if len(reasons) == 1 else orjson.dumps([clean(word, 50) for word in reasons]).decode(), 200)


def _set_counts(item: Interaction, parts: Parts) -> None:
    """Set the columns of usage and money."""
    assembly, usage, cost = parts.reading.assembly, parts.usage, parts.cost
    item.input_tokens = usage.input_tokens
    item.output_tokens = usage.output_tokens
    item.total_tokens = usage.total_tokens
    item.cached_tokens = usage.cached_tokens
    item.cache_write_tokens = usage.cache_write_tokens
    item.reasoning_tokens = usage.reasoning_tokens
    item.audio_tokens = usage.audio_tokens
    item.usage_source = usage.source
    item.usage_raw = storable(usage.raw) if usage.raw else None
    item.quantities = usage.quantities() or None
    item.service_tier = clean(assembly.service_tier if assembly else None, 50)
    item.cost_pico_usd = cost.pico_usd
    item.input_cost_pico_usd = cost.input_pico_usd
    item.output_cost_pico_usd = cost.output_pico_usd
    item.cost_status = cost.status
    item.price_id = cost.price.id if cost.price else None


def _set_content(item: Interaction, parts: Parts, *, keeps: bool) -> None:
    """Set the columns about the bodies and what they say."""
    call, request = parts.call, parts.request
    start, end = call.start, call.end
    item.content_state = content_state_of(call, keeps=keeps, has_files=bool(request.files))
    item.request_bytes = start.request_bytes
    item.response_bytes = end.received_bytes if end is not None else _read_bytes(call)
    item.response_sha256 = sent_sha256(call)
    item.input_preview = preview(request.input_text) if keeps else None
    item.output_preview = preview(parts.output) if keeps else None
    item.input_length = len(request.input_text) if request.input_text else None
    item.output_length = len(parts.output) or None
    item.input_language = language_of(request.input_text)


def _read_bytes(call: RecordedCall) -> int:
    return sum(len(piece.data) for piece in call.pieces) + call.lost_bytes


def _set_prompt(item: Interaction, start: CallStart) -> None:
    """Set the columns of the stored prompt that a call was made with."""
    fact = start.prompt
    if fact is None:
        return
    item.prompt_name = clean(fact.name, 200)
    item.prompt_version = fact.version
    item.prompt_label = clean(fact.label, 100)
    item.prompt_variables = storable(fact.variables) if fact.variables else None


def _api_version(headers: dict[str, str], query: str) -> str | None:
    asked = parse_qs(query).get("api-version") if "api-version" in query else None
    return asked[0] if asked else headers.get("openai-version")
