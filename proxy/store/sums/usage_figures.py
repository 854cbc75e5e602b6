"""Totals of what is on record, computed from the rollups: calls, tokens, cost and latency by provider and model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

_CALLS = (
    "SELECT provider, model, sum(calls) AS calls, "
    "sum(CASE WHEN outcome IN ('completed', 'client_gone') THEN 0 ELSE calls END) AS errors, "
    "sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens, "
    "sum(cost_pico_usd) AS cost_pico_usd, sum(unpriced_calls) AS unpriced "
    "FROM usage_daily GROUP BY provider, model ORDER BY calls DESC, provider, model"
)
_LATENCIES = (
    "SELECT provider, model, upper_ms, sum(calls) AS calls FROM latency_daily WHERE measure = 'duration' "
    "GROUP BY provider, model, upper_ms ORDER BY upper_ms"
)


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """One model of one provider; empty names mean none. Latencies are upper bounds of 5 % buckets, None without any."""

    provider: str
    model: str
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_pico_usd: int
    unpriced: int
    p50_ms: float | None
    p95_ms: float | None


def model_figures(connection: Connection) -> list[ModelFigures]:
    """Return the figures of all models, the busiest first."""
    buckets: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for provider, model, upper, calls in connection.exec_driver_sql(_LATENCIES):
        buckets.setdefault((provider, model), []).append((float(upper), int(calls)))
    found = []
    for row in connection.exec_driver_sql(_CALLS).mappings():
        mine = buckets.get((row["provider"], row["model"]), [])
        found.append(ModelFigures(**row, p50_ms=percentile(mine, 0.5), p95_ms=percentile(mine, 0.95)))
    return found


def percentile(buckets: Sequence[tuple[float, int]], share: float) -> float | None:
    """Return the bound below which a share of the calls lies; buckets are (upper bound, calls), rising."""
    wanted, reached = share * sum(calls for _, calls in buckets), 0
    for upper, calls in buckets:
        reached += calls
        if reached >= wanted:
            return round(upper, 3)
    return None
