"""What the rollups must say, worked out from the rows alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.settings.database import DatabaseSettings
from proxy.store.engines.engine import backend_of

_FROM_ROWS = """
  SELECT {hour}, coalesce(provider, ''), coalesce(model, ''), outcome, count(*),
    sum(coalesce(input_tokens, 0)), sum(coalesce(output_tokens, 0)), sum(coalesce(cached_tokens, 0)),
    sum(coalesce(cost_pico_usd, 0)), sum(CASE WHEN cost_pico_usd IS NULL THEN 1 ELSE 0 END)
  FROM interaction GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_FROM_ROLLUPS = """
  SELECT hour, provider, model, outcome, sum(calls), sum(input_tokens), sum(output_tokens), sum(cached_tokens),
    sum(cost_pico_usd), sum(unpriced_calls)
  FROM rollup_hourly GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_SUMS_OF_DAYS = """
  SELECT day, provider, model, route, prompt_name, prompt_version, outcome, calls, input_tokens, output_tokens,
    cached_tokens, cost_pico_usd, unpriced_calls, duration_ms_sum
  FROM usage_daily ORDER BY 1, 2, 3, 4, 5, 6, 7
"""
_SUMS_OF_DAYS_OF_ROWS = """
  SELECT {day}, coalesce(provider, ''), coalesce(model, ''), coalesce(route, ''), coalesce(prompt_name, ''),
    coalesce(prompt_version, 0), outcome, count(*), sum(coalesce(input_tokens, 0)), sum(coalesce(output_tokens, 0)),
    sum(coalesce(cached_tokens, 0)), sum(coalesce(cost_pico_usd, 0)),
    sum(CASE WHEN cost_pico_usd IS NULL THEN 1 ELSE 0 END), sum(coalesce(duration_ms, 0))
  FROM interaction GROUP BY 1, 2, 3, 4, 5, 6, 7
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


_USES = (
    "SELECT subject, name, day, calls, errors, input_tokens, output_tokens, total_tokens, cost_pico_usd, "
    "unpriced_calls FROM rollup_daily"
)
_USERS_OF_CALLS = (
    "SELECT started_at, user_id, session_id, key_id, app, environment, tool_names, outcome, input_tokens, "
    "output_tokens, total_tokens, cost_pico_usd FROM interaction"
)
_FAILURES = "SELECT day, provider, model, outcome, http_status, error_type, error_code, calls FROM failure_daily"
_FAILURES_OF_ROWS = """
  SELECT {day}, coalesce(provider, ''), coalesce(model, ''), outcome, coalesce(http_status, 0),
    coalesce(error_type, ''), coalesce(error_code, ''), count(*)
  FROM interaction WHERE outcome NOT IN ('completed', 'client_gone') GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
_DAILY_LATENCIES = """
  SELECT day, provider, model, prompt_name, prompt_version, measure, sum(calls) FROM latency_daily
  GROUP BY 1, 2, 3, 4, 5, 6
"""
_DAILY_LATENCIES_OF_ROWS = """
  SELECT {day}, coalesce(provider, ''), coalesce(model, ''), '', 0, '{measure}', count(*) FROM interaction
  WHERE success AND {measure}_ms IS NOT NULL GROUP BY 1, 2, 3
"""
_PROMPT_LATENCIES_OF_ROWS = """
  SELECT {day}, '', '', prompt_name, coalesce(prompt_version, 0), 'prompt', count(*) FROM interaction
  WHERE success AND duration_ms IS NOT NULL AND prompt_name IS NOT NULL GROUP BY 1, 4, 5
"""


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
    by_day, of_rows = ask(database, _SUMS_OF_DAYS), sorted(ask(database, _SUMS_OF_DAYS_OF_ROWS.format(**parts)))
    assert [row[:-1] for row in by_day] == [row[:-1] for row in of_rows]
    assert [row[-1] for row in by_day] == pytest.approx([row[-1] for row in of_rows], rel=1e-9, abs=1e-6)
    assert ask(database, _LATENCIES) == ask(database, _LATENCIES_OF_ROWS.format(**parts))
    told, counted = ask(database, _DAILY_VIEW), ask(database, _DAILY_OF_ROWS.format(**parts))
    assert [row[:3] for row in told] == [row[:3] for row in counted]
    # Of many dollars the view has a floating-point sum; what is exact is the sum of whole pico-dollars, above.
    assert [float(row[3]) for row in told] == pytest.approx([float(row[3]) for row in counted], rel=1e-12)
    failures = ask(database, _FAILURES_OF_ROWS.format(**parts))
    assert sorted(ask(database, _FAILURES)) == sorted(failures)
    timed = [ask(database, _DAILY_LATENCIES_OF_ROWS.format(measure=each, **parts)) for each in ("duration", "ttft")]
    prompted = ask(database, _PROMPT_LATENCIES_OF_ROWS.format(**parts))
    assert sorted(ask(database, _DAILY_LATENCIES)) == sorted([*timed[0], *timed[1], *prompted])
    assert sorted(ask(database, _USES)) == _uses_of_rows(database)


def _uses_of_rows(database: DatabaseSettings) -> list[tuple[Any, ...]]:
    sums: dict[tuple[str, str, str], list[int]] = {}
    for at, user, session, key, app, environment, tools, outcome, *tokens, cost in ask(database, _USERS_OF_CALLS):
        names = [("user", user), ("session", session), ("key", key), ("app", app), ("environment", environment)]
        names += [("tool", tool) for tool in set(json.loads(tools or "[]"))]
        amounts = [1, outcome not in ("completed", "client_gone"), *(item or 0 for item in tokens), cost or 0]
        for subject, name in names:
            if name:
                found = sums.setdefault((subject, name, at[:10]), [0] * 7)
                sums[subject, name, at[:10]] = [
                    old + more for old, more in zip(found, [*amounts, cost is None], strict=True)
                ]
    return sorted((*place, *values) for place, values in sums.items())
