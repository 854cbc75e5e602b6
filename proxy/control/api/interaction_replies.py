"""What is answered about calls, for the description; the members are the columns of the store and the command line.

Nothing is made of these classes: a test holds them against the columns, and each answer against its description. What
would validate them is not built before somebody asks for it (as in ``replies``).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel


class InteractionRow(BaseModel, defer_build=True):
    """A call in a list: what is known of it, without what was asked and answered but for the beginnings."""

    id: str
    provider_request_id: str | None
    client_request_id: str | None
    parent_id: str | None
    retry_count: int | None
    trace_id: str | None
    session_id: str | None
    user_id: str | None
    app: str | None
    environment: str | None
    key_id: str | None
    started_at: datetime
    completed_at: datetime | None
    duration_ms: float | None
    ttft_ms: float | None
    upstream_ms: float | None
    overhead_ms: float | None
    operation: str
    method: str
    endpoint: str
    route: str | None
    provider: str | None
    model_requested: str | None
    model: str | None
    is_stream: bool
    temperature: float | None
    top_p: float | None
    top_k: int | None
    max_tokens: int | None
    tool_names: list[str] | None
    api_version: str | None
    system_fingerprint: str | None
    outcome: str
    success: bool
    http_status: int | None
    error_type: str | None
    error_code: str | None
    error_message: str | None
    finish_reason: str | None
    finish_kind: str
    attempts: int
    request_modified: bool
    cache_status: str | None
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    audio_tokens: int | None
    usage_source: str
    service_tier: str | None
    cost_pico_usd: int | None
    input_cost_pico_usd: int | None
    output_cost_pico_usd: int | None
    cost_usd: float | None
    input_cost_usd: float | None
    output_cost_usd: float | None
    cost_status: str
    price_id: str | None
    prompt_name: str | None
    prompt_version: int | None
    prompt_label: str | None
    experiment: str | None
    variant: str | None
    content_state: str
    request_bytes: int
    response_bytes: int
    response_sha256: str | None
    input_preview: str | None
    output_preview: str | None
    input_length: int | None
    output_length: int | None
    input_language: str | None
    score: float | None
    score_count: int
    tags: list[str] | None
    metadata: dict[str, Any] | None
    decode_error: str | None
    quantities: dict[str, Any] | None


class Counted(BaseModel, defer_build=True):
    """With count=true: rows that match, null where counting took too long; whether there are no more than that.

    sealed_until is there where q has words: those of calls up to that day that were sealed are not looked for.
    """

    count: int | None
    count_is_whole: bool
    sealed_until: date


class FoundRow(InteractionRow):
    """A call that was found, with the parts of its texts where the words stand, or their beginnings.

    marks are where in them words stand that were looked for: from and to, in characters.
    """

    input_excerpt: str
    input_marks: list[tuple[int, int]]
    output_excerpt: str
    output_marks: list[tuple[int, int]]


class Looked(BaseModel, defer_build=True):
    """How far back was looked: next is what after is to be to look on, null where nothing older is left.

    sealed_until: calls up to that day that were sealed (database.seal) are passed over, null where there are none.
    """

    next: str | None
    looked_back_to: datetime | None
    sealed_until: date | None


class Timing(BaseModel, defer_build=True):
    """One piece of a streamed answer: so many microseconds after the one before."""

    after_us: int
    bytes: int


class StoredBody(BaseModel, defer_build=True):
    """One side of a call. length is what it had, kept_length what is kept; edits turn a request into what was sent."""

    length: int
    kept_length: int
    sha256: str | None
    media_type: str | None
    content_encoding: str | None
    headers: list[list[str]] | None
    edits: list[list[Any]] | None
    content: str
    encoding: Literal["utf-8", "base64"]
    timings: list[Timing]


class AttemptMade(BaseModel, defer_build=True):
    """One try against one upstream."""

    interaction_id: str
    number: int
    provider: str
    upstream: str
    started_at: datetime
    connect_ms: float | None
    first_byte_ms: float | None
    duration_ms: float | None
    http_status: int | None
    error: str | None
    error_message: str | None
    reused: bool


class PinnedPrice(BaseModel, defer_build=True):
    """The unit prices that the call was charged at, per million tokens."""

    id: str
    provider: str
    model: str
    tier: str
    rates: dict[str, Any]
    source: str
    source_version: str
    valid_from: str | None


class Interaction(InteractionRow):
    """A call. Bodies and texts come where include names them; content_state says why one is null."""

    usage_raw: dict[str, Any] | None
    prompt_variables: dict[str, Any] | None
    attempts_made: list[AttemptMade]
    price: PinnedPrice | None
    request_body: StoredBody | None
    response_body: StoredBody | None
    input_text: str | None
    output_text: str | None


class ToldInteraction(BaseModel, defer_build=True):
    """A call that was told. is_new: it was not on record before, and is now."""

    id: str
    is_new: bool


class Told(BaseModel, defer_build=True):
    """The calls in the order in which they were told, and how many of them are new."""

    interactions: list[ToldInteraction]
    stored: int
