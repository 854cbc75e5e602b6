"""Removing slices of bodies that no call refers to any more.

A slice is shared by the calls of its day, and nothing counts them: who erases a body notes its slices as loose. Of a
day's loose ones those stay that a body of this day still has; reading these bodies may take seconds, and on SQLite the
one writer has other things to do. There it is done in steps of some milliseconds, and whoever stores a body meanwhile
leaves its slices in a table of this connection (a trigger of its own), where the last step looks. On Postgres it is one
transaction a day: slices that seem unused are locked, which holds up nobody but who stores just those, and looked for
once more.

What is broken off begins anew: a slice is loose until the transaction that removes it, or finds it in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from proxy.store.contents.bodies import CHUNKS, read_varints
from proxy.store.engines.partitions import bounded
from proxy.store.filters.statements import Filters, conditions_of

_MOST = 20_000
"""So many slices are looked at in one go: what is left waits for the next."""
_CALLS_A_STEP = 500
_SLICES_A_STEP = 200
_DAY_MS = 86_400_000
_DAYS = "SELECT min(day) FROM loose_slice"
_LOOSE = "SELECT number, noted FROM loose_slice WHERE day = ? ORDER BY number LIMIT ?"
_NOTES = (
    "CREATE TEMP TABLE IF NOT EXISTS referred (data BLOB)",
    "DELETE FROM temp.referred",
    "CREATE TEMP TRIGGER IF NOT EXISTS note_referred AFTER INSERT ON main.interaction_body "  # noqa: S608 - ours
    f"WHEN NEW.form = '{CHUNKS}' BEGIN INSERT INTO referred VALUES (NEW.data); END",
)
_Place = tuple[str, str]


@dataclass(slots=True)
class _Going:
    """A day that is being swept: its loose slices and how often each was noted, and those that nobody has so far."""

    day: str
    noted: dict[int, int]
    unused: set[int]
    behind: _Place | None = None
    is_marked: bool = False


class Sweep:
    """Goes through the loose slices; for one connection after the other, one step a transaction."""

    def __init__(self) -> None:
        self._going: _Going | None = None

    def __repr__(self) -> str:
        return f"<Sweep {self._going.day if self._going else 'idle'}>"

    def step(self, connection: Connection) -> str | None:
        """Do a step; return in words what was done, "" where a day is under way; None where nothing is loose."""
        going, self._going = self._going, None
        if going is None:
            going = _begun(connection)
            if going is None:
                return None
        if connection.dialect.name == "postgresql":
            return _sweep_at_once(connection, going)
        told = _step(connection, going)
        # Only what went well is gone on with: after an error it begins anew.
        self._going = going if told is None else None
        return told or ""


def _begun(connection: Connection) -> _Going | None:
    day = connection.exec_driver_sql(_DAYS).scalar()
    if day is None:
        return None
    noted = {int(number): int(times) for number, times in connection.exec_driver_sql(_LOOSE, (day, _MOST))}
    if connection.dialect.name != "postgresql":
        for statement in _NOTES:
            connection.exec_driver_sql(statement)
    return _Going(str(day), noted, set(noted))


def _step(connection: Connection, going: _Going) -> str | None:
    """Mark some calls' slices as used, or remove some that nobody has; None while there is more."""
    if not going.is_marked:
        going.is_marked = not _mark(connection, going)
        return None
    for (data,) in connection.exec_driver_sql("SELECT data FROM temp.referred").all():
        going.unused.difference_update(read_varints(data))
    part = sorted(going.unused)[:_SLICES_A_STEP]
    _remove(connection, going, part)
    going.unused.difference_update(part)
    if going.unused:
        return None
    connection.exec_driver_sql("DROP TRIGGER temp.note_referred")
    return _settled(connection, going)


def _sweep_at_once(connection: Connection, going: _Going) -> str:
    while _mark(connection, going):
        pass
    for part in _parts(sorted(going.unused)):
        # Who refers to one of them now is waited for, and his body is there when we look again.
        sql = f"SELECT number FROM body_chunk WHERE number IN ({_marks(part)}) ORDER BY number FOR UPDATE"  # noqa: S608
        connection.exec_driver_sql(sql, tuple(part))
    going.behind = None
    while going.unused and _mark(connection, going):
        pass
    for part in _parts(sorted(going.unused)):
        _remove(connection, going, part)
    return _settled(connection, going)


def _mark(connection: Connection, going: _Going) -> bool:
    """Take out what some more calls of the day refer to; False when there are no more, or nothing is left."""
    sql, values = _bodies(connection, going)
    rows = connection.exec_driver_sql(sql, values).all()
    for _, _, data in rows:
        if data is not None:
            going.unused.difference_update(read_varints(data))
    going.behind = max(((str(at), str(identity)) for at, identity, _ in rows), default=None)
    return bool(rows) and bool(going.unused)


def _bodies(connection: Connection, going: _Going) -> tuple[str, tuple[object, ...]]:
    begin = int(datetime.fromisoformat(going.day).replace(tzinfo=UTC).timestamp() * 1000)
    span = Filters(since=begin, until=begin + _DAY_MS)
    conditions, values = conditions_of(bounded(span) if connection.dialect.name == "postgresql" else span)
    if going.behind is not None:
        conditions.append("(started_at, id) > (?, ?)")
        values += going.behind
    calls = f"SELECT started_at, id FROM interaction WHERE {' AND '.join(conditions)} ORDER BY started_at, id LIMIT ?"  # noqa: S608
    sql = (
        f"SELECT found.started_at, found.id, data FROM ({calls}) AS found LEFT JOIN interaction_body "  # noqa: S608 - ours
        "ON interaction_id = found.id AND form = ?"
    )
    return sql, (*values, _CALLS_A_STEP, CHUNKS)


def _remove(connection: Connection, going: _Going, part: Sequence[int]) -> None:
    if part:
        values = tuple(part)
        connection.exec_driver_sql(f"DELETE FROM body_chunk WHERE number IN ({_marks(part)})", values)  # noqa: S608
        connection.exec_driver_sql(f"DELETE FROM loose_slice WHERE number IN ({_marks(part)})", values)  # noqa: S608


def _settled(connection: Connection, going: _Going) -> str:
    """Let those be loose no longer that are in use; one that was noted once more meanwhile is looked at again."""
    for part in _parts(sorted(going.noted)):
        for number in part:
            sql = "DELETE FROM loose_slice WHERE number = ? AND noted = ?"
            connection.exec_driver_sql(sql, (number, going.noted[number]))
    return f"swept the slices of {going.day}"


def _parts(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(numbers), _SLICES_A_STEP):
        yield numbers[start : start + _SLICES_A_STEP]


def _marks(part: Sequence[int]) -> str:
    return ",".join("?" * len(part))
