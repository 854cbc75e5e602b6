"""The shared configuration put to use on this host: for each kind, the revision that counts is the one applied.

A kind has one handler. It says which revision it has applied, from what lies on this host's disk, so that a restart
asks for nothing anew; and applies another one, such that whoever reads meanwhile sees the old or the new. What comes
back is what the store says, also where that is an older number: a database that was restored is right.

Kinds now: ``prices``, refreshed price data, which the loader takes up by itself; ``catalogue`` and ``access``, which
are read from their tables and published.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import structlog

from proxy.errors import DashcamError, PriceDataError, StoreError
from proxy.pricing import release
from proxy.store.catalogue.documents import CATALOGUE
from proxy.store.catalogue.session import ACCESS
from proxy.store.hosts.configuration import PRICES, Proposal, Revision
from proxy.store.writing.writer import StoreWriter

log = structlog.get_logger("configuration")

AGAIN_SECONDS = 60.0


class Handler(Protocol):
    """What one kind of configuration means on this host."""

    def applied(self) -> int:
        """Return the number that is in use, 0 for none."""

    def apply(self, revision: Revision) -> None:
        """Put a revision to use; ``DashcamError`` or ``OSError`` when it cannot be."""


class PricesHandler:
    """Refreshed prices: files in the data folder, under the number that they have in the store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def applied(self) -> int:
        """Return the number of the data that is active."""
        return release.applied(self._folder)

    def apply(self, revision: Revision) -> None:
        """Check the data again, which a newer Dashcam may have written, and make it active."""
        found = release.from_document(revision.document)
        data = revision.data or b""
        release.read(data)
        release.put(self._folder, found, data, revision.number)


class Follower:
    """Applies what is new; a revision that cannot be used is told of once, and tried again after the next one.

    One that the disk does not take is tried again in a minute.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._refused: dict[str, int] = {}
        self._again_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Follower {', '.join(self._handlers)} revision={self.revision}>"

    @property
    def revision(self) -> int:
        """The highest number in use."""
        return max((handler.applied() for handler in self._handlers.values()), default=0)

    def follow(self, numbers: Mapping[str, int], fetch: Callable[[int], Revision]) -> None:
        """Apply what counts of each kind we know; errors of ``fetch`` are the caller's."""
        for kind, handler in self._handlers.items():
            number = numbers.get(kind)
            if number in (None, handler.applied(), self._refused.get(kind)):
                continue
            if time.monotonic() < self._again_at.get(kind, 0.0):
                continue
            self._apply(handler, fetch(number))

    def _apply(self, handler: Handler, revision: Revision) -> None:
        try:
            handler.apply(revision)
        except (DashcamError, OSError) as error:
            if isinstance(error, OSError | StoreError):
                # A full disk, or a database that is away, is not the revision's fault.
                self._again_at[revision.kind] = time.monotonic() + AGAIN_SECONDS
            else:
                self._refused[revision.kind] = revision.number
            log.error("configuration_refused", kind=revision.kind, revision=revision.number, reason=str(error))
            return
        log.info("configuration_applied", kind=revision.kind, revision=revision.number, author=revision.author)


def adopt_prices(writer: StoreWriter, numbers: Mapping[str, int], folder: Path) -> None:
    """Let prices that were refreshed before the store kept them, or with another database, count in this one."""
    if PRICES in numbers:
        return
    try:
        found = release.active(folder)
        if found is None:
            return
        data = (folder / f"{found.sha256}.json").read_bytes()
        release.read(data)
    except (PriceDataError, OSError) as error:
        log.warning("prices_not_adopted", reason=str(error))
        return
    proposal = Proposal(kind=PRICES, sha256=found.sha256, document=asdict(found), data=data, author="found here")
    release.put(folder, found, data, writer.propose(proposal))


class CatalogueHandler:
    """The catalogue, or access to it: what counts now is read whole, and published.

    After a restart nothing is known to be applied, so that the first round reads it.
    """

    def __init__(self, take_up: Callable[[], object]) -> None:
        self._take_up = take_up
        self._applied = 0

    def applied(self) -> int:
        """Return the number of the revision that was published last."""
        return self._applied

    def apply(self, revision: Revision) -> None:
        """Publish what the store says now; ``StoreError`` is for the next round."""
        self._take_up()
        self._applied = revision.number


def handlers_of(prices_folder: Path, take_up: Callable[[], object]) -> dict[str, Handler]:
    """Return the handler of each kind; ``take_up`` publishes what the store says of the catalogue and of access."""
    return {
        PRICES: PricesHandler(prices_folder),
        CATALOGUE: CatalogueHandler(take_up),
        ACCESS: CatalogueHandler(take_up),
    }
