"""What the spool's folders and files are called: whatever bears another name is not ours, and is left alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

LOCK = "lock"
BODIES = "bodies"
QUARANTINE = "quarantine"
SEGMENT = ".seg"
FIRST_SEGMENT = 1
UNFINISHED = ".new"
"""What a segment ends in while it is written again, before it takes its place."""
_SOURCE = re.compile(r"[0-9a-z]+-\d+")


def is_source(name: str) -> bool:
    """True for a gateway's folder: ``<boot>-<worker>``."""
    return _SOURCE.fullmatch(name) is not None


def segment_name(number: int) -> str:
    """Return the file name of a segment."""
    return f"{number:08d}{SEGMENT}"


def segment_numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of the segments among some file names, ascending."""
    found = (name.removesuffix(SEGMENT) for name in names if name.endswith(SEGMENT))
    return sorted(int(number) for number in found if number.isascii() and number.isdigit())
