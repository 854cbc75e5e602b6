"""What one transaction adds: rows, bodies, rollups, totals, parked calls, what is set aside, and the spool position.

A row that is there already changes nothing: not the row, not a rollup, not a counter. So a batch may be replayed any
number of times, and the position that lets a segment be freed is committed with what it stands for. What was to be
erased before it came (``purges``) is stored, counted as such, and erased, all at once.

It works in the caller's transaction; who commits it, and what becomes of errors, is ``writer``'s.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table

from proxy.domain.interaction import Entry, Interaction
from proxy.store.changes import amending, feedback
from proxy.store.changes.amending import Amendment
from proxy.store.changes.answers import released, settle
from proxy.store.contents import hidden
from proxy.store.contents.bodies import body_row, keep_bodies
from proxy.store.contents.set_aside import ParkedPart, Quarantined, kept_aside, part_row
from proxy.store.engines.bulk import add_rows, add_up, ids_in, run_many
from proxy.store.erasure import purges
from proxy.store.schema import loader_tables, rollup_tables, rows, tables
from proxy.store.schema.columns import day_text, instant_text
from proxy.store.schema.sealing import Sealer, sealer_in
from proxy.store.sums.counting import Recount, count
from proxy.store.writing import positions
from proxy.store.writing.positions import SourceState

TotalKey = tuple[str, str]
Totals = Mapping[TotalKey, float]
TotalsOf = Callable[[Sequence[Entry]], Totals]


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """Everything one transaction adds. ``entries`` are (source name, entry)."""

    entries: Sequence[tuple[str, Entry]] = ()
    states: Sequence[SourceState] = ()
    parked: Sequence[ParkedPart] = ()
    unparked: Sequence[str] = ()
    quarantined: Sequence[Quarantined] = ()


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What was really new, with the totals it adds; ``quarantined`` counts calls."""

    inserted: Sequence[Entry]
    totals: Totals
    quarantined: int = 0


_INTERACTION: Table = tables.InteractionRow.__table__  # type: ignore[attr-defined]
_ATTEMPT: Table = tables.AttemptRow.__table__  # type: ignore[attr-defined]
_BODY: Table = tables.InteractionBodyRow.__table__  # type: ignore[attr-defined]
_TEXT: Table = tables.InteractionTextRow.__table__  # type: ignore[attr-defined]
_LABEL: Table = tables.InteractionMetadataRow.__table__  # type: ignore[attr-defined]
_PRICE = rows.insert_sql(tables.PriceRow.__table__, ignore=True)  # type: ignore[attr-defined]
_PARKED = rows.insert_sql(loader_tables.OpenCallRow.__table__, ignore=True)  # type: ignore[attr-defined]
_TOTAL: Table = rollup_tables.MetricTotalRow.__table__  # type: ignore[attr-defined]
_ADD_TOTAL = rows.upsert_sql(_TOTAL, added=("value",))
_QUARANTINE = (
    'INSERT INTO quarantine (interaction_id, source, segment, "offset", reason, quarantined_at, data) '
    "SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM quarantine WHERE source = ? AND segment = ? "
    "AND \"offset\" = ? AND coalesce(CAST(interaction_id AS text), '') = coalesce(?, ''))"
)


def write(connection: Connection, batch: WriteBatch, totals_of: TotalsOf, instance: str) -> WriteResult:
    """Write a batch as an instance; return what was new."""
    new = _absent(connection, batch.entries)
    entries = _add(connection, [entry for _, entry in new])
    totals = totals_of(entries) if entries else {}
    add_up(connection, _TOTAL, _ADD_TOTAL, [(instance, *key, value) for key, value in sorted(totals.items())])
    sealer = sealer_in(connection)
    run_many(connection, _PARKED, [part_row(p, sealer) for p in batch.parked])
    run_many(connection, "DELETE FROM open_call WHERE id = ?", [(identity,) for identity in batch.unparked])
    stored = Counter(source for source, _ in new)
    aside = purges.without_erased(connection, batch.quarantined)
    lost = Counter(item.source for item in aside if _set_aside(connection, item) and item.interaction_id)
    positions.move(connection, batch.states, stored, lost, instance)
    return WriteResult(entries, totals, lost.total())


