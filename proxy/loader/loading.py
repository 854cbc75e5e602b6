"""The loop from spool to store: read, interpret, write in one transaction, free, count.

The store may be away for a day: the same batch is tried again with growing pauses (``committing``), the spool keeps the
rest, and the gateway never notices. Any other error, also a defect of ours, is logged and shown in the ledger, and the
loader starts over from the committed positions: nothing ends it but ``stop``. Whose spools there are is in ``roster``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog

from proxy.domain.identity import id_text
from proxy.domain.interaction import Entry
from proxy.loader import late
from proxy.loader.collecting import OpenCall
from proxy.loader.committing import Committer
from proxy.loader.handover import is_held
from proxy.loader.outage import Outage
from proxy.loader.preparing import Prepared, complain_about_prices, prepare, set_aside_damage
from proxy.loader.retries import Retries
from proxy.loader.roster import Roster
from proxy.loader.side_work import SideWork
from proxy.loader.sources import FollowedSource, Parking, Progress
from proxy.loader.totals import ModelNames
from proxy.loader.unreadable import Unreadable
from proxy.pricing.cost import cost_of
from proxy.pricing.current import CurrentPrices
from proxy.settings.credentials import opening_keys
from proxy.settings.installation import instance_of
from proxy.settings.values import Settings
from proxy.spool.reader import SpoolReader
from proxy.spool.sealing import KeyRing, SealedError
from proxy.store.engines.failures import StoreMovedError
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch, WriteResult
from proxy.store.writing.writer import StoreWriter
from proxy.telemetry.families import Totals

log = structlog.get_logger("loader")

READ_BYTES = 1024 * 1024
IDLE_SECONDS, PARK_SECONDS, DRAIN_SECONDS = 0.05, 60.0, 3.0


class Loader:
    """Owns the reader of the spool and the writer of the store; ``run`` is for one thread, the rest for any.

    ``periodic`` is called after each round with the writer and whether the round was idle, and may do a piece of other
    work; True: there is more. ``watch`` is told of calls that have begun, before they can have ended in the store; it
    must not wait.
    """

    def __init__(
        self,
        settings: Settings,
        totals: Totals,
        announce: Callable[[Entry], None],
        periodic: Callable[[StoreWriter, bool], bool] = lambda _writer, _is_idle: False,
        watch: Callable[[Sequence[OpenCall]], object] = list,
    ) -> None:
        self._settings, self._totals = settings, totals
        self._announce, self._watch = announce, watch
        self._data_dir = Path(settings.data_dir)
        spool = SpoolReader(settings.spool_dir, others=[settings.other_spool_dir], keys=KeyRing(opening_keys()))
        self._instance = instance_of(settings)
        self._writer = StoreWriter(settings.database, self._instance)
        self._leaving = threading.Event()
        self._has_announced = False
        self._outage = Outage(looks_back=settings.database.is_postgres)
        self._retries, self._unreadable = Retries(), Unreadable()
        self._prices = CurrentPrices(settings.prices_dir, settings.own_prices_path, complain_about_prices)
        self._side_work = SideWork(settings, periodic)
        self.last_commit_at = time.time()
        self._roster = Roster(settings, spool, self._writer, self._reader, self._instance)
        self._committer = Committer(self._writer, self._model_names(), self._outage, self._leaving, self._committed)

    def _model_names(self) -> ModelNames:
        configured = [name for provider in self._settings.providers for name in provider.models]
        with contextlib.closing(self._reader()) as reader:
            return ModelNames([*configured, *reader.known_models(50)])

    def _reader(self) -> Reader:
        """Return a reader of what we write ourselves: a replica may be behind. One connection at a time is enough."""
        self._writer.rest()
        return Reader(self._settings.database, is_primary=True)

    # -- life -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Load until told to stop, then what is left of the spool for a few seconds more.

        Also ends when the database is no longer the file that was opened, or when a command holds the record: the next
        loader starts from what is there.
        """
        try:
            self._run()
        except StoreMovedError as error:
            log.error("store_moved", reason=error.message, hint="a new one is made where there is none")
            self._committer.part()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the database; ``run`` does it at its end."""
        self._writer.close()
        self._side_work.charging.close()

    def _run(self) -> None:
        pause = 0.0
        while not self._leaving.wait(pause):
            if is_held(self._data_dir):
                return
            pause = self._careful_round()
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline and not self._outage.is_there and self._careful_round() == 0.0:
            pass

    def stop(self) -> None:
        """Let the batch in hand end, then leave."""
        self._leaving.set()

    def _careful_round(self) -> float:
        """Do one round, whatever comes of it; return the seconds to wait before the next."""
        try:
            if self._roster.is_stale:
                self._start_over()
            has_work = self.round()
            has_work = self._side_work.do_next(self._writer, self._leaving.is_set, is_idle=not has_work) or has_work
            if self._outage.must_look_back:
                self._roster.check_places()
                self._outage.looked_back()
        except StoreMovedError:
            raise
        except Exception as error:  # noqa: BLE001 - the loader's batch: logged, shown in the ledger, tried again
            self._roster.is_stale = True
            return self._outage.failed(error)
        self._outage.succeeded()
        return 0.0 if has_work else IDLE_SECONDS

    def _start_over(self) -> None:
        """Forget what was read and not committed, and go back to what the store knows."""
        self._writer.check_place()
        with contextlib.closing(self._reader()) as reader:
            # What was written without our knowing is counted there.
            self._totals.seed(reader.totals(self._instance))
        self._roster.begin_anew()

    # -- one round ------------------------------------------------------------------------------------------

    def round(self) -> bool:
        """Look at every source once; True when there is more to do at once. ``StoreMovedError`` also without a call."""
        self._writer.check_place()
        self._roster.find()
        # A list, not a generator: every source has its turn.
        return any([self._advance(followed) for followed in self._roster])

    def _advance(self, followed: FollowedSource) -> bool:
        now = time.monotonic()
        if not self._unreadable.may_try(followed.name, now):
            return False
        try:
            with self._roster.lock:
                progress = followed.look(READ_BYTES, now)
                parking = followed.parts_to_park(now, PARK_SECONDS)
        except (OSError, SealedError) as error:
            # Nothing was taken, and the other sources go on.
            self._unreadable.failed(followed.name, followed.source.folder, now, error)
            return False
        self._unreadable.succeeded(followed.name)
        if progress.begun:
            self._watch(progress.begun)
        if progress.given_up:
            log.warning("calls_recovered", source=followed.name, interrupted=progress.given_up)
        if progress.has_read or progress.finished or progress.damage or parking or followed.is_exhausted:
            self._commit(followed, progress, parking, now)
        # Gone with what it left open: the next look closes its account.
        gave_up = followed.is_dead and not followed.is_exhausted
        return (progress.has_read and not progress.is_at_end) or gave_up

    # -- committing -----------------------------------------------------------------------------------------

    def _commit(self, followed: FollowedSource, progress: Progress, parking: Parking, now: float) -> None:
        """Write what one look gave, position included, in one transaction; then free what it stands for."""
        prepared = self._prepare(followed, progress)
        with self._roster.lock:
            state = followed.state(parking)
        batch = WriteBatch(
            entries=[(followed.name, item.entry) for item in prepared.ready],
            states=[state],
            parked=[part for _, part in parking],
            unparked=[id_text(item.call.identity) for item in progress.finished if item.call.parts],
            quarantined=[*(set_aside_damage(followed.source, item) for item in progress.damage), *prepared.broken],
        )
        written = self._committer.write(followed, batch, prepared.ready)
        with self._roster.lock:
            followed.stored += written.stored
            followed.quarantined += written.quarantined
            followed.committed_with(state, parking, now)
        for name in prepared.side_files:
            followed.source.free_body(name)
        self._roster.free(followed)

    def _prepare(self, followed: FollowedSource, progress: Progress) -> Prepared:
        priced = partial(cost_of, price_list=self._prices.price_list()) if progress.finished else cost_of
        limit = self._settings.recording.max_body_bytes
        prepared = prepare(followed.source, progress.finished, limit, self._retries, priced)
        late.note(progress.unsynced, prepared.ready, self._writer, self._reader)
        return prepared

    def _committed(self, result: WriteResult) -> None:
        """Count what is in the store now, and announce the first of all."""
        self.last_commit_at = time.time()
        self._totals.add(result.totals)
        self._side_work.charging.charge(result.inserted)
        if result.inserted and not self._has_announced:
            self._has_announced = True
            self._announce(result.inserted[0])

    # -- what others may ask --------------------------------------------------------------------------------

    @property
    def last_error(self) -> str | None:
        """What keeps calls from the store now: all of them, or those of a source that cannot be read."""
        return self._outage.reason or self._unreadable.first[0]

    @property
    def next_step(self) -> str | None:
        """What a person may do about it, where that is known."""
        return self._outage.hint if self._outage.reason else self._unreadable.first[1]

    def pages(self) -> list[dict[str, int]]:
        """Return the pages of the gateways that run."""
        return self._roster.pages()

    def under_way(self) -> list[OpenCall]:
        """Return the calls that have begun and not ended, as far as is read."""
        return self._roster.under_way()

    def ledger(self) -> dict[str, object]:
        """Return the account: accepted = stored + pending + quarantined + dropped, and how old and large pending is."""
        return {**self._roster.ledger(), "loader_lag_seconds": round(self.lag_seconds(), 3)}

    def lag_seconds(self) -> float:
        """Return how long the oldest finished call has waited for its commit, or the loader for a success."""
        return max(self._roster.lag_seconds(), self._outage.seconds, self._unreadable.seconds)
