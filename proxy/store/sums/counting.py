"""The rollups, one after the other: what each counts by, its deltas (``rollups``, ``daily``), and how they are added.

Adding goes in one order of tables and keys, so that hosts which add to the same rows never wait in a circle. What
counts nothing any more is removed, and so is what never did: a call that an older Dashcam has counted in the tables
that it knows is taken out of all, and nobody could divide by the nought that it would leave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Table

from proxy.domain.interaction import Interaction
from proxy.domain.outcome import Outcome
from proxy.store.engines.bulk import add_up, run_many
from proxy.store.schema import rollup_tables
from proxy.store.schema.columns import milliseconds_of
from proxy.store.schema.rows import upsert_sql
from proxy.store.sums import daily
from proxy.store.sums.rollups import (
    Counts,
    Key,
    Sums,
    difference,
    latency_counts,
    latency_rows,
    rollup_changes,
    rollup_rows,
)

COUNTED = (
    "id", "started_at", "session_id", "user_id", "app", "environment", "key_id", "operation", "method", "endpoint",
    "route", "provider", "model", "tool_names", "prompt_name", "prompt_version", "outcome", "success", "http_status",
    "error_type", "error_code", "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "cost_pico_usd",
    "duration_ms", "ttft_ms",
)  # fmt: skip
"""The columns of a call that rollups look at, and those without which there is no call."""


class Recount:
    """Calls as they are and as they were before: none of them where they are new."""

    def __init__(self, olds: Sequence[Interaction], news: Sequence[Interaction]) -> None:
        self.olds, self.news = olds, news

    def __repr__(self) -> str:
        return f"<Recount {len(self.olds)} as {len(self.news)}>"

    @cached_property
    def sums(self) -> Sums:
        """What hours sum up more: the sums of days are folded from it."""
        return rollup_changes(self.olds, self.news)

    @cached_property
    def latencies(self) -> Counts:
        """How many calls the buckets of hours count more: those of days are folded from them."""
        return difference(latency_counts(self.olds), latency_counts(self.news))


@dataclass(frozen=True, slots=True)
class Rollup:
    """One table of sums: rows are added by ``add_sql``, ``changes`` says which; ``by`` is the day or the hour."""

    table: Table
    changes: Callable[[Recount], list[Key]]
    add_sql: str
    by: str = "day"

    @property
    def keys(self) -> list[str]:
        """Return the key's columns, which come first in a row."""
        return [column.name for column in self.table.primary_key]

    @property
    def empty_sql(self) -> str:
        """Return the statement that removes a row that counts nothing; fewer than no calls were never counted."""
        return f"DELETE FROM {self.table.name} WHERE {' AND '.join(f'{name} = ?' for name in self.keys)} AND calls <= 0"  # noqa: S608 - ours

    @property
    def calls_at(self) -> int:
        """Return where a row says how many calls it counts."""
        return list(self.table.columns.keys()).index("calls")


# A call's tokens have a ceiling that no day's sum can pass; what providers say that calls have cost has not.
_TOKENS = ("calls", "input_tokens", "output_tokens", "unpriced_calls")
_COST = ("cost_pico_usd",)
_hourly: Table = rollup_tables.RollupRow.__table__  # type: ignore[attr-defined]
_latency: Table = rollup_tables.LatencyRow.__table__  # type: ignore[attr-defined]
_usage: Table = rollup_tables.DailyRollupRow.__table__  # type: ignore[attr-defined]
_use: Table = rollup_tables.DailyUseRow.__table__  # type: ignore[attr-defined]
_daily_latency: Table = rollup_tables.DailyLatencyRow.__table__  # type: ignore[attr-defined]
_failure: Table = rollup_tables.DailyFailureRow.__table__  # type: ignore[attr-defined]
_SUMMED = (*_TOKENS, "cached_tokens", "duration_ms_sum")
_ADD_HOUR = upsert_sql(_hourly, added=_SUMMED, bounded=_COST)
_ADD_DAY = upsert_sql(_usage, added=_SUMMED, bounded=_COST)
_ADD_USE = upsert_sql(
    _use, added=(*_TOKENS, "errors", "total_tokens"), bounded=_COST, least=("first_seen",), with_greatest=("last_seen",)
)
_ADD_FAILURE = upsert_sql(_failure, added=("calls",), with_greatest=("last_seen", "last_id"))
HOURLY = (
    Rollup(_hourly, lambda calls: rollup_rows(calls.sums), _ADD_HOUR, "hour"),
    Rollup(_latency, lambda calls: latency_rows(calls.latencies), upsert_sql(_latency, added=("calls",)), "hour"),
)
DAILY = (
    Rollup(_usage, lambda calls: daily.usage_rows(calls.sums), _ADD_DAY),
    Rollup(_use, lambda calls: daily.use_changes(calls.olds, calls.news), _ADD_USE),
    Rollup(
        _daily_latency,
        lambda calls: daily.latency_rows(calls.latencies, daily.prompt_changes(calls.olds, calls.news)),
        upsert_sql(_daily_latency, added=("calls",)),
    ),
    Rollup(_failure, lambda calls: daily.failure_changes(calls.olds, calls.news), _ADD_FAILURE),
)
ROLLUPS = (*HOURLY, *DAILY)


def count(connection: Connection, calls: Recount, rollups: Sequence[Rollup] = ROLLUPS) -> None:
    """Let rollups and histograms count calls as they are now, instead of as they were."""
    for rollup in rollups:
        changes = rollup.changes(calls)
        add_up(connection, rollup.table, rollup.add_sql, changes)
        if calls.olds:
            width, at = len(rollup.keys), rollup.calls_at
            run_many(connection, rollup.empty_sql, [change[:width] for change in changes if change[at] <= 0])


def counted(row: Any) -> Interaction:
    """Return what of a stored row the rollups count."""
    values = {name: row[name] for name in COUNTED}
    values |= {
        "started_at": milliseconds_of(values["started_at"]),
        "outcome": Outcome(values["outcome"]),
        "success": bool(values["success"]),
        "tool_names": tuple(values["tool_names"] or ()),
    }
    return Interaction(**values)