def add(connection: Connection, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Add calls that passed through no gateway, in the caller's transaction; return those that were not there."""
    return _add(connection, [entry for _, entry in _absent(connection, [("", entry) for entry in entries])])


def _add(connection: Connection, new: Sequence[Entry]) -> Sequence[Entry]:
    entries, makers = settle(connection, new)
    if entries:
        _insert(connection, entries)
        _count(connection, [entry.interaction for entry in entries], released(makers))
        now = time.time_ns() // 1_000_000
        feedback.bring(connection, [row for entry in entries for row in entry.feedback])
        feedback.settle(connection, [entry.interaction for entry in entries], now)
        # Only now: what it belongs to is counted, and what is counted must go with it.
        purges.apply_to_new(connection, [entry.interaction for entry in entries], now)
    return entries


def _set_aside(connection: Connection, item: Quarantined) -> bool:
    place = (item.source, item.segment, item.offset)
    data = kept_aside(item.data, item.source, sealer_in(connection))
    row = (item.interaction_id, *place, _storable(item.reason)[:500], instant_text(item.at), data)
    return connection.exec_driver_sql(_QUARANTINE, (*row, *place, item.interaction_id)).rowcount > 0


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _absent(connection: Connection, entries: Sequence[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
    """Leave out what is there already, what was there and is erased, and doubles within the batch."""
    by_id = {entry.interaction.id: (source, entry) for source, entry in reversed(entries)}
    for table in ("interaction", "tombstone"):
        for identity in ids_in(connection, table, list(by_id)):
            del by_id[identity]
    return list(reversed(by_id.values()))


def _insert(connection: Connection, entries: Sequence[Entry]) -> None:
    """Insert rows; shared keys are locked in the order of all writers: slices of bodies, then prices."""
    sealer = sealer_in(connection)
    body_rows = _keep_bodies(connection, entries, sealer)
    prices = {entry.price.id: entry.price for entry in entries if entry.price is not None}
    run_many(connection, _PRICE, [rows.price_row(price) for _, price in sorted(prices.items())])
    calls = [rows.interaction_row(entry.interaction) for entry in entries]
    attempts = [rows.attempt_row(item) for entry in entries for item in entry.attempts]
    texts = [(e.interaction.id, e.input_text, e.output_text) for e in entries if e.input_text or e.output_text]
    if sealer is not None:
        calls, attempts, texts = list(map(hidden.without, calls)), list(map(hidden.attempt_without, attempts)), []
        body_rows += [row for entry in entries for row in hidden.body_rows(sealer, entry)]
    add_rows(connection, _INTERACTION, calls)
    add_rows(connection, _ATTEMPT, attempts)
    add_rows(connection, _LABEL, [row for entry in entries for row in rows.label_rows(entry.interaction)])
    add_rows(connection, _BODY, body_rows)
    add_rows(connection, _TEXT, texts)


def _keep_bodies(connection: Connection, entries: Sequence[Entry], sealer: Sealer | None) -> list[tuple[Any, ...]]:
    """Keep the slices of bodies that are not there yet; return the rows that name them."""
    bodies = [
        (entry.interaction, side, body)
        for entry in entries
        for side, body in (("request", entry.request), ("response", entry.response))
        if body is not None
    ]
    kept = keep_bodies(connection, [(day_text(item.started_at), body) for item, _, body in bodies])
    return [body_row(item.id, side, body, data, sealer) for (item, side, body), data in zip(bodies, kept, strict=True)]


def _count(connection: Connection, new: Sequence[Interaction], amendments: Sequence[Amendment]) -> None:
    """Add new calls to rollups and histograms, together with what has changed in others: one order for all keys."""
    olds, news = list[Interaction](), list(new)
    for amendment in amendments:
        before, after = amending.change_rows(connection, amendment)
        olds += before
        news += after
    count(connection, Recount(olds, news))
