"""What is answered about many calls at once, for the description; nothing is made of these classes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class Sums(BaseModel, defer_build=True):
    """Sums of some calls. cost_usd is that of the calls whose cost is known, null where none is."""

    calls: int
    errors: int
    error_rate: float | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    unpriced_calls: int
    average_ms: float | None


class Times(BaseModel, defer_build=True):
    """How long successful calls took, each the upper end of a bucket of 5 %; null of no calls."""

    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None


class ModelSums(Sums, Times):
    """Sums of one model."""

    model: str | None


class ProviderSums(Sums):
    """Sums of one provider."""

    provider: str | None


class OutcomeSums(Sums):
    """Sums of calls that ended alike."""

    outcome: str


class At(BaseModel, defer_build=True):
    """An hour or a day of a series; those without calls are left out."""

    at: str
    calls: int
    errors: int
    cost_usd: float | None


class Summary(Sums, Times):
    """What the hours came to: the busiest models and providers, how calls ended, and how it went over the time."""

    from_hour: str | None
    to_hour: str | None
    models: list[ModelSums]
    providers: list[ProviderSums]
    outcomes: list[OutcomeSums]
    series: list[At]


class Failure(BaseModel, defer_build=True):
    """A kind of failure; share is of all calls of its model, sample_id one such call."""

    provider: str | None
    model: str | None
    outcome: str
    http_status: int | None
    error_type: str | None
    error_code: str | None
    calls: int
    share: float
    last_seen: datetime
    sample_id: str


class Failures(BaseModel, defer_build=True):
    """Kinds of failures, the most frequent first; is_whole: there are no more kinds."""

    from_day: str | None
    to_day: str | None
    rows: list[Failure]
    is_whole: bool


class Grouped(BaseModel, defer_build=True):
    """Rows with what they are summed by and the sums; is_whole: there are no more rows."""

    by: list[str]
    from_hour: str | None
    to_hour: str | None
    rows: list[dict[str, Any]]
    is_whole: bool


class RecentRow(BaseModel, defer_build=True):
    """A call in few words."""

    id: str
    started_at: datetime
    provider: str | None
    model: str | None
    operation: str
    outcome: str
    success: bool
    http_status: int | None
    error_code: str | None
    error_message: str | None
    duration_ms: float | None
    ttft_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    prompt_name: str | None
    prompt_version: int | None
    user_id: str | None
    session_id: str | None
    input_preview: str | None
    output_preview: str | None


class SessionRow(BaseModel, defer_build=True):
    """A session: when it was first and last seen, and the sums of its calls; its id is the session's."""

    id: str
    first_seen: datetime
    last_seen: datetime
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd: float | None
    unpriced_calls: int
