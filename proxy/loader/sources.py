"""Following one gateway's spool: how far it was read, what is open, what of it is committed.

Reading runs ahead of the commit; the committed position is the oldest record of a call that is neither finished nor
parked. A source is dead when its lock is free: what is then still open is given up as interrupted, and once all of it
is committed the source is *exhausted*: its counts are settled, its page and files go, the ledger keeps its line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proxy.domain.identity import id_text, parse_id
from proxy.errors import SpoolError
from proxy.loader.accounts import AccountedSource
from proxy.loader.collecting import Finished, OpenCall
from proxy.spool.batches import Damaged, Position, ReadBatch
from proxy.spool.framing import Record, RecordType, scan
from proxy.spool.sources import Source
from proxy.store.contents.set_aside import ParkedPart
from proxy.store.schema.decoding import Row
from proxy.store.writing.positions import Place, SourceState, went_back


@dataclass(slots=True)
class Progress:
    """What one look at a source gave."""

    begun: list[OpenCall] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    damage: list[Damaged] = field(default_factory=list)
    unsynced: set[bytes] = field(default_factory=set)
    given_up: int = 0
    is_at_end: bool = True
    has_read: bool = False


Parking = list[tuple[OpenCall, ParkedPart]]


class FollowedSource(AccountedSource):
    """One gateway's spool, on its way into the store. Not locked: the loader does that."""

    def __init__(self, source: Source, page_path: Path, body_limit: int, state: Row | None) -> None:
        super().__init__(source, page_path, body_limit, state)
        self._is_known = state is not None
        self._reported: set[Position] = set()

    def __repr__(self) -> str:
        return f"<FollowedSource {self.name} at={self._read_at} open={len(self.collector.open)} dead={self.is_dead}>"

    # -- reading --------------------------------------------------------------------------------------------

    def resume(self, parked: Sequence[Row], now: float) -> None:
        """Take up calls that were parked before a restart."""
        by_id: dict[str, list[Row]] = {}
        for row in parked:
            by_id.setdefault(row["id"], []).append(row)
        for identity, parts in by_id.items():
            found = [item for part in parts for item in scan(part["payload"], is_final=True)]
            records = [item for item in found if isinstance(item, Record)]
            until = max(int(part["until_sequence"]) for part in parts)
            self.collector.resume(parse_id(identity), records, until, len(parts), now)

    def look(self, limit: int, now: float) -> Progress:
        """Read on; when the gateway is dead and all is read, give up what is open."""
        if not self.is_dead:
            self.is_dead = not self.source.is_alive() and self.source.settle()
        batch = self.source.read(self._read_at, limit, is_final=self.is_dead)
        progress = Progress(is_at_end=batch.is_at_end, has_read=batch.next != self._read_at)
        progress.damage = [item for item in batch.damage if item.position not in self._reported]
        self._feed(batch, progress, now)
        if batch.is_at_end and not self.is_dead:
            self._feed_waiting(progress, now)
        progress.unsynced, self.collector.unsynced = self.collector.unsynced, set()
        self._reported.update(item.position for item in progress.damage)
        self._read_at = batch.next
        if self.is_dead and batch.is_at_end and not batch.records:
            self.is_exhausted = not self.collector.open
            left = self.collector.give_up()
            progress.given_up = len(left)
            progress.finished += left
        self.in_hand = progress.finished
        return progress

    def _feed(self, batch: ReadBatch, progress: Progress, now: float) -> None:
        for located in batch.records:
            if located.record.sequence <= self._sequence:
                # Written twice, since the first time might not have reached the disk.
                continue
            self._sequence = located.record.sequence
            try:
                finished = self.collector.feed(located.position, located.record, now)
            except (SpoolError, ValueError, TypeError) as error:
                # A valid checksum over a payload that is none: a defect, or a version far ahead of ours.
                raw = self.source.as_it_lay(located.position, located.record)
                progress.damage.append(Damaged(located.position, f"a payload cannot be read: {error}", raw))
                continue
            if finished is not None:
                progress.finished.append(finished)
            elif located.record.type == RecordType.START:
                progress.begun.append(self.collector.open[located.record.identity])

    def _feed_waiting(self, progress: Progress, now: float) -> None:
        """End calls whose ENDs a full disk does not take: nothing is freed while they count as open.

        Their ENDs come in a segment, too, and change nothing then.
        """
        if not self.collector.open or not self.page_values().get("waiting_bytes"):
            return
        for record in self.source.waiting():
            finished = self.collector.feed(self._read_at, record, now)
            if finished is not None:
                progress.finished.append(finished)

    def parts_to_park(self, now: float, seconds: float) -> Parking:
        """Return what of long calls is to be parked now."""
        found = self.collector.overdue(now, seconds)
        return [(c, ParkedPart(id_text(c.identity), c.parts, self.name, c.sequence, c.part())) for c in found]

    # -- committing -----------------------------------------------------------------------------------------

    def state(self, parking: Parking) -> SourceState:
        """Return what to commit: the position up to which everything is finished or parked with this batch."""
        position = self.collector.hold(self._read_at, [call for call, _ in parking])
        self._refresh()
        if self.is_exhausted:
            self._settle()
        return SourceState(
            name=self.name,
            segment=position.segment,
            offset=position.offset,
            accepted=self._accepted,
            dropped=dict(self._dropped),
            is_closed=self.is_exhausted,
            since=self.since,
        )

    @property
    def since(self) -> Place | None:
        """Where the store knows this source to be, None before it knows of it."""
        return (self.committed.segment, self.committed.offset) if self._is_known else None

    def unmoved(self) -> SourceState:
        """Return a state that counts rows and does not move the position."""
        account = self.account()
        dropped = account["dropped"]
        assert isinstance(dropped, Mapping)
        place, accepted = self.committed, int(str(account["accepted"]))
        return SourceState(self.name, place.segment, place.offset, accepted, dropped, since=self.since)

    def check_place(self, row: Row | None) -> None:
        """Raise ``StoreWentBackError`` where the store, which has this row, is not where we left it."""
        found = None if row is None else (int(row["segment"]), int(row["offset"]))
        if self.since is not None and found != self.since:
            raise went_back(self.name, self.since, found)

    def committed_with(self, state: SourceState, parking: Parking, now: float) -> None:
        """This state is in the store: what it stands for is in hand no longer."""
        self.in_hand = ()
        self.committed, self._is_known = Position(state.segment, state.offset), True
        for call, part in parking:
            call.parked(part.until_sequence, now)

    def free(self) -> bool:
        """Unlink what lies before the committed position; True when nothing of a dead source is left."""
        self.source.acknowledge(self.committed)
        if not self.is_exhausted:
            return False
        if self._page is not None:
            self._page.close()
            self._page = None
        self._page_path.unlink(missing_ok=True)
        return self.source.remove()

    # -- ages -----------------------------------------------------------------------------------------------

    def oldest_age_seconds(self) -> float:
        """Return the age of the oldest call that is not in the store; 0 when there is none."""
        calls = [*self.collector.open.values(), *(item.call for item in self.in_hand)]
        oldest = min((call.start.accepted_at_ns for call in calls), default=None)
        return 0.0 if oldest is None else max(0.0, (time.time_ns() - oldest) / 1e9)

    def lag_seconds(self) -> float:
        """Return how long the oldest finished call has waited for its commit."""
        oldest = min((item.ended_at_ns for item in self.in_hand if item.end is not None), default=None)
        return 0.0 if oldest is None else max(0.0, (time.time_ns() - oldest) / 1e9)
