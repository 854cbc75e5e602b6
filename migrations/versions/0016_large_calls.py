"""More of the slow and dear calls in their indexes, and room beside the sums that are changed again and again.

Only a call in a thousand cost 0.10 USD or took 30 s: lists of the largest, which ask for fifty, looked at every call of
records that have fewer. Additive: the previous release reads what it did, such lists from all calls.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from alembic.script import ScriptDirectory

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
compatible_with = "0001"

SLOW_MS, DEAR_PICO_USD = 10_000, 10_000_000_000
SLOW_MS_BEFORE, DEAR_PICO_USD_BEFORE = 30_000, 100_000_000_000
SUMS = ("rollup_hourly", "rollup_daily", "latency_histogram", "latency_daily", "failure_daily")
# A row that is changed finds room for its next version on its own page, and no index hears of it.
ROOM = ("fillfactor = 70", "autovacuum_vacuum_scale_factor = 0.05", "autovacuum_vacuum_threshold = 1000")


def upgrade() -> None:
    change(SLOW_MS, DEAR_PICO_USD)
    for table in sums():
        op.execute(f"ALTER TABLE {table} SET ({', '.join(ROOM)})")


def downgrade() -> None:
    change(SLOW_MS_BEFORE, DEAR_PICO_USD_BEFORE)
    for table in sums():
        op.execute(f"ALTER TABLE {table} RESET ({', '.join(item.partition(' ')[0] for item in ROOM)})")


def sums() -> tuple[str, ...]:
    return SUMS if op.get_context().dialect.name == "postgresql" else ()


def change(slow_ms: int, dear_pico_usd: int) -> None:
    """Make indexes and views of calls from so much on."""
    is_postgres = op.get_context().dialect.name == "postgresql"
    largest = ScriptDirectory(context.script.dir).get_revision("0010").module.largest
    shown = "id, started_at, provider, model, operation"
    for column, least in (("duration_ms", slow_ms), ("cost_pico_usd", dear_pico_usd)):
        wanted = sa.text(f"{column} >= {least}")
        op.drop_index(f"ix_interaction_{column}", "interaction")
        op.create_index(
            f"ix_interaction_{column}", "interaction", [column], sqlite_where=wanted, postgresql_where=wanted
        )
    views = {
        "v_slowest": largest(
            f"{shown}, duration_ms, ttft_ms, output_tokens, outcome", "duration_ms", "duration_ms", slow_ms
        ),
        "v_expensive": largest(
            f"{shown}, cost_usd, input_tokens, output_tokens, outcome", "cost_usd", "cost_pico_usd", dear_pico_usd
        ),
    }
    for name, query in views.items():
        if not is_postgres:
            op.execute(f"DROP VIEW IF EXISTS {name}")
        op.execute(f"CREATE {'OR REPLACE ' if is_postgres else ''}VIEW {name} AS {query}")
