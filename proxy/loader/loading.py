"""The loop from spool to store: read, interpret, write in one transaction, free, count.

The store may be away for a day: the same batch is tried again with growing pauses, the spool keeps the rest, and the
gateway never notices. A row that the database refuses is found by halving the batch and put into quarantine; its
neighbours go in. Any other error, also a defect of ours, is logged and shown in the ledger, and the loader starts over
from the committed positions: nothing ends it but ``stop``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from proxy.domain.identity import id_text
from proxy.domain.interaction import Entry
from proxy.loader import late
from proxy.loader.collecting import OpenCall
from proxy.loader.handover import is_held
from proxy.loader.ledger import balance, closed_account, load_states, vanished
from proxy.loader.leftovers import settle_forsaken, sweep, tell_moved
from proxy.loader.outage import Outage
from proxy.loader.preparing import (
    Interpreted,
    Prepared,
    Written,
    complain_about_prices,
    prepare,
    set_aside,
    set_aside_damage,
)
from proxy.loader.retries import Retries
from proxy.loader.side_work import SideWork
from proxy.loader.sources import FollowedSource, Parking, Progress
from proxy.loader.totals import ModelNames, totals_of
from proxy.loader.unreadable import Unreadable
from proxy.pricing.cost import cost_of
from proxy.pricing.current import CurrentPrices
from proxy.settings.credentials import opening_keys
from proxy.settings.installation import instance_of
from proxy.settings.values import Settings
from proxy.spool.reader import SpoolReader
from proxy.spool.sealing import KeyRing, SealedError
from proxy.store.engines.failures import RowError, StoreMovedError, StoreUnavailableError
from proxy.store.hosts.accounts import earlier
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row
from proxy.store.writing.writer import StoreWriter, WriteBatch
from proxy.telemetry.families import Totals

log = structlog.get_logger("loader")

READ_BYTES = 1024 * 1024
IDLE_SECONDS, PARK_SECONDS, DRAIN_SECONDS = 0.05, 60.0, 3.0
_SETTLE_SECONDS = 10.0
_MOST_LINES = 100
"""So many gateways that are gone have lines of their own in the ledger."""


class Loader:
    """Owns the reader of the spool and the writer of the store; ``run`` is for one thread, the rest for any.

    ``periodic`` is called after each round with the writer and whether the round was idle, and may do a piece of other
    work; True: there is more.
    ``watch`` is told of calls that have begun, before they can have ended in the store; it must not wait.
    """

    def __init__(
        self,
        settings: Settings,
        totals: Totals,
        announce: Callable[[Entry], None],
        periodic: Callable[[StoreWriter, bool], bool] = lambda _writer, _is_idle: False,
        watch: Callable[[Sequence[OpenCall]], object] = list,
    ) -> None:
        self._settings = settings
        self._totals = totals
        self._announce, self._watch = announce, watch
        self._data_dir = Path(settings.data_dir)
        others = [settings.other_spool_dir]
        self._spool = SpoolReader(settings.spool_dir, others=others, keys=KeyRing(opening_keys()))
        self._instance = instance_of(settings)
        self._writer = StoreWriter(settings.database, self._instance)
        self._sources: dict[str, FollowedSource] = {}
        self._left_alone: set[str] = set()
        self._leaving = threading.Event()
        self._lock = threading.Lock()
        self._has_announced = False
        self._outage = Outage(looks_back=settings.database.is_postgres)
        self._retries = Retries()
        self._prices = CurrentPrices(settings.prices_dir, settings.own_prices_path, complain_about_prices)
        self._side_work = SideWork(settings, periodic)
        self.last_commit_at = time.time()
        self._fold_accounts()
        reader = self._reader()
        configured = [name for provider in settings.providers for name in provider.models]
        self._names = ModelNames([*configured, *reader.known_models(50)])
        self._states, self._parked = load_states(reader, self._instance)
        self._must_start_over = False
        self._unreadable = Unreadable()
        self._settle_again_at = 0.0
        # Before anybody asks: the account of a gateway that runs is newer than its line in the store.
        self._find_sources()

    def _reader(self) -> Reader:
        """Return a reader of what we write ourselves: a replica may be behind. One connection at a time is enough."""
        self._writer.rest()
        return Reader(self._settings.database, is_primary=True)

    def _fold_accounts(self) -> None:
        """Make one account of those whose gateways and files are gone."""
        states, _ = load_states(self._reader(), self._instance)
        there, kept = set(self._spool.names()), earlier(self._instance)
        self._close_vanished([row for name, row in states.items() if not row["is_closed"] and name not in there])
        gone = [name for name, row in states.items() if row["is_closed"] and name not in there and name != kept]
        if gone:
            self._writer.fold(gone)

    def _close_vanished(self, rows: list[Row]) -> None:
        """Settle the accounts of gateways whose files are gone, with a machine's memory or by somebody's hand."""
        if rows:
            self._writer.write(WriteBatch(states=[vanished(row) for row in rows]), lambda _entries: {})
            log.error("spool_vanished", sources=[row["source"] for row in rows], hint="what was not stored is lost")

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
            self._part()
        finally:
            self.close()

    def _part(self) -> None:
        """Let go of the former database before another one is opened in its place, however long that takes."""
        while True:
            try:
                self._writer.part()
            except StoreUnavailableError as error:
                if self._leaving.wait(self._outage.failed(error)):
                    return
            else:
                return

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
            if self._must_start_over:
                self._start_over()
            has_work = self.round()
            has_work = self._side_work.do_next(self._writer, self._leaving.is_set, is_idle=not has_work) or has_work
            if self._outage.must_look_back:
                self._look_back()
        except StoreMovedError:
            raise
        except Exception as error:  # noqa: BLE001 - the loader's batch: logged, shown in the ledger, tried again
            self._must_start_over = True
            return self._outage.failed(error)
        self._outage.succeeded()
        return 0.0 if has_work else IDLE_SECONDS

    def _start_over(self) -> None:
        """Forget what was read and not committed, and go back to what the store knows."""
        self._writer.check_place()
        reader = self._reader()
        # What was written without our knowing is counted there.
        self._totals.seed(reader.totals(self._instance))
        states, parked = load_states(reader, self._instance)
        with self._lock:
            self._sources.clear()
            self._states, self._parked = states, parked
            self._must_start_over = False

    def _look_back(self) -> None:
        """See that the store is where we left it: one that came in its place may not have it all."""
        with contextlib.closing(self._reader()) as reader:
            found = {row["source"]: row for row in reader.states(self._instance)}
        for followed in self._sources.values():
            followed.check_place(found.get(followed.name))
        self._outage.looked_back()

    # -- one round ------------------------------------------------------------------------------------------

    def round(self) -> bool:
        """Look at every source once; True when there is more to do at once. ``StoreMovedError`` also without a call."""
        self._writer.check_place()
        self._find_sources()
        # A list, not a generator: every source has its turn.
        return any([self._advance(followed) for followed in list(self._sources.values())])

    def _find_sources(self) -> None:
        if time.monotonic() >= self._settle_again_at:
            self._settle_again_at = time.monotonic() + _SETTLE_SECONDS
            known = {*self._sources, *self._states}
            settled = settle_forsaken(self._settings.pages_dir, self._spool, known, self._writer)
            with self._lock:
                self._states |= settled
            if len(self._states) - len(self._sources) > _MOST_LINES:
                self._fold_accounts()
                self._must_start_over = True
        for name in self._spool.names():
            if name in self._sources or name in self._left_alone:
                continue
            page = self._settings.pages_dir / f"{name}.page"
            limit = self._settings.recording.max_body_bytes
            followed = FollowedSource(self._spool.source(name), page, limit, self._states.get(name))
            followed.resume([row for row in self._parked if row["source"] == name], time.monotonic())
            tell_moved(name, followed.count_moved())
            sweep(followed.source, self._reader)
            with self._lock:
                self._sources[name] = followed

    def _advance(self, followed: FollowedSource) -> bool:
        now = time.monotonic()
        if not self._unreadable.may_try(followed.name, now):
            return False
        try:
            with self._lock:
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
        priced = partial(cost_of, price_list=self._prices.price_list()) if progress.finished else cost_of
        limit = self._settings.recording.max_body_bytes
        prepared = prepare(followed.source, progress.finished, limit, self._retries, priced)
        self._note_unsynced(progress.unsynced, prepared)
        with self._lock:
            state = followed.state(parking)
        batch = WriteBatch(
            entries=[(followed.name, item.entry) for item in prepared.ready],
            states=[state],
            parked=[part for _, part in parking],
            unparked=[id_text(item.call.identity) for item in progress.finished if item.call.parts],
            quarantined=[*(set_aside_damage(followed.source, item) for item in progress.damage), *prepared.broken],
        )
        written = self._write_all(followed, batch, prepared)
        with self._lock:
            followed.stored += written.stored
            followed.quarantined += written.quarantined
            followed.committed_with(state, parking, now)
        self._free(followed, prepared)

    def _note_unsynced(self, identities: set[bytes], prepared: Prepared) -> None:
        """Say in the rows of these calls that their replies did not wait for the disk."""
        if not identities:
            return
        for item in prepared.ready:
            if item.call.id in identities:
                late.mark(item.entry.interaction)
        stored = identities - {item.call.id for item in prepared.ready}
        if stored:
            late.amend(self._reader(), self._writer, stored)

    def _write_all(self, followed: FollowedSource, batch: WriteBatch, prepared: Prepared) -> Written:
        try:
            return self._insist(batch)
        except RowError:
            # The rows first, each in its own time; the position last, so that a crash in between replays them.
            apart = self._write_apart(followed, prepared.ready)
            return apart + self._insist(replace(batch, entries=[]))

    def _write_apart(self, followed: FollowedSource, part: Sequence[Interpreted]) -> Written:
        """Write entries in halves, the position staying where it was."""
        if not part:
            return Written()
        entries = [(followed.name, item.entry) for item in part]
        try:
            return self._insist(WriteBatch(entries=entries, states=[followed.unmoved()]))
        except RowError as error:
            if len(part) == 1:
                log.error("row_quarantined", id=part[0].entry.interaction.id, reason=error.message)
                row = set_aside(followed.name, part[0].call, error.message)
                return self._insist(WriteBatch(quarantined=[row], states=[followed.unmoved()]))
        middle = len(part) // 2
        return self._write_apart(followed, part[:middle]) + self._write_apart(followed, part[middle:])

    def _insist(self, batch: WriteBatch) -> Written:
        """Write a batch, waiting for the store as long as it takes."""
        while True:
            try:
                result = self._writer.write(batch, lambda entries: totals_of(entries, self._names))
            except StoreUnavailableError as error:
                # Not known whether it was written: begin again from what the store says.
                if error.is_uncertain or self._leaving.wait(self._outage.failed(error)):
                    raise
                continue
            self._outage.succeeded()
            self.last_commit_at = time.time()
            self._totals.add(result.totals)
            self._side_work.charging.charge(result.inserted)
            if result.inserted and not self._has_announced:
                self._has_announced = True
                self._announce(result.inserted[0])
            return Written(len(result.inserted), result.quarantined)

    def _free(self, followed: FollowedSource, prepared: Prepared) -> None:
        for name in prepared.side_files:
            followed.source.free_body(name)
        with self._lock:
            # Whoever counts what is pending must not meet a segment on its way out.
            is_gone = followed.free()
        if followed.is_exhausted:
            if not is_gone:
                # Segments of a version we do not know: a newer program will read them.
                self._left_alone.add(followed.name)
            with self._lock:
                self._states[followed.name] = followed.account()
                del self._sources[followed.name]

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
        with self._lock:
            return [source.page_values() for source in self._sources.values() if not source.is_dead]

    def under_way(self) -> list[OpenCall]:
        """Return the calls that have begun and not ended, as far as is read."""
        with self._lock:
            return [call for source in self._sources.values() for call in source.collector.open.values()]

    def ledger(self) -> dict[str, object]:
        """Return the account: accepted = stored + pending + quarantined + dropped, and how old and large pending is."""
        with self._lock:
            followed = list(self._sources.values())
            accounts = [source.account() for source in followed]
            accounts += [closed_account(row) for name, row in self._states.items() if name not in self._sources]
            ages = [source.oldest_age_seconds() for source in followed]
            sizes = [source.source.size_after(source.committed) for source in followed]
        return {
            **balance(accounts),
            "pending_bytes": sum(sizes),
            "oldest_pending_seconds": round(max(ages, default=0.0), 3),
            "loader_lag_seconds": round(self.lag_seconds(), 3),
        }

    def lag_seconds(self) -> float:
        """Return how long the oldest finished call has waited for its commit, or the loader for a success."""
        with self._lock:
            waits = [source.lag_seconds() for source in self._sources.values()]
        return max([*waits, self._outage.seconds, self._unreadable.seconds])
