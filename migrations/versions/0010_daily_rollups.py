"""Rollups by day behind the views, the views that were missing, and indexes of those calls that are looked for.

Additive: the previous release neither knows nor needs these tables. What it records after this revision is missing in
them until ``dashcam db rebuild-rollups``; ``dashcam db check`` says so. Views keep their columns and get new ones behind.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from alembic.script import ScriptDirectory

from proxy.store.sums.counting import DAILY
from proxy.store.sums.days import day_after
from proxy.store.sums.rebuilding import rebuild_day

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
compatible_with = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
SLOW_MS, DEAR_PICO_USD = 30_000, 100_000_000_000
INDEXES = {
    "ix_interaction_user_id": (["user_id", "started_at"], "user_id IS NOT NULL"),
    "ix_interaction_prompt_name": (["prompt_name", "started_at"], "prompt_name IS NOT NULL"),
    "ix_interaction_score": (["prompt_name", "prompt_version", "score"], "score IS NOT NULL"),
    "ix_interaction_duration_ms": (["duration_ms"], f"duration_ms >= {SLOW_MS}"),
    "ix_interaction_cost_pico_usd": (["cost_pico_usd"], f"cost_pico_usd >= {DEAR_PICO_USD}"),
}
NEWEST = 20_000
# Later revisions have daily rollups of their own.
OURS = [rollup for rollup in DAILY if rollup.table.name in ("rollup_daily", "latency_daily", "failure_daily")]
NEW = ("v_tools", "v_daily_use", "v_prompt_performance", "prompt_history")
# In the order of the key: nothing is sorted. Beside those of prompts, each key is one row. A second window for the total
# would cost SQLite twice the whole; the outer join has it look totals up, row by row as they come.
CUMULATED = """
  SELECT day, provider, model, measure, upper_ms, calls,
    sum(calls) OVER (PARTITION BY day, provider, model, measure ORDER BY bucket) AS reached
  FROM latency_daily WHERE measure <> 'prompt'
"""
TOTALS = """
  SELECT day, provider, model, measure, sum(calls) AS total
  FROM latency_daily WHERE measure <> 'prompt' GROUP BY day, provider, model, measure
"""
OF_PROMPTS = """
  SELECT prompt_name, prompt_version, upper_ms, calls,
    sum(calls) OVER (PARTITION BY prompt_name, prompt_version ORDER BY upper_ms) AS reached,
    sum(calls) OVER (PARTITION BY prompt_name, prompt_version) AS total
  FROM (SELECT prompt_name, prompt_version, upper_ms, sum(calls) AS calls FROM latency_daily
    WHERE measure = 'prompt' GROUP BY 1, 2, 3) AS ranked
