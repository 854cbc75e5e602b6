"""What is learned of a call behind its end: in mode ``power`` that its reply went on before its record was synced.

The row says so as the property ``dashcam_unsynced``: put into the row before it is stored where both are read in one
look, else as an amendment to the stored row, before the position moves on. Either may be done again by a replay, and
changes nothing then.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Sequence

from proxy.domain.identity import id_text
from proxy.domain.interaction import Interaction
from proxy.errors import NotFoundError
from proxy.loader.preparing import Interpreted
from proxy.store.changes.amending import Amendment, Change
from proxy.store.reading.reader import Reader
from proxy.store.writing.writer import StoreWriter

UNSYNCED = "dashcam_unsynced"


def note(
    identities: set[bytes], ready: Sequence[Interpreted], writer: StoreWriter, reading: Callable[[], Reader]
) -> None:
    """Say in the rows of these calls, of which some may be ``ready`` to be stored, that a reply did not wait."""
    if not identities:
        return
    for item in ready:
        if item.call.id in identities:
            _mark(item.entry.interaction)
    stored = identities - {item.call.id for item in ready}
    if stored:
        _amend(reading(), writer, stored)


def _mark(interaction: Interaction) -> None:
    interaction.metadata = {**(interaction.metadata or {}), UNSYNCED: "true"}


def _amend(reading: Reader, writer: StoreWriter, identities: Collection[bytes]) -> None:
    """Say it in rows that are stored; those that are not were never recorded. Closes the reader."""
    changes = []
    with contextlib.closing(reading) as reader:
        for identity in map(id_text, identities):
            with contextlib.suppress(NotFoundError):
                before = reader.interaction(identity)["metadata"]
                after = {**(before or {}), UNSYNCED: "true"}
                changes.append(Change(id=identity, before={"metadata": before}, after={"metadata": after}))
    if changes:
        reason = "the reply went on before its record was synced"
        writer.amend(Amendment(command="power", reason=reason, at=time.time_ns() // 1_000_000, changes=changes))
