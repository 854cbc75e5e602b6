"""What a look at a spool gives: records where they lie, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.spool.framing import Record


class Position(NamedTuple):
    """A place between two records: segment number and byte offset in it."""

    segment: int = 0
    offset: int = 0


@dataclass(slots=True)
class Located:
    """A record and where it begins."""

    position: Position
    record: Record


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bytes that could not be read, as they were found."""

    position: Position
    reason: str
    data: bytes


@dataclass(slots=True)
class ReadBatch:
    """What one look gave; ``next`` is where to read on, ``is_at_end`` that nothing more is there now."""

    next: Position
    records: list[Located] = field(default_factory=list)
    damage: list[Damaged] = field(default_factory=list)
    is_at_end: bool = False
