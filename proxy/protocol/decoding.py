"""Undoing Content-Encoding on a copy, within a cap: gzip, deflate, zstd, brotli where its library is installed.

The bytes that are relayed are never touched. A wrong label, a cut stream or a bomb gives what could be decoded and a
word about why the rest is missing.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_DECODED = 64 * 1024 * 1024


def decode(data: bytes, encodings: str | None, limit: int = MAX_DECODED) -> tuple[bytes, str | None]:
    """Return (decoded bytes, error or None) for a Content-Encoding value, outermost encoding last."""
    error: str | None = None
    for name in reversed([item.strip().lower() for item in (encodings or "").split(",")]):
        if name in ("", "identity"):
            continue
        decoder = _DECODERS.get(name)
        if decoder is None:
            return data, f"{name[:20]}: no decoder"
        data, error = decoder(data, limit)
        if error is not None:
            return data, f"{name}: {error}"
    return data, None


def _inflate(data: bytes, limit: int, window: int) -> tuple[bytes, str | None]:
    decoded = bytearray()
    while data:
        decoder = zlib.decompressobj(window)
        try:
            decoded += decoder.decompress(data, limit - len(decoded) + 1)
        except zlib.error as problem:
            return bytes(decoded), str(problem)
        if len(decoded) > limit:
            return bytes(decoded[:limit]), f"more than {limit} bytes when decoded"
        if not decoder.eof:
            return bytes(decoded), "the stream is cut short"
        data = decoder.unused_data
    return bytes(decoded), None


def _gzip(data: bytes, limit: int) -> tuple[bytes, str | None]:
    return _inflate(data, limit, 31)


def _deflate(data: bytes, limit: int) -> tuple[bytes, str | None]:
    decoded, error = _inflate(data, limit, 15)
    return (decoded, error) if decoded or not error else _inflate(data, limit, -15)


def _zstd(data: bytes, limit: int) -> tuple[bytes, str | None]:
    decoded = bytearray()
    while data:
        decoder = zstd.ZstdDecompressor()
        try:
            decoded += decoder.decompress(data, limit - len(decoded) + 1)
        except zstd.ZstdError as problem:
            return bytes(decoded), str(problem)
        if len(decoded) > limit:
            return bytes(decoded[:limit]), f"more than {limit} bytes when decoded"
        if not decoder.eof:
            return bytes(decoded), "the stream is cut short"
        data = decoder.unused_data
    return bytes(decoded), None


def _brotli(data: bytes, limit: int) -> tuple[bytes, str | None]:
    try:
        brotli = importlib.import_module("brotli")
    except ImportError:
        return data, "no decoder"
    try:
        decoded = brotli.Decompressor().process(data, output_buffer_limit=limit + 1)
    except TypeError:
        # Releases before 1.2 cannot be told where to stop, and a bomb is not worth an answer.
        return data, "no decoder"
    except brotli.error as problem:
        return b"", str(problem)
    return decoded[:limit], None if len(decoded) <= limit else f"more than {limit} bytes when decoded"


_DECODERS: dict[str, Callable[[bytes, int], tuple[bytes, str | None]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "br": _brotli,
}
