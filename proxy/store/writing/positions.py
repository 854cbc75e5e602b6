"""How far each spool is loaded, and its part of the ledger: a row each, moved on together with what it stands for.

A move says from where (``since``): nobody else moves a live row, so where the row is elsewhere, or gone, the database
itself has gone back. That is what a failover to a replica leaves behind that had not got the last commits: rows and
position went together. The move is refused then, and with it the batch, and the loader reads again from where the
database is. What the spool still has is stored a second time; what was freed meanwhile is lost, and the account says
so: a replica that is to take over must be synchronous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from proxy.store.engines.bulk import run_many
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.schema import loader_tables, rows

Place = tuple[int, int]
"""Segment and offset."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """How far one source is loaded, and its counts for the ledger; the writer itself counts stored and quarantined.

    ``since`` is where it must be before, None where that is not known: then it is put there, whatever was.
    """

    name: str
    segment: int
    offset: int
    accepted: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    is_closed: bool = False
    since: Place | None = None


class StoreWentBackError(StoreUnavailableError):
    """The database no longer knows what it had committed."""

    code = "store_went_back"
    is_uncertain = True


_PUT = rows.upsert_sql(
    loader_tables.SpoolPositionRow.__table__,  # type: ignore[attr-defined]
    added=("stored", "quarantined"),
    replaced=("segment", "offset", "accepted", "dropped", "is_closed"),
)
_MOVE = (
    'UPDATE spool_position SET segment = ?, "offset" = ?, accepted = ?, stored = stored + ?, '
    "quarantined = quarantined + ?, dropped = ?, is_closed = ? "
    'WHERE source = ? AND segment = ? AND "offset" = ?'
)
_FIND = 'SELECT segment, "offset" FROM spool_position WHERE source = ?'


def move(
    connection: Connection,
    states: Sequence[SourceState],
    stored: Mapping[str, int],
    quarantined: Mapping[str, int],
    instance: str,
) -> None:
    """Put rows where these states say, adding what is new to their counts; ``StoreWentBackError`` says why not."""
    new = [state for state in states if state.since is None]
    run_many(connection, _PUT, [_row(item, stored[item.name], quarantined[item.name], instance) for item in new])
    for state in states:
        if state.since is not None:
            _move(connection, state, state.since, (stored[state.name], quarantined[state.name]))


def _move(connection: Connection, state: SourceState, since: Place, counts: tuple[int, int]) -> None:
    place = (state.segment, state.offset, state.accepted)
    values = (*place, *counts, _dropped(state), state.is_closed, state.name, *since)
    if connection.exec_driver_sql(_MOVE, values).rowcount != 1:
        raise went_back(state.name, since, connection.exec_driver_sql(_FIND, (state.name,)).one_or_none())


def went_back(source: str, since: Place, found: Sequence[Any] | None) -> StoreUnavailableError:
    """Return what it means that a source's row is not where it was left; ``found`` is where it is.

    Ahead of us it is where a commit went through after we had stopped waiting for it.
    """
    if found is not None and tuple(found) > since:
        ahead = StoreUnavailableError(f"the database had committed more of the spool {source} than we heard of")
        ahead.is_uncertain = True
        return ahead
    there = "nothing of it" if found is None else f"segment {found[0]}, byte {found[1]}"
    return StoreWentBackError(
        f"the database has gone back: of the spool {source} we had committed segment {since[0]}, byte {since[1]}, "
        f"and it knows {there}",
        hint="what the spool still has is stored again; let a replica that may take over be a synchronous one",
    )


def _row(state: SourceState, stored: int, quarantined: int, instance: str) -> tuple[Any, ...]:
    place = (state.name, state.segment, state.offset)
    return (*place, state.accepted, stored, quarantined, _dropped(state), state.is_closed, instance)


def _dropped(state: SourceState) -> str:
    return rows.json_text(dict(state.dropped)) or "{}"
