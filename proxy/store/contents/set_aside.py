"""What is kept beside the calls for a while: parts of those still open, and bytes that no call could be made of.

Where the record is sealed, so are they.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.store.schema.sealing import Sealer, is_sealed, unsealed


@dataclass(frozen=True, slots=True)
class ParkedPart:
    """Records of a call that is still open: ``payload`` is the records as they lay in the spool."""

    id: str
    part: int
    source: str
    until_sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What could not be stored or read; ``at`` is Unix milliseconds. With an ``interaction_id`` it is a whole call.

    The same source, place and id is kept once, so that a replay adds nothing.
    """

    source: str
    segment: int
    offset: int
    reason: str
    at: int
    interaction_id: str | None = None
    data: bytes | None = None


def part_row(part: ParkedPart, sealer: Sealer | None) -> tuple[Any, ...]:
    """Return the row of ``open_call``."""
    payload = part.payload if sealer is None else sealer.seal(part.payload, part_place(part.id, part.part))
    return part.id, part.part, part.source, part.until_sequence, payload


def unsealed_part(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of ``open_call`` as it was parked; ``SealedRecordError`` where it cannot be opened."""
    payload = bytes(row["payload"])
    return {**row, "payload": unsealed(payload, part_place(row["id"], row["part"])) if is_sealed(payload) else payload}


def part_place(identity: str, part: int) -> str:
    """Return the place of a part."""
    return f"open\0{identity}\0{part}"


def kept_aside(data: bytes | None, source: str, sealer: Sealer | None) -> bytes | None:
    """Return the bytes of a row of ``quarantine``."""
    return data if data is None or sealer is None else sealer.seal(data, aside_place(source))


def aside_place(source: str) -> str:
    """Return the place of what is in quarantine."""
    return f"quarantine\0{source}"
