"""Writing a batch: rows, bodies, rollups, totals, parked calls and the spool position, in one transaction.

A row that is there already changes nothing: not the row, not a rollup, not a counter. So a batch may be replayed any
number of times, and the position that lets a segment be freed is committed with what it stands for.

Errors say what to do: ``StoreUnavailableError`` to try again later, ``StoreMovedError`` to open the database anew,
``RowError`` that a row can never go in.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    StatementError,
)

from proxy.domain.interaction import Entry
from proxy.errors import StoreError
from proxy.store import accounts, amending, rows, tables
from proxy.store.amending import Amendment
from proxy.store.answers import release, settle
from proxy.store.bodies import BodyWriter
from proxy.store.columns import instant_text
from proxy.store.engine import is_damaged, open_writer
from proxy.store.rollups import LATENCY_SQL, ROLLUP_SQL, latency_rows, rollup_rows

TotalKey = tuple[str, str]
Totals = Mapping[TotalKey, float]
TotalsOf = Callable[[Sequence[Entry]], Totals]


class StoreUnavailableError(StoreError):
    """The database is away, locked, full or damaged; the same batch may be tried again."""

    code = "store_unavailable"


class StoreMovedError(StoreError):
    """The file at the database's path is not the one that was opened: it must be opened anew."""

    code = "store_moved"


class RowError(StoreError):
    """Something in this batch can never be stored."""

    code = "row_refused"


@dataclass(frozen=True, slots=True)
class SourceState:
    """How far one source is loaded, and its counts for the ledger; the writer itself counts stored and quarantined."""

    name: str
    segment: int
    offset: int
    accepted: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class ParkedPart:
    """Records of a call that is still open: ``payload`` is the records as they lay in the spool."""

    id: str
    part: int
    source: str
    until_sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What could not be stored or read; ``at`` is Unix milliseconds. With an ``interaction_id`` it is a whole call.

    The same source, place and id is kept once, so that a replay adds nothing.
    """

    source: str
    segment: int
    offset: int
    reason: str
    at: int
    interaction_id: str | None = None
    data: bytes | None = None


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


_INTERACTION = rows.insert_sql(tables.InteractionRow.__table__)  # type: ignore[attr-defined]
_ATTEMPT = rows.insert_sql(tables.AttemptRow.__table__)  # type: ignore[attr-defined]
_BODY = rows.insert_sql(tables.InteractionBodyRow.__table__)  # type: ignore[attr-defined]
_TEXT = rows.insert_sql(tables.InteractionTextRow.__table__)  # type: ignore[attr-defined]
_LABEL = rows.insert_sql(tables.InteractionMetadataRow.__table__)  # type: ignore[attr-defined]
_PRICE = rows.insert_sql(tables.PriceRow.__table__, ignore=True)  # type: ignore[attr-defined]
_PARKED = rows.insert_sql(tables.OpenCallRow.__table__, ignore=True)  # type: ignore[attr-defined]
_TOTAL = (
    "INSERT INTO metric_total (family, labels, value) VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET value = value + excluded.value"
)
_STATE = (
    'INSERT INTO spool_position (source, segment, "offset", accepted, stored, quarantined, dropped, is_closed) '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source) DO UPDATE SET segment = excluded.segment, "
    '"offset" = excluded."offset", accepted = excluded.accepted, stored = stored + excluded.stored, '
    "quarantined = quarantined + excluded.quarantined, dropped = excluded.dropped, is_closed = excluded.is_closed"
)
_QUARANTINE = (
    'INSERT INTO quarantine (interaction_id, source, segment, "offset", reason, quarantined_at, data) '
    "SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM quarantine WHERE source = ? AND segment = ? "
    "AND \"offset\" = ? AND coalesce(interaction_id, '') = coalesce(?, ''))"
)


class StoreWriter:
    """The one writer of a SQLite store; for one thread."""

    def __init__(self, path: Path) -> None:
        self._engine = open_writer(path)
        self._path = path
        self._file = _file_at(path)

    def write(self, batch: WriteBatch, totals_of: TotalsOf) -> WriteResult:
        """Write one batch; returns what was new."""
        self.check_place()
        with _translated(), self._engine.begin() as connection:
            return _write(connection, batch, totals_of)

    def amend(self, amendment: Amendment) -> int:
        """Change stored rows in one transaction; return how many were still as the changes expect. Errors as above."""
        self.check_place()
        with _translated(), self._engine.begin() as connection:
            return amending.amend(connection, amendment)

    def check_place(self) -> None:
        """Raise ``StoreMovedError`` when the path leads to another file than when it was opened, or to none.

        SQLite would go on writing into the file that has lost its name, and the spool be freed for nothing.
        """
        if _file_at(self._path) != self._file:
            raise StoreMovedError(f"the database {self._path} was moved, removed or replaced")

    def fold(self, sources: Sequence[str]) -> None:
        """Fold the accounts of sources that are closed and gone into one."""
        with self._engine.begin() as connection:
            accounts.fold(connection, sources)

    def close(self) -> None:
        """Checkpoint and close."""
        self._engine.dispose()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the database's errors into ours, which say what to do."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise RowError(f"the database refuses a row: {_reason(error)}") from error
    except (OperationalError, InterfaceError) as error:
        raise StoreUnavailableError(f"the database cannot be written: {_reason(error)}") from error
    except DatabaseError as error:
        if not is_damaged(error):
            raise RowError(f"a value cannot be stored: {_reason(error)}") from error
        # The spool keeps every call until somebody has put a sound file in its place.
        raise StoreUnavailableError(f"the database is damaged: {_reason(error)}") from error
    except (DBAPIError, StatementError, OverflowError, ValueError, TypeError) as error:
        raise RowError(f"a value cannot be stored: {_reason(error)}") from error


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _reason(error: BaseException) -> str:
    """Return the driver's words without the statement, which would carry values."""
    return str(getattr(error, "orig", None) or type(error).__name__)[:300]


