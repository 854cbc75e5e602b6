"""How often each version of a prompt was used, when last, and what came of that: from the record of calls.

Counts are sums over the hours (``rollup_hourly``), which stay when the calls themselves are dropped by months. The last
call is looked for in the one hour that the sums name, by the index of its instants: no question goes through a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from proxy.store.catalogue.values import instant_from
from proxy.store.contents.parts import texts_of
from proxy.store.engines.partitions import bounded
from proxy.store.filters.statements import NEWEST_FIRST, Filters, conditions_of

_HOUR = timedelta(hours=1)
_SUMS = (
    "SELECT prompt_name, prompt_version, sum(calls) AS calls, max(hour) AS hour FROM rollup_hourly "
    "WHERE prompt_name <> '' GROUP BY prompt_name, prompt_version"
)
_SUMS_OF = _SUMS.replace("<> ''", "= ?")
_COLUMNS = "id, started_at, prompt_version, prompt_label, outcome, model"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptUsage:
    """``last_hour`` is when the hour of its last call began (UTC), None without any; ``versions`` are calls by number.

    Versions of no number (a prompt that was not found) are counted with 0.
    """

    calls: int = 0
    last_hour: datetime | None = None
    versions: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCall:
    """A prompt's newest call; ``output`` is what was answered, as text and cut, None where nothing is kept of it."""

    id: str
    started_at: datetime
    version: int | None
    label: str | None
    model: str | None
    outcome: str
    output: str | None


def all_usage(connection: Connection) -> dict[str, PromptUsage]:
    """Return the usage of every prompt that was ever used, by name."""
    return _summed(connection, _SUMS, ())


def usage_of(connection: Connection, prompt: str) -> PromptUsage:
    """Return the usage of one prompt."""
    return _summed(connection, _SUMS_OF, (prompt,)).get(prompt, PromptUsage())


def last_call(connection: Connection, prompt: str, hour: datetime, *, with_output: bool = False) -> LastCall | None:
    """Return the newest call of an hour that used a prompt; None where it is not on record any more.

    Its output is read only where it is wanted.
    """
    since, until = (round(at.timestamp() * 1000) for at in (hour, hour + _HOUR))
    span = Filters(since=since, until=until)
    if connection.dialect.name == "postgresql":
        span = bounded(span)
    conditions, values = conditions_of(span)
    where = " AND ".join([*conditions, "prompt_name = ?"])
    sql = f"SELECT {_COLUMNS} FROM interaction WHERE {where} {NEWEST_FIRST} LIMIT 1"  # noqa: S608 - ours
    row = connection.exec_driver_sql(sql, (*values, prompt)).mappings().first()
    if row is None:
        return None
    output = texts_of(connection, str(row["id"]))[1] if with_output else None
    return _call({**row, "output_text": output})


def _call(row: Mapping[str, Any]) -> LastCall:
    return LastCall(
        id=str(row["id"]),
        started_at=instant_from(row["started_at"]),
        version=row["prompt_version"],
        label=row["prompt_label"],
        model=row["model"],
        outcome=row["outcome"],
        output=row["output_text"],
    )


def _summed(connection: Connection, sql: str, values: tuple[Any, ...]) -> dict[str, PromptUsage]:
    found: dict[str, list[tuple[int, int, str]]] = {}
    for name, version, calls, hour in connection.exec_driver_sql(sql, values):
        found.setdefault(str(name), []).append((int(version), int(calls), str(hour)))
    return {name: _usage(rows) for name, rows in found.items()}


def _usage(rows: list[tuple[int, int, str]]) -> PromptUsage:
    used = [row for row in rows if row[1]]
    return PromptUsage(
        calls=sum(calls for _, calls, _ in used),
        last_hour=max((_begin(hour) for _, _, hour in used), default=None),
        versions={version: calls for version, calls, _ in sorted(used)},
    )


def _begin(hour: str) -> datetime:
    return datetime.fromisoformat(f"{hour}:00:00").replace(tzinfo=UTC)
