"""The sums of hours by day, for questions of weeks and months: of a million calls they are a ninth of the rows.

They are summed up from the hours, and so are right for calls as well that retention has dropped. Views that tell of
days read them, and answer as before. Additive: what the previous release records after this revision is missing in
them until ``dashcam db rebuild-rollups``; ``dashcam db check`` says so.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
compatible_with = "0001"

VIEWS = ("v_daily_cost", "v_failures", "v_prompt_performance")
KEYS = "provider, model, route, prompt_name, prompt_version, outcome"
WHOLE = ("calls", "input_tokens", "output_tokens", "cached_tokens")
LARGEST = 2**63 - 1
PART = 10**9
# A day's cost may be more than 64 bits, and stays at the most that they say, as when calls are added. A whole sum of
# SQLite's would fail there: it is added up in two parts, of which neither has so many hours.
HIGH, LOW = f"sum(cost_pico_usd / {PART})", f"sum(cost_pico_usd % {PART})"
COST_ON_SQLITE = f"""
    CASE WHEN ({HIGH} + {LOW} / {PART}, {LOW} % {PART}) > ({LARGEST // PART}, {LARGEST % PART}) THEN {LARGEST}
      ELSE {HIGH} * {PART} + {LOW} END
"""
COST_ON_POSTGRES = f"least(sum(cost_pico_usd), {LARGEST})"


def upgrade() -> None:
    make_table()
    cost = COST_ON_POSTGRES if is_postgres() else COST_ON_SQLITE
    op.execute(f"""
      INSERT INTO usage_daily (day, {KEYS}, {", ".join(WHOLE)}, cost_pico_usd, unpriced_calls, duration_ms_sum)
      SELECT substr(hour, 1, 10), {KEYS}, {", ".join(f"sum({name})" for name in WHOLE)}, {cost}, sum(unpriced_calls),
        sum(duration_ms_sum)
      FROM rollup_hourly GROUP BY substr(hour, 1, 10), {KEYS}
    """)
    for name in VIEWS:
        replace(name, of_days(earlier(name)))


def downgrade() -> None:
    for name in VIEWS:
        replace(name, earlier(name))
    op.drop_table("usage_daily")


def make_table() -> None:
    keys = [word("day", 10), word("provider", 100), word("model", 200), word("route", 200), word("prompt_name", 200),
            given("prompt_version", sa.Integer().with_variant(sa.BigInteger(), "postgresql")), word("outcome", 30)]  # fmt: skip
    sums = [given(name, sa.BigInteger()) for name in (*WHOLE, "cost_pico_usd", "unpriced_calls")]
    key = sa.PrimaryKeyConstraint(*[column.name for column in keys], name=op.f("pk_usage_daily"))
    op.create_table("usage_daily", *keys, *sums, given("duration_ms_sum", sa.Float()), key, sqlite_with_rowid=False)
    if is_postgres():
        op.execute(f"ALTER TABLE usage_daily SET ({', '.join(module_of('0016').ROOM)})")


def word(name: str, length: int) -> sa.Column:
    text = sa.String(length=length)
    return given(name, text.with_variant(sa.String(length=length, collation="C"), "postgresql"))


def given(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def earlier(name: str) -> str:
    module = module_of("0010")
    return module.views(module.Words(is_postgres()))[name]


def of_days(query: str) -> str:
    """Return a view's query as one of days, its columns and their kinds the same."""
    day = "day::text" if is_postgres() else "day"
    return (
        query.replace("substr(hour, 1, 10)", day)
        .replace("(hour)", "(day)")
        .replace("FROM rollup_hourly", "FROM usage_daily")
    )


def replace(name: str, query: str) -> None:
    if not is_postgres():
        op.execute(f"DROP VIEW IF EXISTS {name}")
    # On Postgres somebody's own views may be made of ours: they stay.
    op.execute(f"CREATE {'OR REPLACE ' if is_postgres() else ''}VIEW {name} AS {query}")


def module_of(number: str):
    return context.script.get_revision(number).module


def is_postgres() -> bool:
    return op.get_context().dialect.name == "postgresql"