def _write(connection: Connection, batch: WriteBatch, totals_of: TotalsOf) -> WriteResult:
    new = _absent(connection, batch.entries)
    entries, makers = settle(connection, [entry for _, entry in new])
    if entries:
        _insert_entries(connection, entries)
        release(connection, makers)
    totals = totals_of(entries) if entries else {}
    rows.run_many(connection, _TOTAL, [(family, labels, value) for (family, labels), value in totals.items()])
    rows.run_many(connection, _PARKED, [(p.id, p.part, p.source, p.until_sequence, p.payload) for p in batch.parked])
    rows.run_many(connection, "DELETE FROM open_call WHERE id = ?", [(identity,) for identity in batch.unparked])
    stored = Counter(source for source, _ in new)
    lost = Counter(item.source for item in batch.quarantined if _set_aside(connection, item) and item.interaction_id)
    rows.run_many(connection, _STATE, [_state_row(item, stored[item.name], lost[item.name]) for item in batch.states])
    return WriteResult(entries, totals, lost.total())


def _set_aside(connection: Connection, item: Quarantined) -> bool:
    place = (item.source, item.segment, item.offset)
    row = (item.interaction_id, *place, _storable(item.reason)[:500], instant_text(item.at), item.data)
    return connection.exec_driver_sql(_QUARANTINE, (*row, *place, item.interaction_id)).rowcount > 0


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _absent(connection: Connection, entries: Sequence[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
    """Leave out what is there already, and doubles within the batch."""
    by_id = {entry.interaction.id: (source, entry) for source, entry in reversed(entries)}
    wanted = list(by_id)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        sql = f"SELECT id FROM interaction WHERE id IN ({marks})"  # noqa: S608 - placeholders only
        for (identity,) in connection.exec_driver_sql(sql, tuple(part)):
            del by_id[identity]
    return list(reversed(by_id.values()))


def _insert_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    bodies = BodyWriter(connection)
    body_rows: list[tuple[Any, ...]] = []
    for entry in entries:
        day = instant_text(entry.interaction.started_at)[:10]
        for side, body in (("request", entry.request), ("response", entry.response)):
            if body is not None:
                body_rows.append(bodies.row(entry.interaction.id, side, body, day))
    prices = {entry.price.id: entry.price for entry in entries if entry.price is not None}
    texts = [(e.interaction.id, e.input_text, e.output_text) for e in entries if e.input_text or e.output_text]
    interactions = [entry.interaction for entry in entries]
    rows.run_many(connection, _PRICE, [rows.price_row(price) for price in prices.values()])
    rows.run_many(connection, _INTERACTION, [rows.interaction_row(item) for item in interactions])
    rows.run_many(connection, _ATTEMPT, [rows.attempt_row(item) for entry in entries for item in entry.attempts])
    rows.run_many(connection, _LABEL, [row for item in interactions for row in rows.label_rows(item)])
    rows.run_many(connection, _BODY, body_rows)
    rows.run_many(connection, _TEXT, texts)
    rows.run_many(connection, ROLLUP_SQL, rollup_rows(interactions))
    rows.run_many(connection, LATENCY_SQL, latency_rows(interactions))


def _state_row(state: SourceState, stored: int, quarantined: int) -> tuple[Any, ...]:
    dropped = rows.json_text(dict(state.dropped)) or "{}"
    place = (state.name, state.segment, state.offset)
    return (*place, state.accepted, stored, quarantined, dropped, state.is_closed)
