"""Changing rows that are stored: a new price, a better reading. The old values are kept beside, rollups follow.

A change says what the row must say before and what it says after; where the row says something else by now, it is left
alone. So a batch may be written any number of times, in any order with new calls, and changes each row once. Totals
behind ``/metrics`` count what was accepted when it was, and are not rewritten.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from proxy.domain.cost import Price
from proxy.domain.interaction import Interaction
from proxy.store.contents import hidden
from proxy.store.engines.bulk import run_many
from proxy.store.schema import rows, tables
from proxy.store.schema.columns import instant_text
from proxy.store.schema.decoding import Row, decoded
from proxy.store.schema.sealing import SEALED, SealedRecordError, Sealer, key_of, sealer_in, unsealed
from proxy.store.sums.counting import Recount, count, counted

_HIDDEN = frozenset(hidden.COLUMNS)
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
    olds, news = change_rows(connection, amendment)
    count(connection, Recount(olds, news))
    return len(news)


def change_rows(connection: Connection, amendment: Amendment) -> tuple[list[Interaction], list[Interaction]]:
    """Write the changes that still apply into the rows; return what those said before and say now, to be counted."""
    changes = sorted(amendment.changes, key=lambda change: change.id)
    found = _rows(connection, changes)
    applying = []
    for change in changes:
        old = found[change.id]
        if old is not None and _still_applies(change, old):
            applying.append((change, old))
            found[change.id] = {**old, **change.after}
    # Tables and keys in the order of the writer, so that it and we never wait for each other in a circle.
    answers = {change.answer for change, _ in applying if change.answer is not None}
    run_many(connection, _COUNTED, sorted(answers))
    prices = {change.price.id: change.price for change in amendment.changes if change.price is not None}
    run_many(connection, _PRICE, [rows.price_row(price) for _, price in sorted(prices.items())])
    for change, old in applying:
        _write(connection, amendment, change, old)
    return [counted(old) for _, old in applying], [counted({**old, **change.after}) for change, old in applying]


def hold(connection: Connection, ids: Iterable[str]) -> None:
    """Keep rows as they are until our transaction ends; before anything else that two hosts may both want."""
    for identity in sorted(ids):
        connection.exec_driver_sql(_hold_sql(connection, "id"), (identity,))


def _still_applies(change: Change, old: Row) -> bool:
    """Return whether a row is as it was when a change was made; one whose texts went meanwhile gets none back."""
    says_text = change.texts is not None or any(change.after.get(name) is not None for name in _HIDDEN)
    if says_text and old["content_state"] in hidden.WITHOUT_TEXT:
        return False
    return all(old[name] == value for name, value in change.before.items())


def _rows(connection: Connection, changes: Sequence[Change]) -> dict[str, Row | None]:
    """Return the rows of changes by their ids, with what is sealed of them where that is to change."""
    found = {identity: _row(connection, identity) for identity in dict.fromkeys(change.id for change in changes)}
    wanted = {change.id for change in changes if not _HIDDEN.isdisjoint({*change.before, *change.after})}
    missing: set[str] = set()
    hidden.fill(connection, [row for name, row in found.items() if row is not None and name in wanted], missing)
    if missing:
        raise SealedRecordError(min(missing), hint="set the key that is missing, and give the same command again")
    return found


def _row(connection: Connection, identity: str) -> Row | None:
    """Return a row, which stays as it is until our transaction ends."""
    found = connection.exec_driver_sql(_hold_sql(connection, "*"), (identity,)).mappings().first()
    return None if found is None else decoded(dict(found))


def _hold_sql(connection: Connection, columns: str) -> str:
    lock = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
    return f"SELECT {columns} FROM interaction WHERE id = ?{lock}"  # noqa: S608 - ours


def _write(connection: Connection, amendment: Amendment, change: Change, old: Row) -> None:
    unknown = set(change.after) - AMENDABLE
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} cannot be changed")
    values, sealer = dict(change.after), sealer_in(connection)
    if sealer is not None:
        _seal(connection, sealer, change)
        values = {name: None if name in _HIDDEN else value for name, value in values.items()}
    for summable, exact in rows.USD.items():
        if exact in values:
            values[summable] = None if values[exact] is None else values[exact] / 1e12
    terms = ", ".join(f'"{name}" = ?' for name in values)
    stored = [rows.stored_value(name, value) for name, value in values.items()]
    sql = f"UPDATE interaction SET {terms} WHERE id = ?"  # noqa: S608 - names of our own columns, checked above
    connection.exec_driver_sql(sql, (*stored, change.id))
    if change.texts is not None and sealer is None:
        connection.exec_driver_sql(_TEXT, (change.id, *change.texts))
    connection.exec_driver_sql(_HISTORY, _history(amendment, change, old, sealer))


def _seal(connection: Connection, sealer: Sealer, change: Change) -> None:
    """Put what of a change may hold texts where such is sealed; a plain text that is there goes."""
    said = {name: value for name, value in change.after.items() if name in _HIDDEN}
    if change.texts is not None:
        said["texts"] = list(change.texts)
        connection.exec_driver_sql("DELETE FROM interaction_text WHERE interaction_id = ?", (change.id,))
    if said:
        hidden.put(connection, sealer, change.id, said)


def _history(amendment: Amendment, change: Change, old: Row, sealer: Sealer | None) -> tuple[Any, ...]:
    before = {name: old[name] for name in change.after}
    costs = (old["cost_pico_usd"], change.after.get("cost_pico_usd", old["cost_pico_usd"]))
    prices = (old["price_id"], change.after.get("price_id", old["price_id"]))
    texts = tuple(_told(said, change.id, sealer) for said in (before, dict(change.after)))
    words = (amendment.command[:20], amendment.reason[:200])
    return (change.id, instant_text(amendment.at), *words, *costs, *prices, *texts)


def told_anew(said: Mapping[str, Any], identity: str, sealer: Sealer) -> str | None:
    """Return what a row said with its texts sealed with this key; None where they are, or there are none."""
    rest = {name: value for name, value in said.items() if name in _HIDDEN}
    data = base64.b64decode(said.get(SEALED, ""))
    if not rest and (not data or key_of(data) == sealer.key_id):
        return None
    former = orjson.loads(unsealed(data, f"amendment\0{identity}")) if data else {}
    open_ones = {name: value for name, value in said.items() if name not in _HIDDEN and name != SEALED}
    return _told({**open_ones, **former, **rest}, identity, sealer)


def _told(said: Mapping[str, Any], identity: str, sealer: Sealer | None) -> str:
    """Return what a row said as JSON; what of it may hold texts is one sealed member, where such is sealed."""
    open_ones = {name: value for name, value in said.items() if sealer is None or name not in _HIDDEN}
    rest = {name: value for name, value in said.items() if name not in open_ones}
    if sealer is not None and rest:
        data = sealer.seal((rows.json_text(rest) or "{}").encode(), f"amendment\0{identity}")
        open_ones[SEALED] = base64.b64encode(data).decode()
    return rows.json_text(open_ones) or "{}"
