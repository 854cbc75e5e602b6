"""Rollups: what views, commands and dashboards read instead of a million calls. Written with the rows.

``rollup_hourly`` and ``latency_histogram`` count by the hour, ``metric_total`` stands behind /metrics. ``usage_daily``
has the hours' sums by day, ``rollup_daily`` counts by whom and with what, ``latency_daily`` holds the buckets behind
percentiles, ``failure_daily`` what went wrong. Empty text and 0 in a key mean none.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Float
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import Identity, Instant, string
from proxy.store.schema.fields import key, number

# Their keys are most of them: on SQLite the key is the table, which is half as large then and read in its order.
_IN_ORDER = {"sqlite_with_rowid": False}


class RollupRow(SQLModel, table=True):
    """Calls, tokens and cost per hour and what they were grouped by; empty text means none."""

    __tablename__ = "rollup_hourly"

    hour: str = key(13)
    provider: str = key(100)
    model: str = key(200)
    route: str = key(200)
    prompt_name: str = key(200)
    prompt_version: int = number()
    outcome: str = key(30)
    calls: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    cached_tokens: int = Field(sa_type=BigInteger)
    cost_pico_usd: int = Field(sa_type=BigInteger)
    unpriced_calls: int = Field(sa_type=BigInteger)
    duration_ms_sum: float = Field(sa_type=Float)


class LatencyRow(SQLModel, table=True):
    """Logarithmic latency buckets of 5 %: counts up to ``upper_ms``, per hour."""

    __tablename__ = "latency_histogram"

    hour: str = key(13)
    provider: str = key(100)
    model: str = key(200)
    measure: str = key(10)
    bucket: int = number()
    upper_ms: float = Field(sa_type=Float)
    calls: int = Field(sa_type=BigInteger)


class MetricTotalRow(SQLModel, table=True):
    """What stands behind a counter of /metrics, so that it survives restarts; each ``instance`` counts its own."""

    __tablename__ = "metric_total"

    instance: str = Field(primary_key=True, sa_type=string(40), sa_column_kwargs={"server_default": ""})
    family: str = key(100)
    labels: str = key(500)
    value: float = Field(sa_type=Float)


class DailyRollupRow(SQLModel, table=True):
    """The sums of ``rollup_hourly`` by day: a ninth of the rows, which is what long spans are read from."""

    __tablename__ = "usage_daily"
    __table_args__ = _IN_ORDER

    day: str = key(10)
    provider: str = key(100)
    model: str = key(200)
    route: str = key(200)
    prompt_name: str = key(200)
    prompt_version: int = number()
    outcome: str = key(30)
    calls: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    cached_tokens: int = Field(sa_type=BigInteger)
    cost_pico_usd: int = Field(sa_type=BigInteger)
    unpriced_calls: int = Field(sa_type=BigInteger)
    duration_ms_sum: float = Field(sa_type=Float)


class DailyUseRow(SQLModel, table=True):
    """A day of one user, session, tool, key, app or environment (``subject``), called ``name``."""

    __tablename__ = "rollup_daily"
    __table_args__ = _IN_ORDER

    subject: str = key(12)
    name: str = key(200)
    day: str = key(10)
    calls: int = Field(sa_type=BigInteger)
    errors: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    total_tokens: int = Field(sa_type=BigInteger)
    cost_pico_usd: int = Field(sa_type=BigInteger)
    unpriced_calls: int = Field(sa_type=BigInteger)
    first_seen: datetime = Field(sa_type=Instant)
    last_seen: datetime = Field(sa_type=Instant)


class DailyLatencyRow(SQLModel, table=True):
    """The buckets of ``latency_histogram`` by day; durations once more by stored prompt, as measure ``prompt``."""

    __tablename__ = "latency_daily"
    __table_args__ = _IN_ORDER

    day: str = key(10)
    provider: str = key(100)
    model: str = key(200)
    measure: str = key(10)
    bucket: int = number()
    prompt_name: str = key(200)
    prompt_version: int = number()
    upper_ms: float = Field(sa_type=Float)
    calls: int = Field(sa_type=BigInteger)


class DailyFailureRow(SQLModel, table=True):
    """A day's failures of one kind; ``last_id`` is the call that was the last of them."""

    __tablename__ = "failure_daily"
    __table_args__ = _IN_ORDER

    day: str = key(10)
    provider: str = key(100)
    model: str = key(200)
    outcome: str = key(30)
    http_status: int = number()
    error_type: str = key(100)
    error_code: str = key(100)
    calls: int = Field(sa_type=BigInteger)
    last_seen: datetime = Field(sa_type=Instant)
    last_id: str = Field(sa_type=Identity)
