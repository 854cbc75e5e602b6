"""The loop from spool to store: read, interpret, write in one transaction, free, count.

The store may be away for a day: the same batch is tried again with growing pauses, the spool keeps the rest, and the
gateway never notices. A row that the database refuses is found by halving the batch and put into quarantine; its
neighbours go in. What cannot be interpreted is a defect of ours and goes the same way. Nothing ends this loop but
``stop``.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from proxy.domain.identity import id_text
from proxy.domain.interaction import Entry
from proxy.domain.recording import RecordedCall
from proxy.errors import SpoolError, StoreError
from proxy.interpret.entry import interpret
from proxy.loader.collecting import Finished
from proxy.loader.sources import FollowedSource, Parking, Progress
from proxy.loader.totals import ModelNames, totals_of
from proxy.pricing.cost import cost_of
from proxy.settings.values import Settings
from proxy.spool.reader import Damaged, SpoolReader
from proxy.store.reading import Reader
from proxy.store.writing import Quarantined, RowError, SourceState, StoreUnavailableError, StoreWriter, WriteBatch
from proxy.telemetry.families import Totals

log = structlog.get_logger("loader")

READ_BYTES = 2 * 1024 * 1024
IDLE_SECONDS = 0.05
PARK_SECONDS = 60.0
_LONGEST_PAUSE = 15.0


@dataclass(frozen=True, slots=True)
class Interpreted:
    """A call on its way into the store; ``side_file`` may go once it is there."""

    entry: Entry
    call: RecordedCall
    side_file: str | None


class Loader:
    """Owns the reader of the spool and the writer of the store; ``run`` is for one thread."""

    def __init__(self, settings: Settings, totals: Totals, announce: Callable[[Entry], None]) -> None:
        self._settings = settings
        self._totals = totals
        self._announce = announce
        self._spool = SpoolReader(settings.spool_dir)
        self._writer = StoreWriter(settings.database_path)
        self._sources: dict[str, FollowedSource] = {}
        self._closed: dict[str, dict[str, object]] = {}
        self._leaving = threading.Event()
        self._lock = threading.Lock()
        self._has_announced = False
        self.last_error: str | None = None
        self.last_commit_at = time.time()
        reader = Reader(settings.database_path)
        self._names = ModelNames(reader.known_models(50))
        self._known_states = {row["source"]: row for row in reader.states()}
        self._parked = reader.parked()
        reader.close()

    def run(self) -> None:
        """Load until told to stop."""
        pause = 0.0
        while not self._leaving.wait(pause):
            try:
                has_work = self.round()
                self.last_error = None
                pause = 0.0 if has_work else IDLE_SECONDS
            except (OSError, SpoolError, StoreError) as error:
                pause = self._back_off(pause, error)
        self._writer.close()

    def stop(self) -> None:
        """Let the batch in hand end, then leave."""
        self._leaving.set()

    def _back_off(self, pause: float, error: Exception) -> float:
        """Return the next pause: full jitter, doubling up to 15 s, for ever."""
        self.last_error = str(error)
        ceiling = min(_LONGEST_PAUSE, max(0.1, pause * 2 or 0.1))
        log.warning("loading_paused", reason=str(error), seconds=round(ceiling, 1))
        # Not for secrets: spreads the retries of several hosts.
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311

    def round(self) -> bool:
        """Look at every source once; True when there is more to do at once."""
        self._find_sources()
        has_work = False
        for followed in list(self._sources.values()):
            has_work |= self._advance(followed)
        return has_work

    def _find_sources(self) -> None:
        for name in self._spool.names():
            if name not in self._sources:
                page = self._settings.pages_dir / f"{name}.page"
                limit = self._settings.recording.max_body_bytes
                followed = FollowedSource(self._spool.source(name), page, limit, self._known_states.get(name))
                followed.resume([row for row in self._parked if row["source"] == name], time.monotonic())
                self._sources[name] = followed

    def _advance(self, followed: FollowedSource) -> bool:
        now = time.monotonic()
        with self._lock:
            progress = followed.look(READ_BYTES, now)
        parking = followed.parts_to_park(now, PARK_SECONDS)
        if progress.has_read or progress.finished or progress.damage or parking or followed.is_exhausted:
            self._commit(followed, progress, parking, now)
        return progress.has_read and not progress.is_at_end

    # -- committing -----------------------------------------------------------------------------------------

    def _commit(self, followed: FollowedSource, progress: Progress, parking: Parking, now: float) -> None:
        """Write what one look gave, position included, in one transaction; then free what it stands for."""
        damaged = [self._damaged(followed, item) for item in progress.damage]
        ready, broken = self._interpret_all(followed, progress.finished)
        state = followed.state(len(broken), parking)
        batch = WriteBatch(
            entries=[(followed.name, item.entry) for item in ready],
            states=[state],
            parked=[part for _, part in parking],
            unparked=[id_text(item.call.identity) for item in progress.finished if item.call.parts],
            quarantined=[*damaged, *broken],
        )
        try:
            stored, lost = self._insist(batch), len(broken)
        except RowError:
            stored, refused = self._write_apart(followed, ready)
            lost = len(broken) + refused
            state = replace(state, quarantined=lost)
            self._insist(replace(batch, entries=[], states=[state]))
        self._committed(followed, state, parking, stored, lost, now)
        for item in ready:
            if item.side_file:
                followed.source.free_body(item.side_file)

    def _committed(
        self, followed: FollowedSource, state: SourceState, parking: Parking, stored: int, lost: int, now: float
    ) -> None:
        with self._lock:
            followed.stored += stored
            followed.quarantined += lost
            followed.committed = state
            followed.parked(parking, now)
            followed.free(state)
            if followed.is_exhausted:
                self._closed[followed.name] = followed.account()
                del self._sources[followed.name]
                self._known_states.pop(followed.name, None)

    def _write_apart(self, followed: FollowedSource, part: Sequence[Interpreted]) -> tuple[int, int]:
        """Write entries in halves, the position staying where it was; return (stored, refused)."""
        if not part:
            return 0, 0
        entries = [(followed.name, item.entry) for item in part]
        try:
            return self._insist(WriteBatch(entries=entries, states=[replace(followed.committed, quarantined=0)])), 0
        except RowError as error:
            if len(part) == 1:
                self._quarantine(followed, part[0], error)
                return 0, 1
        middle = len(part) // 2
        left, right = self._write_apart(followed, part[:middle]), self._write_apart(followed, part[middle:])
        return left[0] + right[0], left[1] + right[1]

    def _insist(self, batch: WriteBatch) -> int:
        """Write a batch, waiting for the store as long as it takes; return how many rows were new."""
        pause = 0.0
        while True:
            try:
                result = self._writer.write(batch, lambda entries: totals_of(entries, self._names))
            except StoreUnavailableError as error:
                pause = self._back_off(pause, error)
                if self._leaving.wait(pause):
                    raise
                continue
            self.last_commit_at = time.time()
            self.last_error = None
            self._totals.add(result.totals)
            if result.inserted and not self._has_announced:
                self._has_announced = True
                self._announce(result.inserted[0])
            return len(result.inserted)

    # -- interpreting ---------------------------------------------------------------------------------------

    def _interpret_all(
        self, followed: FollowedSource, finished: Sequence[Finished]
    ) -> tuple[list[Interpreted], list[Quarantined]]:
        ready, broken = [], []
        for item in finished:
            call = item.call.finish(item.end, self._request_of(followed, item))
            try:
                ready.append(Interpreted(interpret(call, cost_of), call, call.start.side_file))
            except Exception as error:
                # The loader's batch: one call that we cannot understand must not stop the others.
                log.exception("interpretation_failed", id=id_text(call.id))
                broken.append(self._row(followed, call, f"interpretation failed: {type(error).__name__}: {error}"))
        return ready, broken

    def _request_of(self, followed: FollowedSource, item: Finished) -> bytes | None:
        start = item.call.start
        if start is None or (item.end is not None and item.end.bodies_dropped and not item.call.request):
            return None
        if start.side_file is None:
            return item.call.request
        return followed.source.body(start.side_file, self._settings.recording.max_body_bytes)

    def _quarantine(self, followed: FollowedSource, item: Interpreted, error: RowError) -> None:
        log.error("row_quarantined", id=item.entry.interaction.id, reason=error.message)
        self._insist(WriteBatch(quarantined=[self._row(followed, item.call, error.message)]))

    def _row(self, followed: FollowedSource, call: RecordedCall, reason: str) -> Quarantined:
        data = (call.request or b"") + b"\n\n" + b"".join([piece.data for piece in call.pieces])
        now = time.time_ns() // 1_000_000
        return Quarantined(followed.name, 0, 0, reason, now, id_text(call.id), data[:1_000_000])

    def _damaged(self, followed: FollowedSource, item: Damaged) -> Quarantined:
        name = followed.source.quarantine(item) if item.data else ""
        log.error("spool_damage", source=followed.name, reason=item.reason, kept_as=name)
        place, now = item.position, time.time_ns() // 1_000_000
        return Quarantined(followed.name, place.segment, place.offset, item.reason, now, None, item.data[:1_000_000])

    # -- ledger ---------------------------------------------------------------------------------------------

    def pages(self) -> list[dict[str, int]]:
        """Return the pages of the gateways that run."""
        with self._lock:
            return [source.page_values() for source in self._sources.values() if not source.is_dead]

    def ledger(self) -> dict[str, object]:
        """Return the account: accepted = stored + pending + quarantined + dropped."""
        with self._lock:
            accounts = [source.account() for source in self._sources.values()]
            following = {str(account["source"]) for account in accounts}
            accounts += [account for name, account in self._closed.items() if name not in following]
        closed = [_account_of(row) for name, row in self._known_states.items() if name not in following]
        return balance([*accounts, *closed])


def _account_of(row: dict[str, object]) -> dict[str, object]:
    return {
        "source": row["source"],
        "accepted": row["accepted"],
        "stored": row["stored"],
        "pending": 0,
        "quarantined": row["quarantined"],
        "dropped": row["dropped"] or {},
        "alive": False,
    }


def balance(accounts: Sequence[dict[str, object]]) -> dict[str, object]:
    """Return the sum of accounts, and whether it balances."""
    dropped: dict[str, int] = {}
    for account in accounts:
        for reason, number in account["dropped"].items():  # type: ignore[attr-defined]
            dropped[reason] = dropped.get(reason, 0) + number
    sums = {name: sum(int(str(a[name])) for a in accounts) for name in ("accepted", "stored", "pending", "quarantined")}
    known = sums["stored"] + sums["pending"] + sums["quarantined"] + sum(dropped.values())
    return {**sums, "dropped": dropped, "balanced": sums["accepted"] == known, "sources": list(accounts)}
