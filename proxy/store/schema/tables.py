"""All tables, declared once for both engines. Rows are not domain types: SQLModel does not validate ``table=True``.

``interaction`` is one row a call without bodies, so that lists stay fast whatever the calls carried. Amounts are exact
in ``*_pico_usd`` and summable in ``*_usd``. Names, columns and meaning are the API's and the command line's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Float, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from proxy.domain.outcome import ContentState, CostStatus, FinishKind, Outcome
from proxy.store.schema import (
    catalogue_tables,
    erasure_tables,
    feedback_table,
    fields,
    host_tables,
    loader_tables,
    revision_tables,
    rollup_tables,
    text_tables,
)
from proxy.store.schema.columns import Identity, Instant
from proxy.store.schema.fields import (
    INTEGER,
    ROW_KEY,
    count,
    key,
    not_negative,
    number,
    one_of,
    some,
    text,
    whole,
    word,
)

metadata = fields.metadata
"""What the migrations must make: the tables here, and those of the modules beside."""
_BESIDE = (host_tables, loader_tables, revision_tables, text_tables)
"""Nothing of them is needed here: that they are imported makes ``metadata`` whole."""
FEEDBACK = str(feedback_table.FeedbackRow.__tablename__)
ERASURE_TABLES = (erasure_tables.TombstoneRow, erasure_tables.PurgeRow, erasure_tables.LooseSliceRow)
ROLLUP_TABLES = (
    rollup_tables.DailyRollupRow, rollup_tables.DailyUseRow, rollup_tables.DailyLatencyRow,
    rollup_tables.DailyFailureRow,
)  # fmt: skip
CATALOGUE_TABLES = tuple(
    str(kind.__tablename__)
    for kind in vars(catalogue_tables).values()
    if isinstance(kind, type) and issubclass(kind, SQLModel) and kind is not SQLModel
)
"""The names of the tables of what is edited while Dashcam runs."""
SLOW_MS = 10_000
"""Calls that took as long are in an index of their own: the slowest of a million are found without looking at all."""
DEAR_PICO_USD = 10_000_000_000
"""So are those that cost as much (0.01 USD)."""
_BY_ID = {"postgresql_partition_by": "RANGE (id)"}
_BY_INTERACTION = {"postgresql_partition_by": "RANGE (interaction_id)"}


class InteractionRow(SQLModel, table=True):
    """One call."""

    __tablename__ = "interaction"
    __table_args__ = (
        one_of("outcome", Outcome),
        one_of("finish_kind", FinishKind),
        one_of("cost_status", CostStatus),
        one_of("content_state", ContentState),
        *not_negative(
            "duration_ms", "ttft_ms", "input_tokens", "output_tokens", "total_tokens", "cached_tokens",
            "cache_write_tokens", "reasoning_tokens", "audio_tokens", "cost_pico_usd", "attempts", "request_bytes",
            "response_bytes",
        ),
        CheckConstraint("http_status BETWEEN 100 AND 999", name="http_status"),
        Index("ix_interaction_started_at", "started_at"),
        Index("ix_interaction_model_started_at", "model", "started_at"),
        Index("ix_interaction_outcome_started_at", "outcome", "started_at"),
        Index("ix_interaction_session_id_started_at", "session_id", "started_at"),
        some("user_id", "user_id IS NOT NULL", "user_id", "started_at"),
        some("prompt_name", "prompt_name IS NOT NULL", "prompt_name", "started_at"),
        some("client_request_id", "client_request_id IS NOT NULL", "client_request_id"),
        some("score", "score IS NOT NULL", "prompt_name", "prompt_version", "score"),
        some("duration_ms", f"duration_ms >= {SLOW_MS}", "duration_ms"),
        some("cost_pico_usd", f"cost_pico_usd >= {DEAR_PICO_USD}", "cost_pico_usd"),
        _BY_ID,
    )  # fmt: skip

    id: str = Field(primary_key=True, sa_type=Identity)
    provider_request_id: str | None = text(200)
    client_request_id: str | None = text(200)
    parent_id: str | None = Field(default=None, sa_type=Identity)
    retry_count: int | None = whole()
    trace_id: str | None = text(64)
    session_id: str | None = text(200)
    user_id: str | None = text(200)
    app: str | None = text(100)
    environment: str | None = text(100)
    key_id: str | None = text(64)
    started_at: datetime = Field(sa_type=Instant)
    completed_at: datetime | None = Field(default=None, sa_type=Instant)
    duration_ms: float | None = Field(default=None, sa_type=Float)
    ttft_ms: float | None = Field(default=None, sa_type=Float)
    upstream_ms: float | None = Field(default=None, sa_type=Float)
    overhead_ms: float | None = Field(default=None, sa_type=Float)
    operation: str = word(50)
    method: str = word(16)
    endpoint: str = word(500)
    route: str | None = text(200)
    provider: str | None = text(100)
    model_requested: str | None = text(200)
    model: str | None = text(200)
    is_stream: bool = Field(default=False)
    temperature: float | None = Field(default=None, sa_type=Float)
    top_p: float | None = Field(default=None, sa_type=Float)
    top_k: int | None = whole()
    max_tokens: int | None = whole()
    tool_names: list[str] | None = Field(default=None, sa_type=JSON)
    api_version: str | None = text(50)
    system_fingerprint: str | None = text(100)
    outcome: str = word(30)
    success: bool
    http_status: int | None = whole()
    error_type: str | None = text(100)
    error_code: str | None = text(100)
    error_message: str | None = text(500)
    finish_reason: str | None = text(200)
    finish_kind: str = word(20)
    attempts: int = Field(default=0, sa_type=INTEGER)
    request_modified: bool = Field(default=False)
    cache_status: str | None = text(20)
    input_tokens: int | None = count()
    output_tokens: int | None = count()
    total_tokens: int | None = count()
    cached_tokens: int | None = count()
    cache_write_tokens: int | None = count()
    reasoning_tokens: int | None = count()
    audio_tokens: int | None = count()
    usage_source: str = word(40)
    usage_raw: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    service_tier: str | None = text(50)
    cost_pico_usd: int | None = count()
    input_cost_pico_usd: int | None = count()
    output_cost_pico_usd: int | None = count()
    cost_usd: float | None = Field(default=None, sa_type=Float)
    input_cost_usd: float | None = Field(default=None, sa_type=Float)
    output_cost_usd: float | None = Field(default=None, sa_type=Float)
    cost_status: str = word(30)
    price_id: str | None = text(40)
    prompt_name: str | None = text(200)
    prompt_version: int | None = whole()
    prompt_label: str | None = text(100)
    prompt_variables: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    experiment: str | None = text(200)
    variant: str | None = text(200)
    content_state: str = word(20)
    request_bytes: int = Field(default=0, sa_type=BigInteger)
    response_bytes: int = Field(default=0, sa_type=BigInteger)
    response_sha256: str | None = text(64)
    input_preview: str | None = text(200)
    output_preview: str | None = text(200)
    input_length: int | None = count()
    output_length: int | None = count()
    input_language: str | None = text(10)
    score: float | None = Field(default=None, sa_type=Float)
    score_count: int = Field(default=0, sa_type=INTEGER)
    tags: list[str] | None = Field(default=None, sa_type=JSON)
    metadata_: dict[str, str] | None = Field(default=None, sa_column=Column("metadata", JSON))
    decode_error: str | None = text(200)
    quantities: dict[str, int] | None = Field(default=None, sa_type=JSON)


class InteractionTextRow(SQLModel, table=True):
    """What was asked and answered as plain text, up to 4 kB each."""

    __tablename__ = "interaction_text"
    __table_args__ = _BY_INTERACTION

    interaction_id: str = Field(primary_key=True, sa_type=Identity)
    input_text: str | None = Field(default=None, sa_type=Text)
    output_text: str | None = Field(default=None, sa_type=Text)


class InteractionBodyRow(SQLModel, table=True):
    """One side's bytes: inline, or a list of chunk numbers (varints). ``edits`` turn a request into what was sent."""

    __tablename__ = "interaction_body"
    __table_args__ = _BY_INTERACTION

    interaction_id: str = Field(primary_key=True, sa_type=Identity)
    side: str = key(8)
    form: str = word(12)
    data: bytes = Field(sa_type=LargeBinary)
    length: int = Field(sa_type=BigInteger)
    kept_length: int = Field(sa_type=BigInteger)
    sha256: str | None = text(64)
    media_type: str | None = text(200)
    content_encoding: str | None = text(50)
    headers: list[list[str]] | None = Field(default=None, sa_type=JSON)
    edits: list[list[Any]] | None = Field(default=None, sa_type=JSON)
    timings: bytes | None = Field(default=None, sa_type=LargeBinary)


