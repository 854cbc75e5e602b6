"""Writing what one look at a source gave, however long the store is away.

A batch is one transaction. Where the database refuses a row, the batch is written in halves until that row stands
alone: it goes into quarantine, and its neighbours go in. Nothing of this is for other threads, and no lock is taken:
nobody who asks for the ledger waits for the store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from proxy.loader.outage import Outage
from proxy.loader.preparing import Interpreted, Written, set_aside
from proxy.loader.sources import FollowedSource
from proxy.loader.totals import ModelNames, totals_of
from proxy.store.engines.failures import RowError, StoreUnavailableError
from proxy.store.writing.batches import WriteBatch, WriteResult
from proxy.store.writing.writer import StoreWriter

log = structlog.get_logger("loader")


class Committer:
    """Writes batches until they are written, or ``leaving`` is set: then the store's error is raised.

    ``committed`` is told what each transaction really added.
    """

    def __init__(
        self,
        writer: StoreWriter,
        names: ModelNames,
        outage: Outage,
        leaving: threading.Event,
        committed: Callable[[WriteResult], None],
    ) -> None:
        self._writer, self._names = writer, names
        self._outage, self._leaving = outage, leaving
        self._committed = committed

    def write(self, followed: FollowedSource, batch: WriteBatch, ready: Sequence[Interpreted]) -> Written:
        """Write a batch of a source whose entries are ``ready``, position included; return what it added."""
        try:
            return self._insist(batch)
        except RowError:
            # The rows first, each in its own time; the position last, so that a crash in between replays them.
            apart = self._write_apart(followed, ready)
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
            self._committed(result)
            return Written(len(result.inserted), result.quarantined)

    def part(self) -> None:
        """Let go of the former database before another one is opened in its place, however long that takes."""
        while True:
            try:
                self._writer.part()
            except StoreUnavailableError as error:
                if self._leaving.wait(self._outage.failed(error)):
                    return
            else:
                return
