"""Writing a batch: rows, bodies, rollups, totals, parked calls and the spool position, in one transaction.

A row that is there already changes nothing: not the row, not a rollup, not a counter. So a batch may be replayed any
number of times, and the position that lets a segment be freed is committed with what it stands for. What was to be
erased before it came (``purges``) is stored, counted as such, and erased, all at once.

Errors say what to do: ``StoreUnavailableError`` to try again later, ``StoreMovedError`` to open the database anew,
``RowError`` that a row can never go in.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table
from sqlalchemy.exc import SQLAlchemyError

from proxy.domain.interaction import Entry, Interaction
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.care.maintenance import RESEAL, SWEEP, Done, Upkeep, maintain
from proxy.store.changes import amending, feedback, resealing
from proxy.store.changes.amending import Amendment
from proxy.store.changes.answers import released, settle
from proxy.store.contents import hidden
from proxy.store.contents.bodies import body_row, keep_bodies
from proxy.store.contents.set_aside import ParkedPart, Quarantined, kept_aside, part_row
from proxy.store.engines.bulk import add_rows, run_many
from proxy.store.engines.engine import ERASED, Backend, backend_of
from proxy.store.engines.failures import CollisionError, StoreUnavailableError
from proxy.store.erasure import erasing, purges
from proxy.store.erasure.sweeping import Sweep
from proxy.store.hosts import accounts, configuration, instances
from proxy.store.hosts.configuration import Proposal
from proxy.store.hosts.instances import Instance
from proxy.store.schema import loader_tables, rollup_tables, rows, tables
from proxy.store.schema.columns import day_text, instant_text
from proxy.store.schema.sealing import sealer_in
from proxy.store.sums.counting import Recount, count
from proxy.store.writing import positions
from proxy.store.writing.positions import SourceState

_COLLISION_SECONDS = 60.0
_SWEEP_SECONDS = 600.0
_RESEAL_SECONDS = 0.3
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
_TOTAL = rows.upsert_sql(rollup_tables.MetricTotalRow.__table__, added=("value",))  # type: ignore[attr-defined]
_QUARANTINE = (
    'INSERT INTO quarantine (interaction_id, source, segment, "offset", reason, quarantined_at, data) '
    "SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM quarantine WHERE source = ? AND segment = ? "
    "AND \"offset\" = ? AND coalesce(CAST(interaction_id AS text), '') = coalesce(?, ''))"
)


class StoreWriter:
    """The one writer of a SQLite store, or one of those of a Postgres; for one thread.

    ``instance`` says whose counters and ledger are written: nobody's name where there can be one writer only.
    """

    def __init__(self, database: DatabaseSettings, instance: str = "") -> None:
        self._backend = backend_of(database)
        self._engine = self._backend.writer()
        self._instance = instance
        self._collided_at = -_COLLISION_SECONDS
        self._sweep = Sweep()
        self._log_is_clear = False

    @property
    def backend(self) -> Backend:
        """The engine that is written to."""
        return self._backend

    def write(self, batch: WriteBatch, totals_of: TotalsOf) -> WriteResult:
        """Write one batch; returns what was new."""
        self.check_place()
        with self._committed() as connection:
            written = _write(connection, batch, totals_of, self._instance)
        # What went into a file that lost its name meanwhile is to be written again, and not to be freed.
        self.check_place()
        return written

    def amend(self, amendment: Amendment) -> int:
        """Change stored rows in one transaction; return how many were still as the changes expect. Errors as above."""
        self.check_place()
        with self._committed() as connection:
            return amending.amend(connection, amendment)

    def maintain(self, task: str, is_leaving: Callable[[], bool] = bool) -> Done:
        """Do a task of ``maintenance``; ``StoreError`` when it cannot be done."""
        self.check_place()
        if task == SWEEP:
            return self._sweep_all(is_leaving)
        if task == RESEAL:
            return self._reseal()
        return maintain(self._backend, self._engine, task, is_leaving)

    def _sweep_all(self, is_leaving: Callable[[], bool]) -> Done:
        """Remove all that no call refers to; the log in any case, as small bodies are not cut into slices."""
        begun = time.monotonic()
        while not is_leaving() and self.sweep():
            pass
        self.clear_log()
        return Done(SWEEP, 0, 0, round(time.monotonic() - begun, 3), is_whole=not is_leaving())

    def _reseal(self) -> Done:
        """Seal what is on record for a moment; what was plain leaves a file's log, too, once all is done."""
        begun, looked_at, done, left = time.monotonic(), 0, 0, "all"
        while left and time.monotonic() - begun < _RESEAL_SECONDS:
            with self.transaction() as connection:
                step = resealing.step(connection)
            looked_at, done, left = looked_at + step.looked_at, done + step.sealed, step.left
        if not left:
            self.clear_log()
        return Done(RESEAL, 0, 0, round(time.monotonic() - begun, 3), calls=looked_at, mended=done, left=left)

    def look_after(self, upkeep: Upkeep, *, is_idle: bool) -> bool:
        """Do the next step of the regular upkeep, if it is time; True when another one waits. Errors as there."""
        return upkeep.step(self._backend, self._engine, is_idle=is_idle)

    def sweep(self) -> bool:
        """Do a step of removing what no call refers to (``sweeping``); False when nothing is left. Errors as above."""
        with self.transaction() as connection:
            self._backend.prepare_work(connection, _SWEEP_SECONDS)
            told = self._sweep.step(connection)
        if told:
            self.clear_log()
        return told is not None

    def clear_log(self) -> None:
        """Let a file's log not hold any longer what was erased: it is folded into the file, and emptied.

        Where somebody reads it just now, ``settle_log`` tries again. Errors as above: never into what is another's.
        """
        self.check_place()
        self._log_is_clear = self._backend.clear_log(self._engine)

    def settle_log(self) -> None:
        """Clear the log where something was erased since it was clear, also by retention, or before we began."""
        with contextlib.closing(self._engine.raw_connection()) as lent:
            was_erased = lent.info.pop(ERASED, False)
        if was_erased or not self._log_is_clear:
            self.clear_log()

    def claim(self, who: Instance) -> None:
        """Begin to write as an instance; ``StoreError`` while another process elsewhere does. Errors as above."""
        with self.transaction() as connection:
            instances.claim(connection, who)

    def propose(self, proposal: Proposal) -> int:
        """Let a change of the shared configuration count from now on; return its number. Errors as above."""
        with self.transaction() as connection:
            return configuration.record(connection, self._backend, proposal)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a transaction for whatever else is written; errors as above."""
        self.check_place()
        with self._committed() as connection:
            yield connection

    def check_place(self) -> None:
        """Raise ``StoreMovedError`` when the path leads to another file than when it was opened, or to none."""
        self._backend.check_place()

    def fold(self, sources: Sequence[str]) -> None:
        """Fold the accounts of sources that are closed and gone into one."""
        with self._committed() as connection:
            accounts.fold(connection, sources, self._instance)

    def part(self) -> None:
        """Let go of a database that has moved; ``StoreUnavailableError`` while that cannot be."""
        self._backend.part(self._engine)

    def rest(self) -> None:
        """Let the idle connection of a shared database go: it may have no other one for who comes next."""
        if self._backend.database.is_postgres:
            self._engine.dispose()

    def close(self) -> None:
        """Checkpoint and close."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _committed(self) -> Iterator[Connection]:
        """Give a transaction and commit it; the database's errors become ours, which say what to do."""
        is_committing = False
        try:
            with self._engine.begin() as connection:
                yield connection
                is_committing = True
        except (SQLAlchemyError, OverflowError, ValueError, TypeError) as error:
            refusal = self._judged(self._backend.refusal(error))
            if isinstance(refusal, StoreUnavailableError):
                refusal.is_uncertain = refusal.is_uncertain or is_committing
            raise refusal from error

    def _judged(self, refusal: StoreError) -> StoreError:
        """Take a key that came in between for what our own lost connection has committed meanwhile, once in a while."""
        now = time.monotonic()
        if not isinstance(refusal, CollisionError) or now < self._collided_at + _COLLISION_SECONDS:
            return refusal
        self._collided_at = now
        race = StoreUnavailableError(refusal.message)
        race.is_uncertain = True
        return race


