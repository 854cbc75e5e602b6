"""Bodies: small ones inline, large ones as lists of slices that are stored once a day.

A body is cut at message borders (``Body.cuts``), and where a slice would be larger than one value should be; each is
stored under (day, SHA-256) and referred to by number, so an agent's hundredth turn adds its last message and not its
history again. Joining the slices gives the original bytes, exactly. Slices are compressed where that pays. Chunks are
never shared across days: retention drops whole days.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from proxy.domain.interaction import Body
from proxy.store.engines.bulk import portions, widened
from proxy.store.schema.rows import json_text
from proxy.store.schema.sealing import SEALED, Sealer, sealer_in, unsealed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INLINE = 4096
LARGEST_SLICE = 8 * 1024 * 1024
_WORTH_COMPRESSING = 200
_SLICES_AT_ONCE = 50
SEALED_EDITS = '"sealed"'
"""Stands in the column of edits where they are sealed."""
CHUNKS = "chunks"
"""The form of a body that is a list of slices' numbers."""
_PLAIN, _ZSTD = "plain", "zstd"
_INSERT_CHUNK = (
    "INSERT INTO body_chunk (day, sha256, form, data) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (day, sha256) DO UPDATE SET form = body_chunk.form RETURNING number, day, sha256"
)

_FIND_CHUNKS = "SELECT number, sha256 FROM body_chunk WHERE day = ? AND sha256 IN ({}) ORDER BY sha256"
# Whoever would remove a slice waits until this transaction has referred to it; on SQLite nobody else writes.
_KEPT_UNTIL_COMMIT = " FOR KEY SHARE"

_FLAGS = {_PLAIN: b"p", _ZSTD: b"z"}
_FORMS = {flag: form for form, flag in _FLAGS.items()}

Kept = tuple[str, bytes]
"""The form of a body's data, and the data."""
SliceKey = tuple[str, bytes]
"""The day and the identity of a slice: its SHA-256; where it is sealed an HMAC, which tells nobody which text it is."""

_fast = zstd.ZstdCompressor(level=3)
_small = zstd.ZstdCompressor(level=5)
"""For slices: twice the time once a day saves 4 % on every one that is kept."""


def pack(data: bytes, compressor: zstd.ZstdCompressor = _fast) -> tuple[str, bytes]:
    """Return (form, bytes): compressed when that is clearly smaller."""
    if len(data) >= _WORTH_COMPRESSING:
        packed = compressor.compress(data, zstd.ZstdCompressor.FLUSH_FRAME)
        if len(packed) < len(data) * 0.9:
            return _ZSTD, packed
    return _PLAIN, data


def unpack(form: str, data: bytes) -> bytes:
    """Undo ``pack``."""
    return zstd.decompress(data) if form == _ZSTD else data


def unpacked(form: str, data: bytes) -> bytes | None:
    """Undo ``pack``; None where the bytes are damaged."""
    try:
        return unpack(form, data)
    except zstd.ZstdError:
        return None


def sealed(sealer: Sealer, kept: Kept, place: str) -> Kept:
    """Return what is packed, sealed for its place: its form is within."""
    form, data = kept
    return SEALED, sealer.seal(_FLAGS[form] + data, place)


def opened(data: bytes, place: str) -> bytes:
    """Return the bytes that were packed and sealed; ``SealedRecordError`` where they cannot be opened."""
    found = unsealed(data, place)
    return unpack(_FORMS[found[:1]], found[1:])


def place_of(identity: str, side: str) -> str:
    """Return the place of what is sealed of a call."""
    return f"call\0{identity}\0{side}"


def slice_place(digest: bytes) -> str:
    """Return the place of a sealed slice: that of its own identity."""
    return f"slice\0{digest.hex()}"


def varints(numbers: Iterable[int]) -> bytes:
    """Return unsigned integers as LEB128."""
    out = bytearray()
    for number in numbers:
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)
    return bytes(out)


def read_varints(data: bytes) -> list[int]:
    """Undo ``varints``."""
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    return numbers


def slices_of(body: Body) -> list[bytes]:
    """Cut a body at its borders, and what is larger than one value of a database should be."""
    borders = sorted({0, *body.cuts, len(body.content), *range(0, len(body.content), LARGEST_SLICE)})
    return [body.content[start:end] for start, end in itertools.pairwise(borders) if start < end]


