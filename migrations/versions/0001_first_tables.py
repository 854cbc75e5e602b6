"""The first tables: calls, their texts and bodies, prices, rollups, totals, the loader's position; and the views.

Additive first: the previous release must be able to read the result.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
PARTITIONED = ("interaction", "interaction_text", "interaction_body", "interaction_metadata", "attempt")


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def by(column: str) -> dict[str, str]:
    return {"postgresql_partition_by": f"RANGE ({column})"}


RANKED = """
  SELECT substr(hour, 1, 10) AS day, provider, model, measure, upper_ms, sum(calls) AS calls
  FROM latency_histogram GROUP BY 1, 2, 3, 4, 5
"""
CUMULATED = f"""
  SELECT day, provider, model, measure, upper_ms, calls,
    sum(calls) OVER (PARTITION BY day, provider, model, measure ORDER BY upper_ms) AS reached,
    sum(calls) OVER (PARTITION BY day, provider, model, measure) AS total
  FROM ({RANKED}) AS ranked
"""


def percentile(measure: str, share: float) -> str:
    condition = f"measure = '{measure}' AND reached >= {share} * total"
    return f"min(CASE WHEN {condition} THEN upper_ms END)"


VIEWS = {
    "v_daily_cost": """
      SELECT substr(hour, 1, 10) AS day, provider, model, sum(calls) AS calls,
        sum(CASE WHEN outcome IN ('completed', 'client_gone') THEN 0 ELSE calls END) AS errors,
        sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens,
        sum(cost_pico_usd) / 1e12 AS cost_usd, sum(unpriced_calls) AS unpriced_calls
      FROM rollup_hourly GROUP BY 1, 2, 3
    """,
    "v_hourly": """
      SELECT hour, sum(calls) AS calls,
        sum(CASE WHEN outcome IN ('completed', 'client_gone') THEN 0 ELSE calls END) AS errors,
        sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(cost_pico_usd) / 1e12 AS cost_usd, sum(duration_ms_sum) / sum(calls) AS average_ms
      FROM rollup_hourly GROUP BY hour
    """,
    "v_model_latency": f"""
      SELECT day, provider, model,
        sum(CASE WHEN measure = 'duration' THEN calls ELSE 0 END) AS calls,
        {percentile("duration", 0.5)} AS p50_ms, {percentile("duration", 0.9)} AS p90_ms,
        {percentile("duration", 0.95)} AS p95_ms, {percentile("duration", 0.99)} AS p99_ms,
        {percentile("ttft", 0.5)} AS ttft_p50_ms, {percentile("ttft", 0.95)} AS ttft_p95_ms
      FROM ({CUMULATED}) AS cumulated GROUP BY day, provider, model
    """,
    "v_failures": """
      SELECT provider, model, outcome, http_status, error_type, error_code, count(*) AS calls,
        max(started_at) AS last_seen, max(id) AS sample_id
      FROM interaction
      WHERE outcome IN ('upstream_error', 'upstream_unreachable', 'upstream_aborted', 'timed_out', 'rejected',
        'shut_down', 'interrupted')
      GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "v_slowest": """
      SELECT id, started_at, provider, model, operation, duration_ms, ttft_ms, output_tokens, outcome
      FROM interaction WHERE duration_ms IS NOT NULL ORDER BY duration_ms DESC LIMIT 100
    """,
    "v_expensive": """
      SELECT id, started_at, provider, model, operation, cost_usd, input_tokens, output_tokens, outcome
      FROM interaction WHERE cost_usd > 0 ORDER BY cost_usd DESC LIMIT 100
    """,
    "v_sessions": """
      SELECT session_id, min(started_at) AS first_seen, max(started_at) AS last_seen, count(*) AS calls,
        sum(cost_usd) AS cost_usd, sum(total_tokens) AS total_tokens
      FROM interaction WHERE session_id IS NOT NULL GROUP BY session_id
    """,
    "v_users": """
      SELECT user_id, min(started_at) AS first_seen, max(started_at) AS last_seen, count(*) AS calls,
        sum(cost_usd) AS cost_usd, sum(total_tokens) AS total_tokens
      FROM interaction WHERE user_id IS NOT NULL GROUP BY user_id
    """,
}


