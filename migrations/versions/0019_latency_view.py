"""Percentiles of a day and model in half the time: ``v_model_latency`` answers as before, columns and kinds the same.

Of a million calls in a month there are some hundred thousand buckets, in less than a thousand groups, and what takes
the time is what is done for each bucket. SQLite pays for every column that goes through a window, and for a second
window as much as for the first: the groups get numbers, only the numbers go through it, and their total with them.
Postgres sums whole numbers of eight bytes up as decimals; numbers with a fraction hold all counts below 2^53 as well,
and a second window in the same order costs it little.
"""

from __future__ import annotations

from alembic import context, op
from alembic.script import ScriptDirectory

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
compatible_with = "0001"

VIEW = "v_model_latency"
# Only the buckets at which a share of the calls is reached: four rows of a hundred are left to be grouped.
CROSSING = " OR ".join(
    f"(reached >= {share} * total AND reached - calls < {share} * total)" for share in (0.5, 0.9, 0.95, 0.99)
)


def percentile(share: float, condition: str = "") -> str:
    return f"min(CASE WHEN {condition}reached >= {share} * total THEN upper_ms END)"


def of(measure: str, share: float) -> str:
    return percentile(share, f"measure = '{measure}' AND ")


def found(measure: str, column: str) -> str:
    return f"max(CASE WHEN measure = '{measure}' THEN {column} END)"


ON_POSTGRES = f"""
  SELECT day::text AS day, provider, model,
    max(CASE WHEN measure = 'duration' THEN total ELSE 0 END)::numeric AS calls,
    {of("duration", 0.5)} AS p50_ms, {of("duration", 0.9)} AS p90_ms, {of("duration", 0.95)} AS p95_ms,
    {of("duration", 0.99)} AS p99_ms, {of("ttft", 0.5)} AS ttft_p50_ms, {of("ttft", 0.95)} AS ttft_p95_ms
  FROM (
    SELECT day, provider, model, measure, upper_ms, calls,
      sum(calls::double precision) OVER (PARTITION BY day, provider, model, measure) AS total,
      sum(calls::double precision) OVER (
        PARTITION BY day, provider, model, measure ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS reached
    FROM latency_daily WHERE measure <> 'prompt') AS cumulated
  WHERE {CROSSING} GROUP BY cumulated.day, provider, model
"""
# The groups lead and each finds its buckets by the key: nothing is looked up for a bucket.
ON_SQLITE = f"""
  WITH numbered AS (
    SELECT row_number() OVER (ORDER BY day, provider, model, measure) AS number, day, provider, model, measure, total
    FROM (SELECT day, provider, model, measure, sum(calls) AS total FROM latency_daily
      WHERE measure <> 'prompt' GROUP BY day, provider, model, measure)
  ), cumulated AS (
    SELECT number, total, upper_ms, calls,
      sum(calls) OVER (PARTITION BY number ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS reached
    FROM numbered CROSS JOIN latency_daily USING (day, provider, model, measure)
  ), crossed AS (
    SELECT number, {percentile(0.5)} AS p50, {percentile(0.9)} AS p90, {percentile(0.95)} AS p95,
      {percentile(0.99)} AS p99
    FROM cumulated WHERE {CROSSING} GROUP BY number
  )
  SELECT day, provider, model, coalesce({found("duration", "total")}, 0) AS calls,
    {found("duration", "p50")} AS p50_ms, {found("duration", "p90")} AS p90_ms, {found("duration", "p95")} AS p95_ms,
    {found("duration", "p99")} AS p99_ms, {found("ttft", "p50")} AS ttft_p50_ms, {found("ttft", "p95")} AS ttft_p95_ms
  FROM crossed JOIN numbered USING (number) GROUP BY day, provider, model
"""


def upgrade() -> None:
    replace_by(ON_POSTGRES if is_postgres() else ON_SQLITE)


def downgrade() -> None:
    earlier = ScriptDirectory(context.script.dir).get_revision("0010").module
    replace_by(earlier.views(earlier.Words(is_postgres()))[VIEW])


def is_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def replace_by(query: str) -> None:
    if not is_postgres():
        op.execute(f"DROP VIEW IF EXISTS {VIEW}")
    # On Postgres somebody's own views may be made of ours: they stay.
    op.execute(f"CREATE {'OR REPLACE ' if is_postgres() else ''}VIEW {VIEW} AS {query}")
