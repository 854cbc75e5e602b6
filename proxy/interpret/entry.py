"""One recorded call as one entry of the store.

``reading`` and ``asking`` understand the bytes, ``ending`` says how it ended, ``timing`` how long it took, ``content``
what is kept; here they meet the price, and become one row (``interaction``) with bodies, texts and tries. Where a
generating call reported no usage its visible output is estimated, and labelled as that; the input is not guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from proxy.domain.cost import Cost
from proxy.domain.interaction import Entry
from proxy.domain.outcome import CostStatus, UsageSource
from proxy.domain.recording import RecordedCall
from proxy.domain.usage import NO_USAGE, Usage
from proxy.interpret.asking import Request, read_request
from proxy.interpret.content import request_body_of, response_body_of
from proxy.interpret.ending import ending_of
from proxy.interpret.interaction import Parts, interaction_of
from proxy.interpret.reading import Reading, read_answer
from proxy.interpret.texts import clean, plain
from proxy.interpret.timing import attempts_of
from proxy.protocol.endpoints import operation_named
from proxy.protocol.quantities import spoken_characters

CostOf = Callable[..., Cost]
_BYTES_PER_TOKEN = 4


def interpret(call: RecordedCall, cost_of: CostOf, told: Usage | None = None) -> Entry:
    """Return the entry of one call; ``told`` are its counts where somebody says them, who read them himself."""
    request, reading = read_request(call), read_answer(call)
    assembly = reading.assembly
    outcome, error = ending_of(call, reading)
    output = assembly.output_text() if assembly else ""
    usage = told if told is not None else _usage(call, request, reading, output)
    cost = cost_of(
        kind=call.provider_kind,
        operation=call.start.operation,
        model=(assembly.model if assembly else None) or call.sent_model or request.model,
        tier=assembly.service_tier if assembly else None,
        usage=usage,
        outcome=outcome,
        is_whole=assembly is not None and assembly.has_ended,
        is_remote=assembly is not None and assembly.is_remote,
        upstream=call.upstream,
        provider=call.provider,
        at_ms=call.start.accepted_at_ns // 1_000_000,
    )
    if cost.status is CostStatus.COMPUTED and usage.raw and usage.raw.get("svg_usage"):
        # Tokens of another model, beside the ones that were priced.
        cost = replace(cost, status=CostStatus.LOWER_BOUND)
    return _entry(Parts(call, request, reading, outcome, error, output, usage, cost))


def _usage(call: RecordedCall, request: Request, reading: Reading, output: str) -> Usage:
    """Return reported counts, else an estimate of the visible output, labelled as one."""
    usage = reading.assembly.usage if reading.assembly else NO_USAGE
    characters = spoken_characters(call.start.operation, request.values)
    if characters is not None:
        usage = replace(usage, characters=characters)
    if reading.assembly and reading.assembly.is_background:
        # Whoever reads its end is told the counts: part of them here would keep the whole from being counted.
        return usage
    if usage.source is not UsageSource.NONE or not output or not operation_named(call.start.operation).generates:
        return usage
    estimate = -(-len(output.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
    return Usage(output_tokens=estimate, source=UsageSource.ESTIMATED_CHARS, raw=usage.raw)


def _entry(parts: Parts) -> Entry:
    call = parts.call
    keeps = call.start.content != "off"
    interaction = interaction_of(parts, keeps=keeps)
    return Entry(
        interaction=interaction,
        attempts=attempts_of(call, interaction.id),
        request=request_body_of(call, has_files=bool(parts.request.files)) if keeps else None,
        response=response_body_of(call, interaction.response_sha256) if keeps else None,
        input_text=plain(parts.request.input_text) if keeps else None,
        output_text=plain(parts.output) if keeps else None,
        price=parts.cost.price,
        answer_id=_answer_id(parts),
        redactions=call.redactions,
        repeats=operation_named(call.start.operation).repeats,
        is_unnamed=operation_named(call.start.operation).is_unnamed,
    )


def _answer_id(parts: Parts) -> str | None:
    """Return the id of an answer that may be read again, or is: its counts belong to one call only."""
    operation, assembly = operation_named(parts.call.start.operation), parts.reading.assembly
    if assembly is None or not (operation.is_awaited or operation.repeats):
        return None
    return clean(assembly.response_id, 200)
