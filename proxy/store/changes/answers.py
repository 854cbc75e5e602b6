"""Counting an answer once: its tokens and its cost belong to one row, however often it is fetched.

A response, a batch or a run is made by one call and may be read by many. Where the making call reported the counts (an
ordinary response) they are its own, and reads repeat them. Where it could not yet (``background``, a batch) the first
read that finds the answer complete has them, and from then on the making call is ``free``: before, nobody could say
what it costs, and it was ``unpriced``. Either way a read is linked to the call that made what it reads.

An answer that was made elsewhere, or before Dashcam was there, is not counted when it is read: it was not paid for
here. Only of an agent's turns nobody can tell: the call that begins one is not told its name, so the first read has its
counts. A read that is loaded before the call that made it (two gateways, a backlog) is not counted either; the next is.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from proxy.domain.interaction import Entry, uncounted
from proxy.domain.outcome import CostStatus, UsageSource
from proxy.store.changes import amending
from proxy.store.schema.columns import instant_text

_MADE = (
    "INSERT INTO made_answer (provider, response_id, interaction_id, is_counted, started_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
_FIND = "SELECT interaction_id, is_counted FROM made_answer WHERE provider = ? AND response_id = ?"
_COUNT = "UPDATE made_answer SET is_counted = TRUE WHERE provider = ? AND response_id = ? AND NOT is_counted"
_WITHOUT_COUNTS = {"usage_source": UsageSource.NONE.value, "cost_status": CostStatus.UNPRICED.value}
_FREE = {
    "cost_status": CostStatus.FREE.value, "cost_pico_usd": 0, "input_cost_pico_usd": 0, "output_cost_pico_usd": 0,
}  # fmt: skip
_Key = tuple[str, str]


def settle(connection: Connection, entries: Sequence[Entry]) -> tuple[list[Entry], dict[str, int]]:
    """Note the answers that were made, and leave the counts of each to one of these new entries at most.

    The second value are the makers whose counts a read has taken, with the instant of that read: for ``released``.

    Rows of makers first, then answers, in the order of their names and of one answer's entries as they came: two hosts
    that write of the same answers wait for each other, but never in a circle.
    """
    places = sorted((_key(entry), place) for place, entry in enumerate(entries) if entry.answer_id is not None)
    ours = {entry.interaction.id for entry in entries} if places else set()
    ours |= _held(connection, {key for key, place in places if entries[place].repeats})
    settled, makers = list(entries), dict[str, int]()
    for key, place in places:
        settled[place] = _settled(connection, entries[place], key, ours, makers)
    return settled, makers


def released(makers: Mapping[str, int]) -> list[amending.Amendment]:
    """Return what lets calls cost nothing whose answer is counted elsewhere now; what a row said before is kept."""
    reason = "its answer is counted by the read that found it complete"
    return [
        amending.Amendment(
            command="count",
            reason=reason,
            at=at,
            changes=(amending.Change(id=maker, before=_WITHOUT_COUNTS, after=_FREE),),
        )
        for maker, at in sorted(makers.items())
    ]


def _key(entry: Entry) -> _Key:
    return entry.interaction.provider or "", entry.answer_id or ""


def _held(connection: Connection, keys: Iterable[_Key]) -> set[str]:
    """Lock the rows of makers whose answers are not counted yet, and return their ids."""
    found = [connection.exec_driver_sql(_FIND, key).one_or_none() for key in keys]
    makers = {str(row[0]) for row in found if row is not None and not row[1]}
    amending.hold(connection, makers)
    return makers


def _settled(connection: Connection, entry: Entry, key: _Key, ours: Container[str], makers: dict[str, int]) -> Entry:
    item = entry.interaction
    has_counts = item.usage_source is not UsageSource.NONE
    if not entry.repeats:
        connection.exec_driver_sql(_MADE, (*key, item.id, has_counts, instant_text(item.started_at)))
        return entry
    found = connection.exec_driver_sql(_FIND, key).one_or_none()
    if found is None and entry.is_unnamed and has_counts:
        if _has_changed(connection, _MADE, (*key, item.id, True, instant_text(item.started_at))):
            return entry
        found = connection.exec_driver_sql(_FIND, key).one()
    maker, is_counted = found or ("", True)
    # Another host may have counted it since we looked: the row itself decides who was first. A maker that was not
    # there when rows were locked is one of those that are loaded after the read.
    if has_counts and not is_counted and maker in ours and _has_changed(connection, _COUNT, key):
        makers[maker] = item.started_at
    elif has_counts:
        item = uncounted(item)
    return replace(
        entry,
        interaction=replace(item, parent_id=maker or item.parent_id),
        price=entry.price if item.price_id else None,
    )


def _has_changed(connection: Connection, sql: str, values: tuple[object, ...]) -> bool:
    return connection.exec_driver_sql(sql, values).rowcount > 0
