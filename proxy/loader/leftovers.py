"""Request bodies in files of their own whose calls are stored: left by a loader that was killed before it freed them.

Nothing else would remove them while their gateway lives, which may be months. Only what the store has is removed: the
file of a call that is still arriving, open or unread is there before the store knows of it.
"""

from __future__ import annotations

from proxy.domain.identity import id_text
from proxy.spool.bodies import SEALED
from proxy.spool.reader import Source
from proxy.store.reading import Reader


def sweep(source: Source, reader: Reader) -> int:
    """Remove such files of a source; return how many."""
    names = {text: name for name in source.bodies() if (text := _id_in(name)) is not None}
    settled = reader.settled(sorted(names)) if names else set()
    for identity in settled:
        source.free_body(names[identity])
    return len(settled)


def _id_in(name: str) -> str | None:
    try:
        identity = bytes.fromhex(name.removesuffix(SEALED))
    except ValueError:
        return None
    return id_text(identity) if len(identity) == 16 else None
