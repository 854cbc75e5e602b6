"""What keeps the spool from keeping everything, as bits of the gateway's page, and what each means to a person.

The syncing thread writes them, once a round; control, the doctor and the gateway's log read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag


class Trouble(IntFlag):
    """One bit each; 0: all is well."""

    NONE = 0
    DISK_LOW = 1
    SPOOL_LARGE = 2
    MANY_FILES = 4
    WAITING_LARGE = 8
    CANNOT_MAKE_FILES = 16
    CANNOT_WRITE = 32
    SYNC_FAILED = 64
    SYNC_LATE = 128


@dataclass(frozen=True, slots=True)
class Meaning:
    """A stable word, what is the matter, and what to do."""

    name: str
    text: str
    hint: str


MEANINGS = {
    Trouble.DISK_LOW: Meaning(
        "disk_low", "less is free where the spool lies than recording.min_free_bytes (in RAM: a part of its ceiling)",
        "free some space on the spool's disk",
    ),
    Trouble.SPOOL_LARGE: Meaning(
        "spool_large", "the spool is near its ceiling, recording.spool_max_bytes (in RAM: memory_max_bytes)",
        "see why the store is behind: dashcam doctor"
    ),
    Trouble.MANY_FILES: Meaning(
        "many_files", "the spool is near recording.spool_max_files", "see why the store is behind: dashcam doctor"
    ),
    Trouble.WAITING_LARGE: Meaning(
        "waiting_large", "the ends of calls that wait in memory for the disk reached recording.waiting_max_bytes",
        "free some space on the spool's disk",
    ),
    Trouble.CANNOT_MAKE_FILES: Meaning(
        "cannot_make_files", "the spool's folder takes no new file", "look at its disk, rights and ulimit -n"
    ),
    Trouble.CANNOT_WRITE: Meaning("cannot_write", "the disk refuses what is appended", "look at the spool's disk"),
    Trouble.SYNC_FAILED: Meaning(
        "sync_failed", "the disk failed to sync; what was at risk is not yet written again",
        "look at the system's log for errors of the spool's disk",
    ),
    Trouble.SYNC_LATE: Meaning(
        "sync_late", "a reply went on after recording.power_wait without its record being synced",
        "look at the spool's disk: it is slow",
    ),
}  # fmt: skip
"""Each bit but none."""


def meanings(bits: Iterable[int]) -> list[Meaning]:
    """Return what is the matter in any of several pages."""
    together = Trouble.NONE
    for item in bits:
        together |= Trouble(item & _KNOWN)
    return [meaning for trouble, meaning in MEANINGS.items() if trouble in together]


_KNOWN = sum(MEANINGS)
