"""Following one gateway's spool: how far it was read, what is open, what of it is committed.

Reading runs ahead of the commit; the committed position is the oldest record of a call that is neither finished nor
parked. A source is dead when its lock is free: what is then still open is given up as interrupted, and once all of it
is committed its files go. Its counts stay in the ledger.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from proxy.domain.identity import id_text, parse_id
from proxy.errors import SpoolError
from proxy.loader.collecting import Collector, Finished, OpenCall
from proxy.spool.framing import Record, encode, scan
from proxy.spool.page import Page
from proxy.spool.reader import Damaged, Position, ReadBatch, Source
from proxy.store.reading import Row
from proxy.store.writing import ParkedPart, SourceState


@dataclass(slots=True)
class Progress:
    """What one look at a source gave."""

    finished: list[Finished] = field(default_factory=list)
    damage: list[Damaged] = field(default_factory=list)
    is_at_end: bool = True
    has_read: bool = False


Parking = list[tuple[OpenCall, ParkedPart]]


class FollowedSource:
    """One gateway's spool, on its way into the store."""

    def __init__(self, source: Source, page_path: Path, body_limit: int, state: Row | None) -> None:
        self.name = source.name
        self.source = source
        self.collector = Collector(body_limit)
        self.is_dead = False
        self.is_exhausted = False
        self.stored = int(state["stored"]) if state else 0
        self.quarantined = int(state["quarantined"]) if state else 0
        self._read_at = Position(int(state["segment"]), int(state["offset"])) if state else Position()
        self.committed = SourceState(source.name, self._read_at.segment, self._read_at.offset)
        self._page_path = page_path
        self._page: Page | None = None
        self._accepted = int(state["accepted"]) if state else 0
        self._dropped: dict[str, int] = dict(state["dropped"] or {}) if state else {}

    def __repr__(self) -> str:
        return f"<FollowedSource {self.name} at={self._read_at} open={len(self.collector.open)} dead={self.is_dead}>"

    def resume(self, parked: list[Row], now: float) -> None:
        """Take up calls that were parked before a restart."""
        by_id: dict[str, list[Row]] = {}
        for row in parked:
            by_id.setdefault(row["id"], []).append(row)
        for identity, parts in by_id.items():
            found = [item for part in parts for item in scan(part["payload"], is_final=True)]
            records = [item for item in found if isinstance(item, Record)]
            self.collector.resume(parse_id(identity), records, parts[-1]["until_sequence"], len(parts), now)

    def look(self, limit: int, now: float) -> Progress:
        """Read on; when the gateway is dead and all is read, give up what is open."""
        if not self.is_dead:
            self.is_dead = not self.source.is_alive()
        batch = self.source.read(self._read_at, limit, is_final=self.is_dead)
        progress = Progress(damage=list(batch.damage), is_at_end=batch.is_at_end, has_read=bool(batch.records))
        self._feed(batch, progress, now)
        self._read_at = batch.next
        if self.is_dead and batch.is_at_end and not batch.records:
            progress.finished += self.collector.give_up()
            self.is_exhausted = True
        return progress

    def _feed(self, batch: ReadBatch, progress: Progress, now: float) -> None:
        for located in batch.records:
            try:
                finished = self.collector.feed(located.position, located.record, now)
            except SpoolError as error:
                record = located.record
                raw = encode(record.type, record.identity, record.sequence, record.payload)
                progress.damage.append(Damaged(located.position, error.message, raw))
                continue
            if finished is not None:
                progress.finished.append(finished)

    def parts_to_park(self, now: float, seconds: float) -> Parking:
        """Return what of long calls is to be parked now."""
        parts = []
        for call in self.collector.overdue(now, seconds):
            payload = b"".join([encode(r.type, r.identity, r.sequence, r.payload) for r in call.unparked])
            until = call.unparked[-1].sequence
            parts.append((call, ParkedPart(id_text(call.identity), call.parts, self.name, until, payload)))
        return parts

    def parked(self, parts: Parking, now: float) -> None:
        """These parts are committed: the calls hold the position no longer."""
        for call, part in parts:
            call.held_at, call.unparked, call.opened_at = None, [], now
            call.parts, call.until_sequence = part.part + 1, max(call.until_sequence, part.until_sequence)

    def state(self, quarantined: int, parking: Parking) -> SourceState:
        """Return what to commit: the position up to which everything is finished or parked with this batch."""
        leaving = {id(call) for call, _ in parking}
        held = [c.held_at for c in self.collector.open.values() if c.held_at is not None and id(c) not in leaving]
        position = min([*held, self._read_at])
        self.refresh_counts()
        return SourceState(
            name=self.name,
            segment=position.segment,
            offset=position.offset,
            accepted=self._accepted,
            quarantined=quarantined,
            dropped=self._dropped,
            is_closed=self.is_exhausted,
        )

    def refresh_counts(self) -> None:
        """Read the gateway's own counts off its page."""
        if self._page is None:
            with contextlib.suppress(SpoolError):
                self._page = Page.open(self._page_path)
        if self._page is not None:
            values = self._page.read_all()
            self._accepted = max(self._accepted, values["accepted"])
            drops = {name: number for name, number in values.items() if name.startswith("dropped_") and number}
            self._dropped = {name.removeprefix("dropped_"): number for name, number in drops.items()}
        if self.is_exhausted:
            # Killed between appending a START and counting it: the call is one of ours all the same.
            self._accepted = max(self._accepted, self.stored + self.quarantined + sum(self._dropped.values()))

    def free(self, state: SourceState) -> None:
        """A state is committed: unlink what lies before it, and everything of an exhausted source."""
        self.source.acknowledge(Position(state.segment, state.offset))
        if self.is_exhausted and self.source.remove():
            if self._page is not None:
                self._page.close()
                self._page = None
            self._page_path.unlink(missing_ok=True)

    def page_values(self) -> dict[str, int]:
        """Return the gateway's page, empty when there is none."""
        self.refresh_counts()
        return {} if self._page is None else self._page.read_all()

    def account(self) -> dict[str, object]:
        """Return this source's part of the ledger; accepted is read first, so that it is never ahead of the rest."""
        self.refresh_counts()
        pending = len(self.collector.open) + self.source.unread_starts(self._read_at)
        return {
            "source": self.name,
            "accepted": self._accepted,
            "stored": self.stored,
            "pending": pending,
            "quarantined": self.quarantined,
            "dropped": dict(self._dropped),
            "alive": not self.is_dead,
        }
