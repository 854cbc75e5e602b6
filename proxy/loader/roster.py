"""The gateways of this host: whose spool is followed, and what is known of those that are gone.

A source is taken up once, followed until nothing of it is left, and keeps its line in the ledger. For the loader's
thread, but for what others may ask: ``lock`` is held wherever a source's counts and position change, so that nobody
counts a call twice or not at all.

How one source is read is in ``sources``, what dead gateways leave lying about in ``leftovers``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from proxy.loader.collecting import OpenCall
from proxy.loader.ledger import balance, closed_account, load_states
from proxy.loader.leftovers import fold_accounts, settle_forsaken, sweep, tell_moved
from proxy.loader.sources import FollowedSource
from proxy.settings.values import Settings
from proxy.spool.reader import SpoolReader
from proxy.store.reading.reader import Reader
from proxy.store.writing.writer import StoreWriter

_SETTLE_SECONDS = 10.0
_MOST_LINES = 100
"""So many gateways that are gone have lines of their own in the ledger."""


class Roster:
    """The sources by name, in the order they were found; iterating is safe while some go.

    ``is_stale``: the store has what is not known here, or the other way round; ``begin_anew`` before going on.
    """

    def __init__(
        self, settings: Settings, spool: SpoolReader, writer: StoreWriter, reading: Callable[[], Reader], instance: str
    ) -> None:
        self._settings = settings
        self._spool, self._writer = spool, writer
        self._reading, self._instance = reading, instance
        self._sources: dict[str, FollowedSource] = {}
        self._left_alone: set[str] = set()
        self._settle_again_at = 0.0
        self.lock = threading.Lock()
        self.is_stale = False
        self._fold_accounts()
        self._states, self._parked = load_states(reading(), instance)
        # Before anybody asks: the account of a gateway that runs is newer than its line in the store.
        self.find()

    def __repr__(self) -> str:
        return f"<Roster followed={list(self._sources)} known={len(self._states)}>"

    def __iter__(self) -> Iterator[FollowedSource]:
        return iter(list(self._sources.values()))

    def begin_anew(self) -> None:
        """Forget what was read and not committed, and go back to what the store knows."""
        states, parked = load_states(self._reading(), self._instance)
        with self.lock:
            self._sources.clear()
            self._states, self._parked = states, parked
            self.is_stale = False

    def check_places(self) -> None:
        """Raise ``StoreWentBackError`` where the store is not where we left it."""
        with contextlib.closing(self._reading()) as reader:
            found = {row["source"]: row for row in reader.states(self._instance)}
        for followed in self:
            followed.check_place(found.get(followed.name))

    # -- coming and going -----------------------------------------------------------------------------------

    def find(self) -> None:
        """Take up the sources that have come; now and then, settle the accounts of gateways without one."""
        if time.monotonic() >= self._settle_again_at:
            self._settle_again_at = time.monotonic() + _SETTLE_SECONDS
            self._settle()
        for name in self._spool.names():
            if name not in self._sources and name not in self._left_alone:
                followed = self._take_up(name)
                with self.lock:
                    self._sources[name] = followed

    def _settle(self) -> None:
        known = {*self._sources, *self._states}
        settled = settle_forsaken(self._settings.pages_dir, self._spool, known, self._writer)
        with self.lock:
            self._states |= settled
        if len(self._states) - len(self._sources) > _MOST_LINES:
            self._fold_accounts()
            self.is_stale = True

    def _fold_accounts(self) -> None:
        states, _ = load_states(self._reading(), self._instance)
        fold_accounts(states, self._spool, self._writer, self._instance)

    def _take_up(self, name: str) -> FollowedSource:
        page = self._settings.pages_dir / f"{name}.page"
        limit = self._settings.recording.max_body_bytes
        followed = FollowedSource(self._spool.source(name), page, limit, self._states.get(name))
        followed.resume([row for row in self._parked if row["source"] == name], time.monotonic())
        tell_moved(name, followed.count_moved())
        sweep(followed.source, self._reading)
        return followed

    def free(self, followed: FollowedSource) -> None:
        """Unlink what of a source is committed; one that is exhausted is followed no longer."""
        with self.lock:
            # Whoever counts what is pending must not meet a segment on its way out.
            is_gone = followed.free()
        if not followed.is_exhausted:
            return
        if not is_gone:
            # Segments of a version we do not know: a newer program will read them.
            self._left_alone.add(followed.name)
        with self.lock:
            self._states[followed.name] = followed.account()
            del self._sources[followed.name]

    # -- what others may ask --------------------------------------------------------------------------------

    def pages(self) -> list[dict[str, int]]:
        """Return the pages of the gateways that run."""
        with self.lock:
            return [source.page_values() for source in self._sources.values() if not source.is_dead]

    def under_way(self) -> list[OpenCall]:
        """Return the calls that have begun and not ended, as far as is read."""
        with self.lock:
            return [call for source in self._sources.values() for call in source.collector.open.values()]

    def ledger(self) -> dict[str, object]:
        """Return the account: accepted = stored + pending + quarantined + dropped, and how old and large pending is."""
        with self.lock:
            followed = list(self._sources.values())
            accounts = [source.account() for source in followed]
            accounts += [closed_account(row) for name, row in self._states.items() if name not in self._sources]
            ages = [source.oldest_age_seconds() for source in followed]
            sizes = [source.source.size_after(source.committed) for source in followed]
        return {
            **balance(accounts),
            "pending_bytes": sum(sizes),
            "oldest_pending_seconds": round(max(ages, default=0.0), 3),
        }

    def lag_seconds(self) -> float:
        """Return how long the oldest finished call has waited for its commit."""
        with self.lock:
            return max((source.lag_seconds() for source in self._sources.values()), default=0.0)
