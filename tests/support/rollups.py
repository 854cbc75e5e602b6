"""What the rollups must say, worked out from the rows alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

FROM_ROWS = """
  SELECT substr(started_at, 1, 13), coalesce(provider, ''), coalesce(model, ''), outcome, count(*),
    sum(coalesce(input_tokens, 0)), sum(coalesce(output_tokens, 0)), sum(coalesce(cached_tokens, 0)),
    sum(coalesce(cost_pico_usd, 0)), sum(cost_pico_usd IS NULL)
  FROM interaction GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
FROM_ROLLUPS = """
  SELECT hour, provider, model, outcome, calls, input_tokens, output_tokens, cached_tokens, cost_pico_usd,
    unpriced_calls
  FROM rollup_hourly ORDER BY 1, 2, 3, 4
"""
LATENCIES = """
  SELECT hour, provider, model, sum(calls) FROM latency_histogram WHERE measure = 'duration' GROUP BY 1, 2, 3
  ORDER BY 1, 2, 3
"""
LATENCIES_OF_ROWS = """
  SELECT substr(started_at, 1, 13), coalesce(provider, ''), coalesce(model, ''), count(*) FROM interaction
  WHERE success AND duration_ms IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
DAILY_OF_ROWS = """
  SELECT substr(started_at, 1, 10), coalesce(provider, ''), coalesce(model, ''), sum(coalesce(cost_pico_usd, 0)) / 1e12
  FROM interaction GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
DAILY_VIEW = "SELECT day, provider, model, cost_usd FROM v_daily_cost ORDER BY 1, 2, 3"


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return what the database answers."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def assert_rollups_equal_the_rows(path: Path) -> None:
    """Fail where a rollup, a histogram or a view says something else than the rows."""
    assert ask(path, FROM_ROLLUPS) == ask(path, FROM_ROWS)
    assert ask(path, LATENCIES) == ask(path, LATENCIES_OF_ROWS)
    assert ask(path, DAILY_VIEW) == ask(path, DAILY_OF_ROWS)
