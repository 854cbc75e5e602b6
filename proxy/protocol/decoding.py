"""Undoing Content-Encoding on a copy, within a cap: gzip, deflate, zstd, brotli.

The bytes that are relayed are never touched. A wrong label, a cut stream or a bomb gives what could be decoded and a
word about why the rest is missing. A bomb is also what has countless tiny members, or one encoding around another.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable
from typing import Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_DECODED = 64 * 1024 * 1024
MAX_MEMBERS = 1000
"""Enough for 64 MB in the small members that parallel compressors write."""
MAX_ENCODINGS = 4
_SLICE = 64 * 1024
"""What follows a member is copied by its decoder: of little it is little."""
_CUT = "the stream is cut short"


def encodings_of(headers: Iterable[tuple[str, str]]) -> str | None:
    """Return what the Content-Encoding lines say together, in their order; None when they say nothing.

    ``headers`` are (lower-case name, value): one line may stand for several, and several for one (RFC 9110, 5.3).
    """
    said = [value for name, value in headers if name == "content-encoding"]
    return ", ".join(_names(",".join(said))) or None if said else None


def _names(encodings: str | None) -> list[str]:
    return [name for item in (encodings or "").split(",") if (name := item.strip().lower()) not in ("", "identity")]


def decode(data: bytes, encodings: str | None, limit: int = MAX_DECODED) -> tuple[bytes, str | None]:
    """Return (decoded bytes, error or None) for a Content-Encoding value, outermost encoding last."""
    error: str | None = None
    names = _names(encodings) if encodings else []
    if len(names) > MAX_ENCODINGS:
        return data, f"more than {MAX_ENCODINGS} encodings"
    for name in reversed(names):
        decoder = _DECODERS.get(name)
        if decoder is None:
            return data, f"{name[:20]}: no decoder"
        data, error = decoder(data, limit)
        if error is not None:
            return data, f"{name}: {error}"
    return data, None


class _Decompressor(Protocol):
    """What gzip's, deflate's and zstd's have in common: each undoes one member of a stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _undo(data: bytes, limit: int, make: Callable[[], _Decompressor]) -> tuple[bytes, str | None]:
    """Undo all members of a stream, one behind the other."""
    decoded, decoder, members = bytearray(), None, 0
    for start in range(0, len(data), _SLICE):
        rest = data[start : start + _SLICE]
        while rest:
            if decoder is None:
                decoder, members = make(), members + 1
            if members > MAX_MEMBERS:
                return bytes(decoded), f"more than {MAX_MEMBERS} members"
            try:
                decoded += decoder.decompress(rest, limit - len(decoded) + 1)
            except (zlib.error, zstd.ZstdError) as problem:
                return bytes(decoded), str(problem)
            if len(decoded) > limit:
                return bytes(decoded[:limit]), _too_much(limit)
            rest, decoder = (decoder.unused_data, None) if decoder.eof else (b"", decoder)
    return bytes(decoded), None if decoder is None else _CUT


def _too_much(limit: int) -> str:
    return f"more than {limit} bytes when decoded"


def _gzip(data: bytes, limit: int) -> tuple[bytes, str | None]:
    return _undo(data, limit, lambda: zlib.decompressobj(31))


def _deflate(data: bytes, limit: int) -> tuple[bytes, str | None]:
    decoded, error = _undo(data, limit, zlib.decompressobj)
    # Some servers send it without the head that the standard asks for.
    return (decoded, error) if decoded or not error else _undo(data, limit, lambda: zlib.decompressobj(-15))


def _zstd(data: bytes, limit: int) -> tuple[bytes, str | None]:
    return _undo(data, limit, zstd.ZstdDecompressor)


def _brotli(data: bytes, limit: int) -> tuple[bytes, str | None]:
    decoder = brotli.Decompressor()
    try:
        decoded = decoder.process(data, output_buffer_limit=limit + 1)
    except brotli.error as problem:
        return b"", str(problem)
    if len(decoded) > limit:
        return decoded[:limit], _too_much(limit)
    return decoded, None if decoder.is_finished() or not data else _CUT


_DECODERS: dict[str, Callable[[bytes, int], tuple[bytes, str | None]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "br": _brotli,
}
