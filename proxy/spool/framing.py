"""How a record lies in a segment: a fixed header, then the payload.

::

    mark 4 | type 1 | version 1 | length 4 | crc32 4 | sequence 8 | interaction id 16 | payload

All little-endian. The checksum covers everything but the mark and itself. The mark is the writer's own, drawn at random
and written into each segment's header: whoever sends a payload cannot know it, so that the search for the next record
behind a damaged one never takes a payload's inside for records. ``scan`` never raises: a damaged record is
reported and skipped when a valid one follows, bytes that may still be being written are left for the next look.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

MARK = b"\xd5\xca\xd5\xca"
"""The mark of records that lie where only our own writing goes: parked parts, quarantine."""
VERSION = 1
HEADER = struct.Struct("<4sBBIIQ16s")
_CHECKED = struct.Struct("<BBIQ16s")
MAX_PAYLOAD = 64 * 1024 * 1024

SEGMENT_MAGIC = b"DSHSEG"
SEGMENT_HEADER = struct.Struct("<6sH4s4x")
SEGMENT_VERSION = 1
SEALED_VERSION = 2
_SEALED_PART = struct.Struct("<8s32s4x")
_CRC = struct.Struct("<I")
LONGEST_HEADER = SEGMENT_HEADER.size + _SEALED_PART.size + _CRC.size


class RecordType(IntEnum):
    """What a record tells about a call, or about the gateway (STATS)."""

    START = 1
    CHUNK = 2
    END = 3
    AMEND = 4
    STATS = 5
    DROP = 6


@dataclass(slots=True)
class Record:
    """One whole record; ``start`` and ``end`` are offsets in what was scanned."""

    type: int
    version: int
    sequence: int
    identity: bytes
    payload: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no record, between two offsets."""

    start: int
    end: int
    reason: str


def new_mark() -> bytes:
    """Draw a writer's mark; its bytes are neither text nor zeros, which payloads and holes are made of."""
    return bytes(byte | 0x80 for byte in os.urandom(4))


def encode(kind: int, identity: bytes, sequence: int, payload: bytes, mark: bytes = MARK) -> bytes:
    """Return one record."""
    length = len(payload)
    crc = zlib.crc32(payload, zlib.crc32(_CHECKED.pack(kind, VERSION, length, sequence, identity)))
    return HEADER.pack(mark, kind, VERSION, length, crc, sequence, identity) + payload


def decode_at(data: bytes, start: int, mark: bytes = MARK) -> Record | str | None:
    """Return the record at an offset, None when its bytes are not all there, or why it is none."""
    if start + HEADER.size > len(data):
        return None if mark.startswith(data[start : start + len(mark)]) else "no record begins here"
    found, kind, version, length, crc, sequence, identity = HEADER.unpack_from(data, start)
    if found != mark:
        return "no record begins here"
    if length > MAX_PAYLOAD:
        return f"a payload of {length} bytes is not possible"
    end = start + HEADER.size + length
    if end > len(data):
        return None
    payload = data[start + HEADER.size : end]
    if zlib.crc32(payload, zlib.crc32(_CHECKED.pack(kind, version, length, sequence, identity))) != crc:
        return "the checksum does not match"
    return Record(kind, version, sequence, identity, payload, start, end)


def scan(data: bytes, start: int = 0, *, mark: bytes = MARK, is_final: bool = False) -> Iterator[Record | Damage]:
    """Yield records and damage in order; stops before bytes that may be the beginning of a record.

    Only when ``is_final`` (nobody writes any more) is a record that is cut short searched for later ones: while its
    writer lives, what lies in its payload is not for us to read.
    """
    while start < len(data):
        found = decode_at(data, start, mark)
        if isinstance(found, Record):
            yield found
            start = found.end
            continue
        follower = _next_valid(data, start + 1, mark) if found or is_final else -1
        if follower < 0:
            return
        yield Damage(start, follower, found or "a record is cut short")
        start = follower


def _next_valid(data: bytes, start: int, mark: bytes) -> int:
    """Return where the next whole valid record begins, or -1."""
    while (start := data.find(mark, start)) >= 0:
        if isinstance(decode_at(data, start, mark), Record):
            return start
        start += 1
    return -1


@dataclass(frozen=True, slots=True)
class Heading:
    """What a segment's header says; ``size`` is its length. A sealed one names its key and the salt of its own."""

    mark: bytes
    size: int = SEGMENT_HEADER.size
    key_id: bytes | None = None
    salt: bytes = b""

    @property
    def is_sealed(self) -> bool:
        """True when payloads are sealed."""
        return self.key_id is not None


def segment_header(mark: bytes = MARK, key_id: bytes | None = None, salt: bytes = b"") -> bytes:
    """Return what a segment file begins with; with a key's id (8 bytes) and a salt (32) its payloads are sealed."""
    if key_id is None:
        return SEGMENT_HEADER.pack(SEGMENT_MAGIC, SEGMENT_VERSION, mark)
    header = SEGMENT_HEADER.pack(SEGMENT_MAGIC, SEALED_VERSION, mark) + _SEALED_PART.pack(key_id, salt)
    return header + _CRC.pack(zlib.crc32(header))


def heading_of(head: bytes) -> Heading | None:
    """Read a segment's beginning (at most ``LONGEST_HEADER`` bytes); None when this program cannot read the segment."""
    if len(head) < SEGMENT_HEADER.size:
        return None
    magic, version, mark = SEGMENT_HEADER.unpack_from(head)
    if magic != SEGMENT_MAGIC:
        return None
    if version == SEGMENT_VERSION:
        return Heading(mark)
    if version != SEALED_VERSION or len(head) < LONGEST_HEADER:
        return None
    checked = LONGEST_HEADER - _CRC.size
    if _CRC.unpack_from(head, checked)[0] != zlib.crc32(head[:checked]):
        return None
    key_id, salt = _SEALED_PART.unpack_from(head, SEGMENT_HEADER.size)
    return Heading(mark, LONGEST_HEADER, key_id, salt)


def recovered_heading(data: bytes) -> Heading | None:
    """Return the heading of an unsealed segment whose own was damaged: the first record bears the mark as well.

    ``data`` is the beginning of the segment with its first record. None when nothing is damaged, or more than that.
    """
    if len(data) < SEGMENT_HEADER.size + len(MARK) or version_of(data) not in (None, SEGMENT_VERSION):
        return None
    told = SEGMENT_HEADER.unpack_from(data)[2] if version_of(data) is not None else None
    if told is not None and _next_valid(data, SEGMENT_HEADER.size, told) >= 0:
        # The heading is right; what is damaged is the first record.
        return None
    mark = data[SEGMENT_HEADER.size : SEGMENT_HEADER.size + len(MARK)]
    return Heading(mark) if isinstance(decode_at(data, SEGMENT_HEADER.size, mark), Record) else None


def version_of(head: bytes) -> int | None:
    """Return the version that a segment says it is of; None when it does not begin as one of ours."""
    if len(head) < SEGMENT_HEADER.size:
        return None
    magic, version, _ = SEGMENT_HEADER.unpack_from(head)
    return int(version) if magic == SEGMENT_MAGIC else None
