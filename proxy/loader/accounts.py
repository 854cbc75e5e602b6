"""The account of one gateway's calls: how many it accepted, and where each of them is.

accepted = stored + pending + quarantined + dropped, at every moment. What was accepted and dropped the gateway counts
in its page; what is pending is read or lies in the spool. Once a source is dead and wholly read its account is settled:
what it accepted and nobody has is lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path

from proxy.errors import SpoolError
from proxy.loader.collecting import Collector, Finished
from proxy.spool.batches import Position
from proxy.spool.framing import RecordType
from proxy.spool.names import FIRST_SEGMENT
from proxy.spool.page import Page
from proxy.spool.sources import Source
from proxy.store.schema.decoding import Row

STORE_MOVED = "store_moved"
"""Why a call is not in the store: it was in a file that is not the database any more."""
_LOOKS = 1000
_COUNT_BYTES = 64 * 1024 * 1024


class AccountedSource:
    """A source as far as its calls are counted: read to ``_read_at`` and ``_sequence``, in the store to ``committed``.

    ``in_hand`` are the calls that are read to their end and not committed yet; ``state`` is what the store knows.
    """

    def __init__(self, source: Source, page_path: Path, body_limit: int, state: Row | None) -> None:
        self.name = source.name
        self.source = source
        self.collector = Collector(body_limit)
        self.is_dead = False
        self.is_exhausted = False
        self._is_settled = False
        self.stored = int(state["stored"]) if state else 0
        self.quarantined = int(state["quarantined"]) if state else 0
        self.in_hand: Sequence[Finished] = ()
        self._read_at = Position(int(state["segment"]), int(state["offset"])) if state else Position()
        self.committed = self._read_at
        self._page_path = page_path
        self._page: Page | None = None
        self._accepted = int(state["accepted"]) if state else 0
        self._dropped: dict[str, int] = dict(state["dropped"] or {}) if state else {}
        self._moved = self._dropped.get(STORE_MOVED, 0)
        self._sequence = 0
        self._counted_at, self._counted, self._counted_sequence = self._read_at, 0, 0

    def count_moved(self) -> int:
        """Count the calls that were freed from the spool for another file than the database is now; return how many.

        For a source that is taken up, after ``resume``. Reads all that is left, where the spool does not go on at the
        position that the database knows; elsewhere nothing.
        """
        if next(iter(self.source.segments()), 0) <= max(self.committed.segment, FIRST_SEGMENT):
            return 0
        least, most = 0, inf
        for _ in range(_LOOKS):
            self._refresh()
            before = self._accepted
            if not self._count_starts(inf):
                return 0
            known = self._known(self._pending())
            self._refresh()
            # The gateway goes on while we look.
            least, most = max(least, before - known), min(most, self._accepted - known)
            if least >= most:
                break
        self._moved += least
        return least

    def _refresh(self) -> None:
        """Read the gateway's own counts off its page; once they are settled it has no more to say."""
        if self._is_settled:
            return
        if self._page is None and not self.is_exhausted:
            with contextlib.suppress(SpoolError):
                self._page = Page.open(self._page_path)
        if self._page is not None:
            values = self._page.read_all()
            self._accepted = max(self._accepted, values["accepted"])
            self._dropped = dropped_of(values)
            if self._moved:
                self._dropped[STORE_MOVED] = self._moved

    def _settle(self) -> None:
        """Close the account of a gateway that is dead and wholly read."""
        known = self._known(0)
        if self._accepted > known:
            # Its START is damaged, or went with the power: not stored, and never to come.
            self._dropped["lost"] = self._dropped.get("lost", 0) + self._accepted - known
        # Killed between appending a START and counting it: the call is one of ours all the same.
        self._accepted = max(self._accepted, known)
        self._is_settled = True

    def page_values(self) -> dict[str, int]:
        """Return the gateway's page, empty when there is none."""
        self._refresh()
        return {} if self._page is None else self._page.read_all()

    def account(self) -> dict[str, object]:
        """Return this source's line of the ledger. A gateway counts while we look: look again until both agree."""
        for _ in range(3):
            self._refresh()
            before, dropped = self._accepted, dict(self._dropped)
            is_counted = self._count_starts(_COUNT_BYTES)
            pending = self._pending()
            known = self._known(pending)
            self._refresh()
            if before <= known <= self._accepted:
                break
        # A dead one counts no more: it was killed before it could. A page may have gone with the machine.
        is_counted_by_nobody = self.is_dead or self._page is None
        has_counted = before <= known <= self._accepted or (is_counted_by_nobody and known > self._accepted)
        return {
            "source": self.name,
            "accepted": known if has_counted else self._accepted,
            "stored": self.stored,
            "pending": pending,
            "quarantined": self.quarantined,
            "dropped": dropped,
            "alive": not self.is_dead,
            "is_counted": is_counted,
        }

    def _pending(self) -> int:
        return len(self.collector.open) + len(self.in_hand) + self._counted - self.collector.starts_seen

    def _known(self, pending: int) -> int:
        return self.stored + self.quarantined + pending + sum(self._dropped.values())

    def _count_starts(self, most: float) -> bool:
        """Count the calls that lie unread in the spool; each byte is looked at once, at most so many now.

        False when not all of it was looked at.
        """
        if self._counted_at <= self._read_at:
            self._counted_at, self._counted = self._read_at, self.collector.starts_seen
            self._counted_sequence = self._sequence
        while most > 0:
            try:
                batch = self.source.read(self._counted_at, 1 << 20, is_final=self.is_dead, opens=False)
            except OSError:
                return False
            for record in (located.record for located in batch.records):
                self._counted += record.type == RecordType.START and record.sequence > self._counted_sequence
                self._counted_sequence = max(self._counted_sequence, record.sequence)
            has_moved, self._counted_at = batch.next != self._counted_at, batch.next
            most -= 1 << 20
            if batch.is_at_end or not has_moved:
                return True
        return False


def dropped_of(values: Mapping[str, int]) -> dict[str, int]:
    """Return what a page says was dropped, by reason."""
    prefix = "dropped_"
    return {name.removeprefix(prefix): n for name, n in values.items() if name.startswith(prefix) and n}
