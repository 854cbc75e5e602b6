"""Interaction ids: UUIDv7, minted by us, so that they sort by time and never depend on a provider.

A process's ids are strictly increasing, also when the wall clock steps back, unless it does so by more than a day: an
id tells when its call began, and whoever looks for a time looks among its ids only. Within one millisecond a 74-bit
random tail is counted upwards (RFC 9562, method 2), in its first twelve bits: calls that come at once have ids that
differ in their first 18 characters, which is what people see and type.
The standard library has ``uuid7`` only from Python 3.14 on.
"""

from __future__ import annotations

import os
import time
import uuid

_TAIL_MASK = (1 << 74) - 1
_STEP = 1 << 64
"""What the next id is more than one of the same millisecond: one in the first twelve bits of the tail."""
_FARTHEST_AHEAD = 86_400_000
"""By so many milliseconds ids may be ahead of a clock that was set back."""


class IdentityMint:
    """Makes strictly increasing UUIDv7 values as 16 bytes; one per process, not for threads."""

    __slots__ = ("_left", "_millisecond", "_value")

    def __init__(self) -> None:
        self._millisecond = -1
        self._value = self._left = 0

    def mint(self, now_ns: int | None = None) -> bytes:
        """Return a new id for the instant ``now_ns`` (Unix nanoseconds; default: now)."""
        millisecond = (time.time_ns() if now_ns is None else now_ns) // 1_000_000
        if self._left and 0 <= self._millisecond - millisecond <= _FARTHEST_AHEAD:
            self._left -= 1
            self._value += _STEP
        else:
            self._begin(millisecond)
        return self._value.to_bytes(16, "big")

    def _begin(self, millisecond: int) -> None:
        """Begin with a millisecond, or with the next one of those that the clock is behind."""
        is_behind = 0 <= self._millisecond - millisecond <= _FARTHEST_AHEAD
        self._millisecond = self._millisecond + 1 if is_behind else millisecond
        # The top bit stays clear: there is room for 2,000 more before the next millisecond is taken for this one.
        tail = int.from_bytes(os.urandom(10), "big") & (_TAIL_MASK >> 1)
        self._left = 0xFFF - (tail >> 62)
        self._value = (self._millisecond & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (tail >> 62) << 64
        self._value |= 0b10 << 62 | tail & 0x3FFF_FFFF_FFFF_FFFF


def id_text(identity: bytes) -> str:
    """Return the canonical 36-character form of a 16-byte id."""
    digits = identity.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def ids_beginning(text: str) -> tuple[str, str]:
    """Return the lowest and the highest id with these first hexadecimal characters, with or without its dashes."""
    digits = text.replace("-", "")[:32]
    return id_text(bytes.fromhex(f"{digits:0<32}")), id_text(bytes.fromhex(f"{digits:f<32}"))


def parse_id(text: str) -> bytes:
    """Return the 16 bytes of a canonical or plain-hex id; ``ValueError`` when it is none."""
    return uuid.UUID(text).bytes


def id_time_ns(identity: bytes) -> int:
    """Return the Unix nanoseconds (millisecond precision) an id was minted at."""
    return int.from_bytes(identity[:6], "big") * 1_000_000
