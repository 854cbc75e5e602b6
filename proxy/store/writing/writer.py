"""The one writer of a store: every change goes through it, each in a transaction of its own.

What a batch of calls adds is in ``batches``, other changes in rooms of their own; this opens, commits, looks after the
file, and turns the database's errors into ours, which say what to do: ``StoreUnavailableError`` to try again later,
``StoreMovedError`` to open the database anew, ``RowError`` that a row can never go in.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.care.maintenance import RESEAL, SWEEP, Done, Upkeep, maintain
from proxy.store.changes import amending, resealing
from proxy.store.changes.amending import Amendment
from proxy.store.contents import sealed_until
from proxy.store.engines.engine import ERASED, Backend, backend_of
from proxy.store.engines.failures import CollisionError, StoreUnavailableError
from proxy.store.erasure.sweeping import Sweep
from proxy.store.hosts import accounts, configuration, instances
from proxy.store.hosts.configuration import Proposal
from proxy.store.hosts.instances import Instance
from proxy.store.schema.columns import day_text
from proxy.store.schema.sealing import sealer_in
from proxy.store.writing import batches
from proxy.store.writing.batches import TotalsOf, WriteBatch, WriteResult

_COLLISION_SECONDS = 60.0
_SWEEP_SECONDS = 600.0
_RESEAL_SECONDS = 0.3


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
        self._sealed_on = ""

    @property
    def backend(self) -> Backend:
        """The engine that is written to."""
        return self._backend

    def write(self, batch: WriteBatch, totals_of: TotalsOf) -> WriteResult:
        """Write one batch; returns what was new."""
        self.check_place()
        with self._committed() as connection:
            written = batches.write(connection, batch, totals_of, self._instance)
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
                day = self._noted_day(connection)
                yield connection
                is_committing = True
            self._sealed_on = day
        except (SQLAlchemyError, OverflowError, ValueError, TypeError) as error:
            refusal = self._judged(self._backend.refusal(error))
            if isinstance(refusal, StoreUnavailableError):
                refusal.is_uncertain = refusal.is_uncertain or is_committing
            raise refusal from error

    def _noted_day(self, connection: Connection) -> str:
        """Return the day on which it is noted that texts are sealed, today once it is; "" where none are."""
        if sealer_in(connection) is None:
            return ""
        today = day_text(time.time_ns() // 1_000_000)
        if today != self._sealed_on:
            sealed_until.note(connection, today)
        return today

    def _judged(self, refusal: StoreError) -> StoreError:
        """Take a key that came in between for what our own lost connection has committed meanwhile, once in a while."""
        now = time.monotonic()
        if not isinstance(refusal, CollisionError) or now < self._collided_at + _COLLISION_SECONDS:
            return refusal
        self._collided_at = now
        race = StoreUnavailableError(refusal.message)
        race.is_uncertain = True
        return race
