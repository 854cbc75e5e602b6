"""Request bodies in files of their own whose calls are stored: left by a loader that was killed before it freed them.

Nothing else would remove them while their gateway lives, which may be months. Only what the store has is removed: the
file of a call that is still arriving, open or unread is there before the store knows of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import structlog

from proxy.domain.identity import id_text
from proxy.spool.bodies import SEALED
from proxy.spool.reader import Source
from proxy.store.reading import Reader

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