def _write(connection: Connection, batch: WriteBatch, totals_of: TotalsOf, instance: str) -> WriteResult:
    new = _absent(connection, batch.entries)
    entries = _add(connection, [entry for _, entry in new])
    totals = totals_of(entries) if entries else {}
    run_many(connection, _TOTAL, [(instance, *key, value) for key, value in sorted(totals.items())])
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
        _insert_entries(connection, entries)
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
    wanted = list(by_id)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        sql = f"SELECT id FROM interaction WHERE id IN ({marks})"  # noqa: S608 - placeholders only
        for (identity,) in connection.exec_driver_sql(sql, tuple(part)):
            del by_id[identity]
    for identity in erasing.erased(connection, list(by_id)):
        del by_id[identity]
    return list(reversed(by_id.values()))


def _insert_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    bodies = [
        (entry.interaction, side, body)
        for entry in entries
        for side, body in (("request", entry.request), ("response", entry.response))
        if body is not None
    ]
    kept = keep_bodies(connection, [(day_text(item.started_at), body) for item, _, body in bodies])
    sealer = sealer_in(connection)
    body_rows = [
        body_row(item.id, side, body, data, sealer) for (item, side, body), data in zip(bodies, kept, strict=True)
    ]
    prices = {entry.price.id: entry.price for entry in entries if entry.price is not None}
    texts = [(e.interaction.id, e.input_text, e.output_text) for e in entries if e.input_text or e.output_text]
    interactions = [entry.interaction for entry in entries]
    run_many(connection, _PRICE, [rows.price_row(price) for _, price in sorted(prices.items())])
    calls = [rows.interaction_row(item) for item in interactions]
    attempts = [rows.attempt_row(item) for entry in entries for item in entry.attempts]
    if sealer is not None:
        calls, attempts, texts = list(map(hidden.without, calls)), list(map(hidden.attempt_without, attempts)), []
        body_rows += [row for entry in entries for row in hidden.body_rows(sealer, entry)]
    add_rows(connection, _INTERACTION, calls)
    add_rows(connection, _ATTEMPT, attempts)
    add_rows(connection, _LABEL, [row for item in interactions for row in rows.label_rows(item)])
    add_rows(connection, _BODY, body_rows)
    add_rows(connection, _TEXT, texts)


def _count(connection: Connection, new: Sequence[Interaction], amendments: Sequence[Amendment]) -> None:
    """Add new calls to rollups and histograms, together with what has changed in others: one order for all keys."""
    olds, news = list[Interaction](), list(new)
    for amendment in amendments:
        before, after = amending.change_rows(connection, amendment)
        olds += before
        news += after
    count(connection, Recount(olds, news))