def keep_bodies(connection: Connection, bodies: Sequence[tuple[str, Body]]) -> list[Kept]:
    """Store the slices of a batch's large bodies, each with its day; return what stands in each body's own row."""
    sealer = sealer_in(connection)
    cut = [[] if len(body.content) < INLINE else _keyed(day, body, sealer) for day, body in bodies]
    numbers = _store_slices(connection, {key: part for slices in cut for key, part in slices})
    return [
        (CHUNKS, varints(numbers[key] for key, _ in slices)) if slices else pack(body.content)
        for slices, (_, body) in zip(cut, bodies, strict=True)
    ]


def _keyed(day: str, body: Body, sealer: Sealer | None) -> list[tuple[SliceKey, bytes]]:
    identity_of = sha256 if sealer is None else sealer.identity_of
    return [((day, identity_of(part)), part) for part in slices_of(body)]


def sha256(data: bytes) -> bytes:
    """Return what identifies a slice that is not sealed."""
    return hashlib.sha256(data).digest()


def _store_slices(connection: Connection, parts: dict[SliceKey, bytes]) -> dict[SliceKey, int]:
    """Store the slices that are not there yet; return the numbers of all.

    In the order of their keys, so that two hosts that store the same never wait for each other in a circle. Those that
    are there are only read: an upsert would write each again and use up a number, at every turn of a conversation.
    """
    numbers = _find_slices(connection, sorted(parts))
    sealer = sealer_in(connection)
    packed = ((*key, *_packed(parts[key], key, sealer)) for key in sorted(parts.keys() - numbers.keys()))
    for some in portions(packed, _SLICES_AT_ONCE):
        values = tuple(value for row in some for value in row)
        found = connection.exec_driver_sql(widened(_INSERT_CHUNK, len(some)), values)
        numbers.update({(day, bytes(digest)): number for number, day, digest in found})
    return numbers


def _packed(data: bytes, key: SliceKey, sealer: Sealer | None) -> Kept:
    kept = pack(data, _small)
    return kept if sealer is None else sealed(sealer, kept, slice_place(key[1]))


def _find_slices(connection: Connection, keys: Sequence[SliceKey]) -> dict[SliceKey, int]:
    """Return the numbers of slices that are there, and will be when this transaction is committed."""
    lock = _KEPT_UNTIL_COMMIT if connection.dialect.name == "postgresql" else ""
    numbers: dict[SliceKey, int] = {}
    for day, group in itertools.groupby(keys, key=itemgetter(0)):
        digests = [digest for _, digest in group]
        for start in range(0, len(digests), _SLICES_AT_ONCE):
            some = digests[start : start + _SLICES_AT_ONCE]
            sql = _FIND_CHUNKS.format(",".join("?" * len(some))) + lock
            found = connection.exec_driver_sql(sql, (day, *some))
            numbers.update({(day, bytes(digest)): number for number, digest in found})
    return numbers


def body_row(identity: str, side: str, body: Body, kept: Kept, sealer: Sealer | None = None) -> tuple[Any, ...]:
    """Return the row of ``interaction_body``; where it is sealed, what was inserted is elsewhere (``hidden``)."""
    if sealer is not None and kept[0] != CHUNKS:
        kept = sealed(sealer, kept, place_of(identity, side))
    edits = json_text([list(edit) for edit in body.edits])
    timings = varints([number for pair in body.timings for number in pair]) if len(body.timings) > 1 else None
    return (
        identity,
        side,
        *kept,
        body.length,
        len(body.content),
        body.sha256,
        body.media_type,
        body.content_encoding,
        json_text([list(pair) for pair in body.headers]),
        SEALED_EDITS if edits and sealer is not None else edits,
        timings,
    )


def read_body(connection: Connection, form: str, data: bytes, place: str) -> bytes:
    """Return the bytes of a body as they were kept; ``SealedRecordError`` where they cannot be opened."""
    if form == SEALED:
        return opened(data, place)
    if form != CHUNKS:
        return unpack(form, data)
    numbers = read_varints(data)
    found = _read_chunks(connection, sorted(set(numbers)))
    return b"".join([found[number] for number in numbers])


def _read_chunks(connection: Connection, numbers: Sequence[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for start in range(0, len(numbers), 500):
        part = numbers[start : start + 500]
        marks = ",".join("?" * len(part))
        sql = f"SELECT number, sha256, form, data FROM body_chunk WHERE number IN ({marks})"  # noqa: S608 - placeholders
        for number, digest, form, data in connection.exec_driver_sql(sql, tuple(part)):
            found[number] = opened(data, slice_place(bytes(digest))) if form == SEALED else unpack(form, data)
    return found
