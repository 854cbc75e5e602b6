"""Rows of any of our tables, as hypothesis finds them: every column, at the edges of what both engines keep."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import JSON, Boolean, Column, Float, Integer, LargeBinary, String, Table

from proxy.domain.outcome import ContentState, CostStatus, FinishKind, Outcome
from proxy.store.engines.bulk import add_rows
from proxy.store.moving.plan import BODY_CHUNK, CHANGING, GROWING, Growing, Key
from proxy.store.moving.side import Side
from proxy.store.schema.columns import Identity, Instant, instant_text

Rows = dict[str, list[tuple[Any, ...]]]
WORDS = {"outcome": Outcome, "finish_kind": FinishKind, "cost_status": CostStatus, "content_state": ContentState}
BIG = 2**53 + 1
# Neither engine keeps these in a text column of ours; the loader has replaced them before.
_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
_COUNTS = st.sampled_from([0, 1, BIG, 2**63 - 1])
_JSON = st.sampled_from(
    [
        "null",
        "{}",
        "[[1,2]]",
        '{"n":9007199254740993,"x":1e400}',
        '{"a": 1, "a" : 2}',
        '"\\u0000 \\ud800 \\u2028"',
        '"\u2028é😀"',
    ]
)
_INSTANTS = st.integers(0, 4_000_000_000_000).map(instant_text)
_IDS = st.integers(1_793_000_000_000, 1_795_500_000_000).flatmap(
    lambda at: st.integers(0, 2**80 - 1).map(lambda rest: str(uuid.UUID(int=at << 80 | rest)))
)


def _value(column: Column[Any]) -> st.SearchStrategy[Any]:
    if column.name in WORDS:
        return st.sampled_from([item.value for item in WORDS[column.name]])
    if column.name == "http_status":
        return st.integers(100, 999)
    if column.name.endswith("_ms"):
        return st.floats(0, allow_nan=False).map(lambda value: value + 0.0)
    kind = column.type
    if kind is Identity:
        return _IDS
    if isinstance(kind, Instant):
        return _INSTANTS
    kinds: list[tuple[type, st.SearchStrategy[Any]]] = [
        (JSON, _JSON), (Boolean, st.sampled_from([0, 1])), (Integer, _COUNTS),
        (Float, st.floats(allow_nan=False).map(lambda value: value + 0.0)), (LargeBinary, st.binary(max_size=40)),
        (String, _TEXTS),
    ]  # fmt: skip
    return next(values for item, values in kinds if isinstance(kind, item))


def row_of(table: Table, **known: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return a strategy for a row; ``known`` are columns whose value is given."""

    def column(item: Column[Any]) -> st.SearchStrategy[Any]:
        if item.name in known:
            return st.just(known[item.name])
        if item.autoincrement is True:
            return st.integers(1, 2**40)
        return st.none() | _value(item) if item.nullable else _value(item)

    return st.tuples(*[column(item) for item in table.columns])


def _known(kind: Growing, key: Key) -> dict[str, Any]:
    # A slice is there once a day.
    return {kind.key: key, **({"sha256": str(key).encode()} if kind is BODY_CHUNK else {})}


@st.composite
def records(draw: Callable[[st.SearchStrategy[Any]], Any], instance: str = "") -> Rows:
    """Draw a whole record: some rows for every table that is carried."""
    found: Rows = {}
    for kind in GROWING:
        keys = draw(st.sets(_IDS if kind.key == "id" else st.integers(1, 2**40), min_size=1, max_size=5))
        found[kind.name] = [draw(row_of(kind.table, **_known(kind, key))) for key in sorted(keys)]
        for part in kind.parts:
            wanted = draw(st.sets(st.sampled_from(sorted(keys)), min_size=1))
            found[part.name] = [draw(row_of(part, interaction_id=key)) for key in sorted(wanted)]
    for changing in CHANGING:
        known = {"instance": instance} if changing.is_own else {}
        rows = draw(st.lists(row_of(changing.table, **known), min_size=1, max_size=5))
        found[changing.name] = list({changing.key_of(row): row for row in rows}.values())
    return found


def put(side: Side, rows: Rows) -> None:
    """Write rows into an empty database."""
    with side.begin() as connection:
        for kind in GROWING:
            for table in (kind.table, *kind.parts):
                add_rows(connection, table, rows[table.name])
        for changing in CHANGING:
            add_rows(connection, changing.table, rows[changing.name])


def everything(side: Side) -> Rows:
    """Return all rows of all tables that are carried, in an order of their own."""
    found: Rows = {}
    for kind in GROWING:
        for table in (kind.table, *kind.parts):
            found[table.name] = _all(side, table)
    return found | {changing.name: _all(side, changing.table) for changing in CHANGING}


def _all(side: Side, table: Table) -> list[tuple[Any, ...]]:
    names = ", ".join(f'"{name}"' for name in table.columns.keys())  # noqa: SIM118 - columns, not a mapping
    return sorted(side.ask(f"SELECT {names} FROM {table.name}"), key=repr)
