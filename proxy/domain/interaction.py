"""An interaction: one client call and everything about it, as stored.

Field names are the column names of the store, the API's and the command line's words; there is one
vocabulary. Instants are Unix milliseconds UTC here and become timestamps in the store; money is integer
pico-dollars; JSON columns are plain Python values. ``Interaction`` is not frozen because constructing its sixty fields
costs three times as much when it is; nobody changes one all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.domain.cost import Price
from proxy.domain.outcome import ContentState, CostStatus, FinishKind, Outcome, UsageSource


@dataclass(slots=True, kw_only=True)
class Interaction:
    """One row of ``interaction``; docs of each group are in ARCHITECTURE.md."""

    # identity
    id: str
    provider_request_id: str | None = None
    client_request_id: str | None = None
    parent_id: str | None = None
    retry_count: int | None = None
    trace_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    app: str | None = None
    environment: str | None = None
    key_id: str | None = None
    # when (Unix milliseconds; durations in milliseconds with microsecond precision)
    started_at: int
    completed_at: int | None = None
    duration_ms: float | None = None
    ttft_ms: float | None = None
    upstream_ms: float | None = None
    overhead_ms: float | None = None
    # what
    operation: str
    method: str
    endpoint: str
    route: str | None = None
    provider: str | None = None
    model_requested: str | None = None
    model: str | None = None
    is_stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    tool_names: tuple[str, ...] = ()
    api_version: str | None = None
    system_fingerprint: str | None = None
    # how it ended
    outcome: Outcome
    success: bool
    http_status: int | None = None
    error_type: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    finish_reason: str | None = None
    finish_kind: FinishKind = FinishKind.NONE
    attempts: int = 0
    request_modified: bool = False
    cache_status: str | None = None
    # usage
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    usage_source: UsageSource = UsageSource.NONE
    usage_raw: Mapping[str, object] | None = None
    quantities: Mapping[str, int] | None = None
    service_tier: str | None = None
    # money
    cost_pico_usd: int | None = None
    input_cost_pico_usd: int | None = None
    output_cost_pico_usd: int | None = None
    cost_status: CostStatus = CostStatus.UNPRICED
    price_id: str | None = None
    # prompt
    prompt_name: str | None = None
    prompt_version: int | None = None
    prompt_label: str | None = None
    prompt_variables: Mapping[str, Any] | None = None
    experiment: str | None = None
    variant: str | None = None
    # content
    content_state: ContentState = ContentState.STORED
    request_bytes: int = 0
    response_bytes: int = 0
    response_sha256: str | None = None
    input_preview: str | None = None
    output_preview: str | None = None
    input_length: int | None = None
    output_length: int | None = None
    input_language: str | None = None
    # judgement
    score: float | None = None
    score_count: int = 0
    # free
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] | None = None
    # how well we understood it: None, or why the answer could not be decoded
    decode_error: str | None = None


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One try against one upstream, a child row of the interaction."""

    interaction_id: str
    number: int
    provider: str
    upstream: str
    started_at: int
    connect_ms: float | None = None
    first_byte_ms: float | None = None
    duration_ms: float | None = None
    http_status: int | None = None
    error: str | None = None
    error_message: str | None = None
    reused: bool = False


@dataclass(slots=True, kw_only=True)
class Body:
    """One side's bytes as kept. ``cuts`` are ascending offsets at message borders, without 0 and the end.

    ``timings`` are the pieces' arrivals: (microseconds since the previous piece, length), empty for requests.
    ``edits`` as in ``CallStart``: they turn the client's request into the one that was sent.
    """

    content: bytes
    media_type: str | None = None
    content_encoding: str | None = None
    length: int = 0
    sha256: str | None = None
    cuts: tuple[int, ...] = ()
    timings: tuple[tuple[int, int], ...] = ()
    edits: tuple[tuple[int, int, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Entry:
    """All that one call adds to the store, written in one transaction.

    ``answer_id`` names an answer that may be read again (a response, a batch); ``repeats``: this call read one, which
    no call may have been known to make where it ``is_unnamed`` (a turn of an agent). ``redactions`` counts what
    was taken out before it was written down, by pattern. ``feedback`` comes with a call that was carried here, as rows.
    """

    interaction: Interaction
    attempts: tuple[Attempt, ...] = ()
    request: Body | None = None
    response: Body | None = None
    input_text: str | None = None
    output_text: str | None = None
    price: Price | None = None
    answer_id: str | None = None
    repeats: bool = False
    is_unnamed: bool = False
    redactions: Mapping[str, int] = field(default_factory=dict)
    feedback: tuple[Mapping[str, Any], ...] = ()


_UNCOUNTED = (
    "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
    "audio_tokens", "quantities", "price_id",
)  # fmt: skip


def uncounted(item: Interaction) -> Interaction:
    """Return a call without counts and cost of its own: those it reports are another's; its ``usage_raw`` stays."""
    nothing: dict[str, Any] = dict.fromkeys(_UNCOUNTED)
    nothing |= dict.fromkeys(("cost_pico_usd", "input_cost_pico_usd", "output_cost_pico_usd"), 0)
    return replace(item, **nothing, usage_source=UsageSource.NONE, cost_status=CostStatus.FREE)