"""
ERRORS = "sum(CASE WHEN outcome NOT IN ('completed', 'client_gone') THEN calls ELSE 0 END)"


class Words:
    """What the engines say differently: sums of whole numbers, fractions, and what a key has no NULL for."""

    def __init__(self, is_postgres: bool) -> None:
        self._is_postgres = is_postgres

    def whole(self, column: str) -> str:
        return f"sum({column})::bigint AS {column}" if self._is_postgres else f"sum({column}) AS {column}"

    def fraction(self, part: str, whole: str) -> str:
        return f"({part})::double precision / {whole}" if self._is_postgres else f"{part} * 1.0 / {whole}"

    def usd(self, amount: str, *, is_sum: bool = True) -> str:
        # A whole sum of SQLite's fails where it has no room, and a provider can say that a call has cost anything: a
        # row of a rollup stays at 9.2 million dollars (``counting``), and rows are summed up as numbers with a fraction.
        total = f"sum({amount})" if self._is_postgres else f"sum({amount} * 1.0)"
        dollars = f"{total if is_sum else amount} / 1e12"
        return f"({dollars})::double precision" if self._is_postgres else dollars

    def known_usd(self) -> str:
        return f"CASE WHEN sum(unpriced_calls) < sum(calls) THEN {self.usd('cost_pico_usd')} END AS cost_usd"

    def text(self, column: str, length: int) -> str:
        kind = f"::varchar({length})" if self._is_postgres else ""
        return f"nullif({column}, ''){kind} AS {column}"

    def identity(self, column: str) -> str:
        return f"{column}::text" if self._is_postgres else column


def percentile(share: float, measure: str | None = None) -> str:
    which = f"measure = '{measure}' AND " if measure else ""
    return f"min(CASE WHEN {which}reached >= {share} * total THEN upper_ms END)"


def largest(columns: str, shown: str, by: str, least: int) -> str:
    """Return the 100 largest calls of all above a bound, and below it of the newest ones."""
    above = f"SELECT {columns} FROM interaction WHERE {by} >= {least} ORDER BY {by} DESC LIMIT 100"
    newest = f"SELECT {columns}, {by} AS size FROM interaction ORDER BY started_at DESC LIMIT {NEWEST}"
    below = f"SELECT {columns} FROM ({newest}) AS newest WHERE size > 0 AND size < {least} ORDER BY size DESC LIMIT 100"
    return (
        f"SELECT * FROM (SELECT * FROM ({above}) AS above UNION ALL SELECT * FROM ({below}) AS below) AS found "
        f"ORDER BY {shown} DESC LIMIT 100"
    )


def by_subject(words: Words, subject: str, name: str) -> str:
    return f"""
      SELECT name AS {name}, min(first_seen) AS first_seen, max(last_seen) AS last_seen, {words.whole("calls")},
        {words.known_usd()}, sum(total_tokens) AS total_tokens, {words.whole("errors")},
        {words.whole("input_tokens")}, {words.whole("output_tokens")}, {words.whole("unpriced_calls")}
      FROM rollup_daily WHERE subject = '{subject}' GROUP BY name
    """


def views(words: Words) -> dict[str, str]:
    # Only the buckets at which a share of the calls is reached: four rows of a hundred are left to be grouped.
    crossing = " OR ".join(
        f"(reached >= {n} * total AND reached - calls < {n} * total)" for n in (0.5, 0.9, 0.95, 0.99)
    )
    return {
        "v_daily_cost": f"""
          SELECT substr(hour, 1, 10) AS day, provider, model, sum(calls) AS calls, {ERRORS} AS errors,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cached_tokens) AS cached_tokens, {words.usd("cost_pico_usd")} AS cost_usd,
            sum(unpriced_calls) AS unpriced_calls
          FROM rollup_hourly GROUP BY 1, 2, 3
        """,
        "v_hourly": f"""
          SELECT hour, sum(calls) AS calls, {ERRORS} AS errors, sum(input_tokens) AS input_tokens,
            sum(output_tokens) AS output_tokens, {words.usd("cost_pico_usd")} AS cost_usd,
            sum(duration_ms_sum) / sum(calls) AS average_ms
          FROM rollup_hourly GROUP BY hour
        """,
        "v_model_latency": f"""
          SELECT {words.identity("cumulated.day")} AS day, cumulated.provider, cumulated.model,
            max(CASE WHEN measure = 'duration' THEN total ELSE 0 END) AS calls,
            {percentile(0.5, "duration")} AS p50_ms, {percentile(0.9, "duration")} AS p90_ms,
            {percentile(0.95, "duration")} AS p95_ms, {percentile(0.99, "duration")} AS p99_ms,
            {percentile(0.5, "ttft")} AS ttft_p50_ms, {percentile(0.95, "ttft")} AS ttft_p95_ms
          FROM ({CUMULATED}) AS cumulated LEFT JOIN ({TOTALS}) AS totals USING (day, provider, model, measure)
          WHERE {crossing} GROUP BY cumulated.day, cumulated.provider, cumulated.model
        """,
        "v_failures": f"""
          SELECT {words.text("failed.provider", 100).replace("AS failed.", "AS ")},
            {words.text("failed.model", 200).replace("AS failed.", "AS ")}, outcome,
            nullif(http_status, 0) AS http_status, {words.text("error_type", 100)}, {words.text("error_code", 100)},
            failed.calls, last_seen, {words.identity("last_id")} AS sample_id, failed.day,
            {words.fraction("failed.calls", "every.calls")} AS share
          FROM failure_daily AS failed JOIN (SELECT substr(hour, 1, 10) AS day, provider, model, sum(calls) AS calls
            FROM rollup_hourly GROUP BY 1, 2, 3) AS every
          ON every.day = failed.day AND every.provider = failed.provider AND every.model = failed.model
        """,
        "v_slowest": largest(
            "id, started_at, provider, model, operation, duration_ms, ttft_ms, output_tokens, outcome",
            "duration_ms", "duration_ms", SLOW_MS,
        ),
        "v_expensive": largest(
            "id, started_at, provider, model, operation, cost_usd, input_tokens, output_tokens, outcome",
            "cost_usd", "cost_pico_usd", DEAR_PICO_USD,
        ),
        "v_sessions": by_subject(words, "session", "session_id"),
        "v_users": by_subject(words, "user", "user_id"),
        "v_tools": by_subject(words, "tool", "tool"),
        "v_daily_use": f"""
          SELECT day, subject, name, calls, errors, input_tokens, output_tokens, total_tokens,
            CASE WHEN unpriced_calls < calls THEN {words.usd("cost_pico_usd", is_sum=False)} END AS cost_usd,
            unpriced_calls, first_seen, last_seen
          FROM rollup_daily
        """,
        "v_prompt_performance": f"""
          SELECT counted.prompt_name, counted.prompt_version, counted.calls, counted.errors,
            {words.fraction("counted.errors", "counted.calls")} AS error_rate, timed.p50_ms, timed.p95_ms,
            counted.input_tokens, counted.output_tokens, counted.cost_usd,
            counted.cost_usd / nullif(counted.calls - counted.unpriced_calls, 0) AS avg_cost_usd,
            counted.unpriced_calls, scored.score_mean, coalesce(scored.score_n, 0) AS score_n, scored.score_low,
            scored.score_high, counted.first_day, counted.last_day
          FROM (SELECT prompt_name, prompt_version, {words.whole("calls")},
              {ERRORS} AS errors, {words.whole("input_tokens")},
              {words.whole("output_tokens")}, {words.known_usd()}, {words.whole("unpriced_calls")},
              substr(min(hour), 1, 10) AS first_day, substr(max(hour), 1, 10) AS last_day
            FROM rollup_hourly WHERE prompt_name <> '' GROUP BY prompt_name, prompt_version) AS counted
          LEFT JOIN (SELECT prompt_name, prompt_version, {percentile(0.5)} AS p50_ms, {percentile(0.95)} AS p95_ms
            FROM ({OF_PROMPTS}) AS cumulated GROUP BY prompt_name, prompt_version) AS timed
            ON timed.prompt_name = counted.prompt_name AND timed.prompt_version = counted.prompt_version
          LEFT JOIN (SELECT prompt_name, coalesce(prompt_version, 0) AS prompt_version, avg(score) AS score_mean,
              count(*) AS score_n, min(score) AS score_low, max(score) AS score_high
            FROM interaction WHERE score IS NOT NULL AND prompt_name IS NOT NULL GROUP BY 1, 2) AS scored
            ON scored.prompt_name = counted.prompt_name AND scored.prompt_version = counted.prompt_version
        """,
        "prompt_history": """
          SELECT i.started_at AS "timestamp", coalesce(t.input_text, i.input_preview) AS input_text,
            coalesce(t.output_text, i.output_preview) AS output_text, i.provider AS backend, i.model AS model_used,
            i.prompt_name AS preset, i.attempts AS attempt, i.duration_ms AS latency_ms, i.success, i.error_message,
            CASE WHEN NOT i.success THEN coalesce(i.error_code, i.error_type, i.outcome) END AS failure_reason,
            i.metadata
          FROM interaction AS i LEFT JOIN interaction_text AS t ON t.interaction_id = i.id
        """,
    }  # fmt: skip


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def word(name: str, length: int) -> sa.Column:
    return sa.Column(name, string(length), nullable=False)


def given(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def table(name: str, keys: list[sa.Column], *others: sa.Column) -> None:
    key = sa.PrimaryKeyConstraint(*[column.name for column in keys], name=op.f(f"pk_{name}"))
    op.create_table(name, *keys, *others, key, sqlite_with_rowid=False)


def upgrade() -> None:
    tables()
    for name, (columns, condition) in INDEXES.items():
        only = {f"{engine}_where": sa.text(condition) for engine in ("sqlite", "postgresql")}
        op.create_index(name, "interaction", columns, **only)
    is_postgres = op.get_bind().dialect.name == "postgresql"
    for name, query in views(Words(is_postgres)).items():
        if not is_postgres and name not in NEW:
            op.execute(f"DROP VIEW IF EXISTS {name}")
        # On Postgres somebody's own views may be made of ours: they stay.
        op.execute(f"CREATE {'OR REPLACE ' if is_postgres else ''}VIEW {name} AS {query}")


def tables() -> None:
    sums = [given(name, sa.BigInteger()) for name in ("calls", "errors", "input_tokens", "output_tokens",
                                                      "total_tokens", "cost_pico_usd", "unpriced_calls")]  # fmt: skip
    table("rollup_daily", [word("subject", 12), word("name", 200), word("day", 10)], *sums,
          given("first_seen", INSTANT), given("last_seen", INSTANT))  # fmt: skip
    table(
        "latency_daily",
        [word("day", 10), word("provider", 100), word("model", 200), word("measure", 10), given("bucket", INTEGER),
         word("prompt_name", 200), given("prompt_version", INTEGER)],
        given("upper_ms", sa.Float()), given("calls", sa.BigInteger()),
    )  # fmt: skip
    table(
        "failure_daily",
        [word("day", 10), word("provider", 100), word("model", 200), word("outcome", 30), given("http_status", INTEGER),
         word("error_type", 100), word("error_code", 100)],
        given("calls", sa.BigInteger()), given("last_seen", INSTANT), given("last_id", ID),
    )  # fmt: skip


def fill(connection: sa.Connection, after: str | None, _rows: int) -> tuple[int, str | None]:
    """The daily rollups are counted from the calls that are there, a day at a time."""
    day = day_after(connection, after)
    return (0, None) if day is None else (rebuild_day(connection, day, OURS).calls, day)


def downgrade() -> None:
    earlier = earlier_views()
    is_postgres = op.get_bind().dialect.name == "postgresql"
    for name in views(Words(is_postgres)):
        op.execute(f"DROP VIEW IF EXISTS {name}")
    for name, query in earlier.items():
        op.execute(f"CREATE VIEW {name} AS {query}")
    for name in INDEXES:
        op.drop_index(name, "interaction")
    for name in ("failure_daily", "latency_daily", "rollup_daily"):
        op.drop_table(name)


def earlier_views() -> dict[str, str]:
    """Return the views as the first revision made them."""
    module = ScriptDirectory(context.script.dir).get_revision("0001").module
    is_postgres = op.get_bind().dialect.name == "postgresql"
    queries = {name: query for name, query in module.VIEWS.items() if name in views(Words(is_postgres))}
    return {name: module.on_postgres(query) if is_postgres else query for name, query in queries.items()}
