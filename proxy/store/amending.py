"""Changing rows that are stored: a new price, a better reading. The old values are kept beside, rollups follow.

A change says what the row must say before and what it says after; where the row says something else by now, it is left
alone. So a batch may be written any number of times, in any order with new calls, and changes each row once. Totals
behind ``/metrics`` count what was accepted when it was, and are not rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from proxy.domain.cost import Price
from proxy.domain.interaction import Interaction
from proxy.domain.outcome import Outcome
from proxy.store import rows, tables
from proxy.store.bulk import run_many
from proxy.store.columns import instant_text
from proxy.store.reading import Row, decoded
from proxy.store.rollups import LATENCY_SQL, ROLLUP_SQL, latency_changes, rollup_changes

AMENDABLE = frozenset(rows.COLUMNS) - {"id", "started_at", *rows.USD}
_PRICE = rows.insert_sql(tables.PriceRow.__table__, ignore=True)  # type: ignore[attr-defined]
_HISTORY = (
    "INSERT INTO amendment (interaction_id, amended_at, command, reason, cost_pico_usd_before, cost_pico_usd_after, "
    "price_id_before, price_id_after, before, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COUNTED = "UPDATE made_answer SET is_counted = TRUE WHERE provider = ? AND response_id = ?"
_TEXT = (
    "INSERT INTO interaction_text (interaction_id, input_text, output_text) VALUES (?, ?, ?) "
    "ON CONFLICT (interaction_id) DO UPDATE SET input_text = excluded.input_text, output_text = excluded.output_text"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row's change: columns and values as ``Reader`` gives them.

    ``texts`` replace the row's plain texts; ``answer`` (provider, response id) is one whose counts the row has now.
    """

    id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    price: Price | None = None
    texts: tuple[str | None, str | None] | None = None
    answer: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """Changes that are written in one transaction. ``at`` is Unix milliseconds, ``command`` what made them."""

    command: str
    reason: str
    at: int
    changes: Sequence[Change]


def amend(connection: Connection, amendment: Amendment) -> int:
    """Write the changes that still apply; return how many did."""
    olds, news = [], []
    prices = {change.price.id: change.price for change in amendment.changes if change.price is not None}
    run_many(connection, _PRICE, [rows.price_row(price) for price in prices.values()])
    for change in amendment.changes:
        old = _row(connection, change.id)
        if old is None or any(old[name] != value for name, value in change.before.items()):
            continue
        _write(connection, amendment, change, old)
        olds.append(_counted(old))
        news.append(_counted({**old, **change.after}))
    run_many(connection, ROLLUP_SQL, rollup_changes(olds, news))
    run_many(connection, LATENCY_SQL, latency_changes(olds, news))
    for hour in {instant_text(item.started_at)[:13] for item in olds}:
        connection.exec_driver_sql("DELETE FROM rollup_hourly WHERE hour = ? AND calls = 0", (hour,))
        connection.exec_driver_sql("DELETE FROM latency_histogram WHERE hour = ? AND calls = 0", (hour,))
    return len(news)


def _row(connection: Connection, identity: str) -> Row | None:
    found = connection.exec_driver_sql("SELECT * FROM interaction WHERE id = ?", (identity,)).mappings().first()
    return None if found is None else decoded(dict(found))


def _write(connection: Connection, amendment: Amendment, change: Change, old: Row) -> None:
    unknown = set(change.after) - AMENDABLE
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} cannot be changed")
    values = dict(change.after)
    for summable, exact in rows.USD.items():
        if exact in values:
            values[summable] = None if values[exact] is None else values[exact] / 1e12
    terms = ", ".join(f'"{name}" = ?' for name in values)
    stored = [rows.stored_value(name, value) for name, value in values.items()]
    sql = f"UPDATE interaction SET {terms} WHERE id = ?"  # noqa: S608 - names of our own columns, checked above
    connection.exec_driver_sql(sql, (*stored, change.id))
    if change.texts is not None:
        connection.exec_driver_sql(_TEXT, (change.id, *change.texts))
    if change.answer is not None:
        connection.exec_driver_sql(_COUNTED, change.answer)
    connection.exec_driver_sql(_HISTORY, _history(amendment, change, old))


def _history(amendment: Amendment, change: Change, old: Row) -> tuple[Any, ...]:
    before = {name: old[name] for name in change.after}
    costs = (old["cost_pico_usd"], change.after.get("cost_pico_usd", old["cost_pico_usd"]))
    prices = (old["price_id"], change.after.get("price_id", old["price_id"]))
    texts = (rows.json_text(before) or "{}", rows.json_text(dict(change.after)) or "{}")
    words = (amendment.command[:20], amendment.reason[:200])
    return (change.id, instant_text(amendment.at), *words, *costs, *prices, *texts)


def _counted(row: Row) -> Interaction:
    """Return what of a row the rollups count."""
    return Interaction(
        id=row["id"],
        started_at=milliseconds_of(row["started_at"]),
        operation=row["operation"],
        method=row["method"],
        endpoint=row["endpoint"],
        route=row["route"],
        provider=row["provider"],
        model=row["model"],
        prompt_name=row["prompt_name"],
        prompt_version=row["prompt_version"],
        outcome=Outcome(row["outcome"]),
        success=bool(row["success"]),
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cached_tokens=row["cached_tokens"],
        cost_pico_usd=row["cost_pico_usd"],
        duration_ms=row["duration_ms"],
        ttft_ms=row["ttft_ms"],
    )


def milliseconds_of(instant: str) -> int:
    """Return a stored instant as Unix milliseconds."""
    return round(datetime.fromisoformat(instant).timestamp() * 1000)