def on_postgres(query: str) -> str:
    """Say what SQLite leaves open: a sum of whole numbers is divided as a float, and ids have no maximum."""
    query = query.replace("sum(cost_pico_usd) / 1e12", "(sum(cost_pico_usd) / 1e12)::double precision")
    return query.replace("max(id)", "max(id::text)")


def upgrade() -> None:
    op.create_table(
        "attempt",
        sa.Column("interaction_id", ID, nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("provider", string(100), nullable=False),
        sa.Column("upstream", string(500), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("connect_ms", sa.Float(), nullable=True),
        sa.Column("first_byte_ms", sa.Float(), nullable=True),
        sa.Column("duration_ms", sa.Float(), nullable=True),
        sa.Column("http_status", INTEGER, nullable=True),
        sa.Column("error", string(40), nullable=True),
        sa.Column("error_message", string(500), nullable=True),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("interaction_id", "number", name=op.f("pk_attempt")),
        **by("interaction_id"),
    )
    op.create_table(
        "body_chunk",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("day", string(10), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("form", string(12), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_body_chunk")),
    )
    op.create_index("uq_body_chunk_day_sha256", "body_chunk", ["day", "sha256"], unique=True)
    op.create_table(
        "interaction",
        sa.Column("id", ID, nullable=False),
        sa.Column("provider_request_id", string(200), nullable=True),
        sa.Column("parent_id", ID, nullable=True),
        sa.Column("trace_id", string(64), nullable=True),
        sa.Column("session_id", string(200), nullable=True),
        sa.Column("user_id", string(200), nullable=True),
        sa.Column("app", string(100), nullable=True),
        sa.Column("environment", string(100), nullable=True),
        sa.Column("key_id", string(64), nullable=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("completed_at", INSTANT, nullable=True),
        sa.Column("duration_ms", sa.Float(), nullable=True),
        sa.Column("ttft_ms", sa.Float(), nullable=True),
        sa.Column("upstream_ms", sa.Float(), nullable=True),
        sa.Column("overhead_ms", sa.Float(), nullable=True),
        sa.Column("operation", string(50), nullable=False),
        sa.Column("method", string(16), nullable=False),
        sa.Column("endpoint", string(500), nullable=False),
        sa.Column("route", string(200), nullable=True),
        sa.Column("provider", string(100), nullable=True),
        sa.Column("model_requested", string(200), nullable=True),
        sa.Column("model", string(200), nullable=True),
        sa.Column("is_stream", sa.Boolean(), nullable=False),
        sa.Column("temperature", sa.Float(), nullable=True),
        sa.Column("top_p", sa.Float(), nullable=True),
        sa.Column("top_k", INTEGER, nullable=True),
        sa.Column("max_tokens", INTEGER, nullable=True),
        sa.Column("tool_names", sa.JSON(), nullable=True),
        sa.Column("api_version", string(50), nullable=True),
        sa.Column("system_fingerprint", string(100), nullable=True),
        sa.Column("outcome", string(30), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("http_status", INTEGER, nullable=True),
        sa.Column("error_type", string(100), nullable=True),
        sa.Column("error_code", string(100), nullable=True),
        sa.Column("error_message", string(500), nullable=True),
        sa.Column("finish_reason", string(200), nullable=True),
        sa.Column("finish_kind", string(20), nullable=False),
        sa.Column("attempts", INTEGER, nullable=False),
        sa.Column("request_modified", sa.Boolean(), nullable=False),
        sa.Column("cache_status", string(20), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("total_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True),
        sa.Column("audio_tokens", sa.BigInteger(), nullable=True),
        sa.Column("usage_source", string(40), nullable=False),
        sa.Column("usage_raw", sa.JSON(), nullable=True),
        sa.Column("service_tier", string(50), nullable=True),
        sa.Column("cost_pico_usd", sa.BigInteger(), nullable=True),
        sa.Column("input_cost_pico_usd", sa.BigInteger(), nullable=True),
        sa.Column("output_cost_pico_usd", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.Float(), nullable=True),
        sa.Column("input_cost_usd", sa.Float(), nullable=True),
        sa.Column("output_cost_usd", sa.Float(), nullable=True),
        sa.Column("cost_status", string(30), nullable=False),
        sa.Column("price_id", string(40), nullable=True),
        sa.Column("prompt_name", string(200), nullable=True),
        sa.Column("prompt_version", INTEGER, nullable=True),
        sa.Column("prompt_label", string(100), nullable=True),
        sa.Column("experiment", string(200), nullable=True),
        sa.Column("variant", string(200), nullable=True),
        sa.Column("content_state", string(20), nullable=False),
        sa.Column("request_bytes", sa.BigInteger(), nullable=False),
        sa.Column("response_bytes", sa.BigInteger(), nullable=False),
        sa.Column("response_sha256", string(64), nullable=True),
        sa.Column("input_preview", string(200), nullable=True),
        sa.Column("output_preview", string(200), nullable=True),
        sa.Column("input_length", sa.BigInteger(), nullable=True),
        sa.Column("output_length", sa.BigInteger(), nullable=True),
        sa.Column("input_language", string(10), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("score_count", INTEGER, nullable=False),
        sa.Column("tags", sa.JSON(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column("decode_error", string(200), nullable=True),
        sa.CheckConstraint(
            "content_state IN ('stored', 'off', 'redacted', 'truncated', 'pruned')",
            name=op.f("ck_interaction_content_state"),
        ),
        sa.CheckConstraint(
            "cost_status IN ('reported', 'computed', 'computed_from_estimate', 'local', 'free', 'unpriced', 'lower_bound')",
            name=op.f("ck_interaction_cost_status"),
        ),
        sa.CheckConstraint(
            "finish_kind IN ('stop', 'truncated', 'tool_call', 'filtered', 'error', 'none', 'unknown')",
            name=op.f("ck_interaction_finish_kind"),
        ),
        sa.CheckConstraint(
            "outcome IN ('completed', 'upstream_error', 'upstream_unreachable', 'upstream_aborted', 'timed_out', 'client_gone', 'rejected', 'shut_down', 'interrupted')",
            name=op.f("ck_interaction_outcome"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_interaction_attempts")),
        sa.CheckConstraint("audio_tokens >= 0", name=op.f("ck_interaction_audio_tokens")),
        sa.CheckConstraint("cache_write_tokens >= 0", name=op.f("ck_interaction_cache_write_tokens")),
        sa.CheckConstraint("cached_tokens >= 0", name=op.f("ck_interaction_cached_tokens")),
        sa.CheckConstraint("cost_pico_usd >= 0", name=op.f("ck_interaction_cost_pico_usd")),
        sa.CheckConstraint("duration_ms >= 0", name=op.f("ck_interaction_duration_ms")),
        sa.CheckConstraint("http_status BETWEEN 100 AND 999", name=op.f("ck_interaction_http_status")),
        sa.CheckConstraint("input_tokens >= 0", name=op.f("ck_interaction_input_tokens")),
        sa.CheckConstraint("output_tokens >= 0", name=op.f("ck_interaction_output_tokens")),
        sa.CheckConstraint("reasoning_tokens >= 0", name=op.f("ck_interaction_reasoning_tokens")),
        sa.CheckConstraint("request_bytes >= 0", name=op.f("ck_interaction_request_bytes")),
        sa.CheckConstraint("response_bytes >= 0", name=op.f("ck_interaction_response_bytes")),
        sa.CheckConstraint("total_tokens >= 0", name=op.f("ck_interaction_total_tokens")),
        sa.CheckConstraint("ttft_ms >= 0", name=op.f("ck_interaction_ttft_ms")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interaction")),
        **by("id"),
    )
    op.create_index("ix_interaction_model_started_at", "interaction", ["model", "started_at"], unique=False)
    op.create_index("ix_interaction_outcome_started_at", "interaction", ["outcome", "started_at"], unique=False)
    op.create_index("ix_interaction_session_id_started_at", "interaction", ["session_id", "started_at"], unique=False)
    op.create_index("ix_interaction_started_at", "interaction", ["started_at"], unique=False)
    op.create_table(
        "interaction_body",
        sa.Column("interaction_id", ID, nullable=False),
        sa.Column("side", string(8), nullable=False),
        sa.Column("form", string(12), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("kept_length", sa.BigInteger(), nullable=False),
        sa.Column("sha256", string(64), nullable=True),
        sa.Column("media_type", string(200), nullable=True),
        sa.Column("content_encoding", string(50), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("edits", sa.JSON(), nullable=True),
        sa.Column("timings", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("interaction_id", "side", name=op.f("pk_interaction_body")),
        **by("interaction_id"),
    )
    op.create_table(
        "interaction_metadata",
        sa.Column("interaction_id", ID, nullable=False),
        sa.Column("key", string(100), nullable=False),
        sa.Column("value", string(600), nullable=False),
        sa.PrimaryKeyConstraint("interaction_id", "key", name=op.f("pk_interaction_metadata")),
        **by("interaction_id"),
    )
    op.create_index("ix_interaction_metadata_key_value", "interaction_metadata", ["key", "value"], unique=False)
    op.create_table(
        "interaction_text",
        sa.Column("interaction_id", ID, nullable=False),
        sa.Column("input_text", sa.Text(), nullable=True),
        sa.Column("output_text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("interaction_id", name=op.f("pk_interaction_text")),
        **by("interaction_id"),
    )
    op.create_table(
        "latency_histogram",
        sa.Column("hour", string(13), nullable=False),
        sa.Column("provider", string(100), nullable=False),
        sa.Column("model", string(200), nullable=False),
        sa.Column("measure", string(10), nullable=False),
        sa.Column("bucket", INTEGER, nullable=False),
        sa.Column("upper_ms", sa.Float(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "provider", "model", "measure", "bucket", name=op.f("pk_latency_histogram")),
    )
    op.create_table(
        "metric_total",
        sa.Column("family", string(100), nullable=False),
        sa.Column("labels", string(500), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("family", "labels", name=op.f("pk_metric_total")),
    )
    op.create_table(
        "open_call",
        sa.Column("id", ID, nullable=False),
        sa.Column("part", INTEGER, nullable=False),
        sa.Column("source", string(100), nullable=False),
        sa.Column("until_sequence", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", "part", name=op.f("pk_open_call")),
    )
    op.create_table(
        "price",
        sa.Column("id", string(40), nullable=False),
        sa.Column("provider", string(100), nullable=False),
        sa.Column("model", string(200), nullable=False),
        sa.Column("tier", string(50), nullable=False),
        sa.Column("rates", sa.JSON(), nullable=False),
        sa.Column("source", string(50), nullable=False),
        sa.Column("source_version", string(50), nullable=False),
        sa.Column("valid_from", string(10), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price")),
    )
    op.create_table(
        "quarantine",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("interaction_id", ID, nullable=True),
        sa.Column("source", string(100), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("reason", string(500), nullable=False),
        sa.Column("quarantined_at", INSTANT, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_quarantine")),
    )
    op.create_table(
        "rollup_hourly",
        sa.Column("hour", string(13), nullable=False),
        sa.Column("provider", string(100), nullable=False),
        sa.Column("model", string(200), nullable=False),
        sa.Column("route", string(200), nullable=False),
        sa.Column("prompt_name", string(200), nullable=False),
        sa.Column("prompt_version", INTEGER, nullable=False),
        sa.Column("outcome", string(30), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_pico_usd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_calls", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms_sum", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(
            *("hour", "provider", "model", "route", "prompt_name", "prompt_version", "outcome"),
            name=op.f("pk_rollup_hourly"),
        ),
    )
    op.create_table(
        "spool_position",
        sa.Column("source", string(100), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.JSON(), nullable=False),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_spool_position")),
    )
    is_postgres = op.get_bind().dialect.name == "postgresql"
    if is_postgres:
        # Whatever no month was made for goes here: nothing is ever refused for want of a partition.
        for name in PARTITIONED:
            op.execute(f"CREATE TABLE {name}_default PARTITION OF {name} DEFAULT")
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {on_postgres(query) if is_postgres else query}")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW IF EXISTS {name}")
    op.drop_table("spool_position")
    op.drop_table("rollup_hourly")
    op.drop_table("quarantine")
    op.drop_table("price")
    op.drop_table("open_call")
    op.drop_table("metric_total")
    op.drop_table("latency_histogram")
    op.drop_table("interaction_text")
    op.drop_index("ix_interaction_metadata_key_value", "interaction_metadata")
    op.drop_table("interaction_metadata")
    op.drop_table("interaction_body")
    op.drop_index("ix_interaction_started_at", "interaction")
    op.drop_index("ix_interaction_session_id_started_at", "interaction")
    op.drop_index("ix_interaction_outcome_started_at", "interaction")
    op.drop_index("ix_interaction_model_started_at", "interaction")
    op.drop_table("interaction")
    op.drop_index("uq_body_chunk_day_sha256", "body_chunk")
    op.drop_table("body_chunk")
    op.drop_table("attempt")