class BodyChunkRow(SQLModel, table=True):
    """A slice of bodies, stored once a day; never shared across days, so that retention drops days."""

    __tablename__ = "body_chunk"
    __table_args__ = (Index("uq_body_chunk_day_sha256", "day", "sha256", unique=True),)

    number: int | None = Field(default=None, sa_column=Column(ROW_KEY, primary_key=True, autoincrement=True))
    day: str = word(10)
    sha256: bytes = Field(sa_type=LargeBinary)
    form: str = word(12)
    data: bytes = Field(sa_type=LargeBinary)


class InteractionMetadataRow(SQLModel, table=True):
    """Tags and metadata as rows, for tools that cannot read JSON."""

    __tablename__ = "interaction_metadata"
    __table_args__ = (Index("ix_interaction_metadata_key_value", "key", "value"), _BY_INTERACTION)

    interaction_id: str = Field(primary_key=True, sa_type=Identity)
    key: str = key(100)
    value: str = word(600)


class AttemptRow(SQLModel, table=True):
    """One try against one upstream."""

    __tablename__ = "attempt"
    __table_args__ = _BY_INTERACTION

    interaction_id: str = Field(primary_key=True, sa_type=Identity)
    number: int = number()
    provider: str = word(100)
    upstream: str = word(500)
    started_at: datetime = Field(sa_type=Instant)
    connect_ms: float | None = Field(default=None, sa_type=Float)
    first_byte_ms: float | None = Field(default=None, sa_type=Float)
    duration_ms: float | None = Field(default=None, sa_type=Float)
    http_status: int | None = whole()
    error: str | None = text(40)
    error_message: str | None = text(500)
    reused: bool = Field(default=False)


class PriceRow(SQLModel, table=True):
    """Unit prices that applied to calls, pinned: decimal text per million tokens."""

    __tablename__ = "price"

    id: str = key(40)
    provider: str = word(100)
    model: str = word(200)
    tier: str = word(50)
    rates: dict[str, str] = Field(sa_type=JSON)
    source: str = word(50)
    source_version: str = word(50)
    valid_from: str | None = text(10)
