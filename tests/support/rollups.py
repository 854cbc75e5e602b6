"""What the rollups must say, worked out from the rows alone."""

from __future__ import annotations

from typing import Any

from proxy.settings.database import DatabaseSettings
from proxy.store.engine import backend_of

_FROM_ROWS = """
  SELECT {hour}, coalesce(provider, ''), coalesce(model, ''), outcome, count(*),
    sum(coalesce(input_tokens, 0)), sum(coalesce(output_tokens, 0)), sum(coalesce(cached_tokens, 0)),
    sum(coalesce(cost_pico_usd, 0)), sum(CASE WHEN cost_pico_usd IS NULL THEN 1 ELSE 0 END)
  FROM interaction GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_FROM_ROLLUPS = """
  SELECT hour, provider, model, outcome, calls, input_tokens, output_tokens, cached_tokens, cost_pico_usd,
    unpriced_calls
  FROM rollup_hourly ORDER BY 1, 2, 3, 4
"""
_LATENCIES = """
  SELECT hour, provider, model, sum(calls) FROM latency_histogram WHERE measure = 'duration' GROUP BY 1, 2, 3
  ORDER BY 1, 2, 3
"""
_LATENCIES_OF_ROWS = """
  SELECT {hour}, coalesce(provider, ''), coalesce(model, ''), count(*) FROM interaction
  WHERE success AND duration_ms IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_DAILY_OF_ROWS = """
  SELECT {day}, coalesce(provider, ''), coalesce(model, ''), sum(coalesce(cost_pico_usd, 0)) / 1e12
  FROM interaction GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_DAILY_VIEW = "SELECT day, provider, model, cost_usd FROM v_daily_cost ORDER BY 1, 2, 3"
_PARTS = {
    True: {
        "hour": "to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24')",
        "day": "to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    },
    False: {"hour": "substr(started_at, 1, 13)", "day": "substr(started_at, 1, 10)"},
}


def ask(database: DatabaseSettings, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Return what the database answers, in the values that the store reads; also changes what it is told to."""
    is_question = sql.lstrip().startswith(("SELECT", "EXPLAIN", "PRAGMA"))
    engine = backend_of(database).reader() if is_question else backend_of(database).writer()
    try:
        with engine.begin() as connection:
            found = connection.exec_driver_sql(sql, values)
            return [tuple(row) for row in found] if found.returns_rows else []
    finally:
        engine.dispose()


def assert_rollups_equal_the_rows(database: DatabaseSettings) -> None:
    """Fail where a rollup, a histogram or a view says something else than the rows."""
    parts = _PARTS[database.is_postgres]
    assert ask(database, _FROM_ROLLUPS) == ask(database, _FROM_ROWS.format(**parts))
    assert ask(database, _LATENCIES) == ask(database, _LATENCIES_OF_ROWS.format(**parts))
    assert ask(database, _DAILY_VIEW) == ask(database, _DAILY_OF_ROWS.format(**parts))
