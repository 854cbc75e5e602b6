"""Domain entries as rows: plain values in column order, ready for bulk inserts on either engine.

Conversion is done here, once, instead of by column types row by row: it is the larger part of what an insert costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import Boolean, Float, Integer, Table, types

from proxy.domain.cost import Price
from proxy.domain.interaction import Attempt, Interaction
from proxy.store.schema import tables
from proxy.store.schema.columns import Instant, instant_text

USD = {"cost_usd": "cost_pico_usd", "input_cost_usd": "input_cost_pico_usd", "output_cost_usd": "output_cost_pico_usd"}
JSON = ("tool_names", "usage_raw", "tags", "metadata", "quantities", "prompt_variables")
"""Columns of ``interaction`` that hold JSON; ``USD`` are those that repeat an exact amount as a number to sum."""
TRUTHS = ("is_stream", "success", "request_modified")
"""Columns that are true or false: readers give 1 or 0."""
TAG_KEY = "tag:"
LARGEST = 2**63 - 1
"""What a column of whole numbers has room for."""
_KINDS: tuple[tuple[type, str], ...] = (
    (Instant, "instant"), (types.JSON, "json"), (Boolean, "truth"), (Integer, "whole"), (Float, "number"),
    (object, "text"),
)  # fmt: skip
COLUMNS = [column.name for column in tables.InteractionRow.__table__.columns]  # type: ignore[attr-defined]
KINDS: Mapping[str, str] = {
    column.name: next(kind for is_of, kind in _KINDS if isinstance(column.type, is_of))
    for column in tables.InteractionRow.__table__.columns  # type: ignore[attr-defined]
}
"""Of what kind each column is: instant, json, truth, whole, number or text."""
_read_all = attrgetter(*[USD.get(name, name) for name in COLUMNS])
_USD_AT = [COLUMNS.index(name) for name in USD]
_INSTANTS_AT = [COLUMNS.index(name) for name in ("started_at", "completed_at")]
_JSON_AT = [COLUMNS.index(name) for name in JSON]
_WORDS_AT = [COLUMNS.index(name) for name in ("outcome", "finish_kind", "usage_source", "cost_status", "content_state")]


def insert_sql(table: Table, *, ignore: bool = False) -> str:
    """Return an INSERT with a placeholder per column."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join("?" for _ in table.columns)
    ending = " ON CONFLICT DO NOTHING" if ignore else ""
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}){ending}"  # noqa: S608 - names of our own tables


def upsert_sql(
    table: Table,
    *,
    added: Sequence[str] = (),
    bounded: Sequence[str] = (),
    replaced: Sequence[str] = (),
    least: Sequence[str] = (),
    with_greatest: tuple[str, ...] = (),
) -> str:
    """Return an INSERT that adds to columns of a row that is there, or replaces them.

    What is ``bounded`` is added too, and stays at ``LARGEST`` where the sum has no room. Of ``least`` the lesser value
    stays; of ``with_greatest`` all are replaced where the first one is greater.
    """
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    terms = [f'"{name}" = {table.name}."{name}" + excluded."{name}"' for name in added]
    terms += [f'"{name}" = {_bounded_sum(table, name)}' for name in bounded]
    terms += [f'"{name}" = excluded."{name}"' for name in replaced]
    terms += [f'"{name}" = {_chosen(table, name, "<", name)}' for name in least]
    terms += [f'"{name}" = {_chosen(table, with_greatest[0], ">", name)}' for name in with_greatest]
    return f"{insert_sql(table)} ON CONFLICT ({key}) DO UPDATE SET {', '.join(terms)}"


def _chosen(table: Table, by: str, comparison: str, name: str) -> str:
    """Return the new value of a column where another one compares so, else the one that is there."""
    condition = f'excluded."{by}" {comparison} {table.name}."{by}"'
    return f'CASE WHEN {condition} THEN excluded."{name}" ELSE {table.name}."{name}" END'


def _bounded_sum(table: Table, name: str) -> str:
    """SQLite would make an inexact number of it, and Postgres refuse the row that came last."""
    old, new = f'{table.name}."{name}"', f'excluded."{name}"'
    return f"CASE WHEN {new} > 0 AND {old} > {LARGEST} - {new} THEN {LARGEST} ELSE {old} + {new} END"


def json_text(value: Any) -> str | None:
    """Return compact JSON, None for what is empty."""
    return orjson.dumps(value, default=str).decode() if value else None


def stored_value(column: str, value: Any) -> Any:
    """Return a value as it stands in a column of ``interaction``; one that a reader gave comes back unchanged."""
    if column in JSON:
        return json_text(value)
    return bool(value) if column in TRUTHS and value is not None else value


def interaction_row(item: Interaction) -> tuple[Any, ...]:
    """Return the row of ``interaction``."""
    values = list(_read_all(item))
    for at in _USD_AT:
        if values[at] is not None:
            values[at] /= 1e12
    for at in _INSTANTS_AT:
        if values[at] is not None:
            values[at] = instant_text(values[at])
    for at in _JSON_AT:
        values[at] = json_text(values[at])
    for at in _WORDS_AT:
        # Plain texts: for each kind of them a driver looks for an adapter, value by value.
        values[at] = str(values[at])
    return tuple(values)


def attempt_row(item: Attempt) -> tuple[Any, ...]:
    """Return the row of ``attempt``."""
    return (
        item.interaction_id,
        item.number,
        item.provider,
        item.upstream,
        instant_text(item.started_at),
        item.connect_ms,
        item.first_byte_ms,
        item.duration_ms,
        item.http_status,
        item.error,
        item.error_message,
        item.reused,
    )


def label_rows(item: Interaction) -> list[tuple[str, str, str]]:
    """Return the rows of ``interaction_metadata``: a pair each, and a tag as the key ``tag:NAME``."""
    if not item.tags and not item.metadata:
        return []
    labels = {f"{TAG_KEY}{tag}": tag for tag in item.tags} | dict(item.metadata or {})
    return [(item.id, key, value) for key, value in labels.items()]


def price_row(item: Price) -> tuple[Any, ...]:
    """Return the row of ``price``."""
    rates = json_text(dict(item.rates))
    return (item.id, item.provider, item.model, item.tier, rates, item.source, item.source_version, item.valid_from)
