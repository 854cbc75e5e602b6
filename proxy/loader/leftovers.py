"""What is left behind by those that were killed, and that nobody else would come upon.

*Request bodies* in files of their own whose calls are stored: a loader was killed before it freed them, and their
gateway may live for months. Only what the store has is removed: the file of a call that is still arriving, open or
unread is there before the store knows of it.

*Pages* of gateways that died on a full disk without ever having a segment: only these tell what was dropped.

*Accounts* of gateways that are gone with all their files: many of them become one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict
from pathlib import Path

import structlog

from proxy.domain.identity import id_text
from proxy.errors import SpoolError
from proxy.loader.accounts import dropped_of
from proxy.loader.ledger import vanished
from proxy.spool.bodies import SEALED
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from proxy.spool.sources import Source
from proxy.store.hosts.accounts import earlier
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter

log = structlog.get_logger("loader")


def sweep(source: Source, reading: Callable[[], Reader]) -> int:
    """Remove such files of a source; return how many. The store is asked only where there are files."""
    names = {text: name for name in source.bodies() if (text := _id_in(name)) is not None}
    if not names:
        return 0
    with contextlib.closing(reading()) as reader:
        settled = reader.settled(sorted(names))
    for identity in settled:
        source.free_body(names[identity])
    return len(settled)


def settle_forsaken(pages: Path, spool: SpoolReader, known: Container[str], writer: StoreWriter) -> dict[str, Row]:
    """Close the accounts of dead gateways whose pages are all there is; return what the store has of them now."""
    found = {path: _account_of(path) for path in sorted(pages.glob("*.page")) if path.stem not in known}
    # Asked after its page said that it is dead: what it has written by then is all there will be.
    settled = {path: state for path, state in found.items() if state and not spool.source(path.stem).segments()}
    if settled:
        writer.write(WriteBatch(states=list(settled.values())), lambda _entries: {})
    for path in settled:
        path.unlink(missing_ok=True)
        spool.source(path.stem).remove()
    return {
        item.name: {**asdict(item), "source": item.name, "stored": 0, "quarantined": 0} for item in settled.values()
    }


def _account_of(path: Path) -> SourceState | None:
    """Return what a page tells of a gateway that is dead, None of any other."""
    try:
        page = Page.open(path)
    except SpoolError:
        return None
    values = page.read_all()
    page.close()
    if _runs(values["pid"]):
        return None
    counts = {"accepted": values["accepted"], "dropped": dropped_of(values)}
    return vanished({"source": path.stem, "stored": 0, "quarantined": 0, "segment": 0, "offset": 0, **counts})


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def fold_accounts(states: Mapping[str, Row], spool: SpoolReader, writer: StoreWriter, instance: str) -> None:
    """Make one account of those whose gateways and files are gone; ``states`` is what the store has of an instance."""
    there, kept = set(spool.names()), earlier(instance)
    _close_vanished([row for name, row in states.items() if not row["is_closed"] and name not in there], writer)
    gone = [name for name, row in states.items() if row["is_closed"] and name not in there and name != kept]
    if gone:
        writer.fold(gone)


def _close_vanished(rows: list[Row], writer: StoreWriter) -> None:
    """Settle the accounts of gateways whose files are gone, with a machine's memory or by somebody's hand."""
    if rows:
        writer.write(WriteBatch(states=[vanished(row) for row in rows]), lambda _entries: {})
        log.error("spool_vanished", sources=[row["source"] for row in rows], hint="what was not stored is lost")


def tell_moved(source: str, calls: int) -> None:
    """Say of calls that were freed from the spool for a store that is not the one we have now."""
    if calls:
        hint = "they are in the database that was there before, if there still is one"
        log.error("calls_not_in_store", source=source, calls=calls, hint=hint)


def _id_in(name: str) -> str | None:
    try:
        identity = bytes.fromhex(name.removesuffix(SEALED))
    except ValueError:
        return None
    return id_text(identity) if len(identity) == 16 else None
