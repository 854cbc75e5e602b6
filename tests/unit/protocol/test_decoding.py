"""Bodies are decoded within a cap; what goes wrong is a word, never an exception."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable
from functools import partial

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.decoding import decode

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Without the time of day, which gzip writes into its head: tests are named after what they are given.
gzip_of = partial(gzip.compress, mtime=0)
DATA = b'{"text":"hello"}' * 50
RAW_DEFLATE = zlib.compress(DATA)[2:-4]


@pytest.mark.parametrize(
    ("encoded", "name"),
    [
        (gzip_of(DATA), "gzip"),
        (gzip_of(DATA), "X-GZIP"),
        (gzip_of(DATA[:100]) + gzip_of(DATA[100:]), "gzip"),
        (zlib.compress(DATA), "deflate"),
        (RAW_DEFLATE, "deflate"),
        (zstd.compress(DATA), "zstd"),
        (zstd.compress(DATA[:9]) + zstd.compress(DATA[9:]), "zstd"),
        (zstd.compress(gzip_of(DATA)), "gzip, zstd"),
        (brotli.compress(DATA), "br"),
        (DATA, "identity"),
        (DATA, None),
        (DATA, ""),
    ],
)
def test_known_encodings(encoded: bytes, name: str | None) -> None:
    assert decode(encoded, name) == (DATA, None)


@pytest.mark.parametrize(
    ("pack", "name"),
    [(gzip.compress, "gzip"), (zstd.compress, "zstd"), (zlib.compress, "deflate"), (brotli.compress, "br")],
)
def test_bombs_are_capped(pack: Callable[[bytes], bytes], name: str) -> None:
    decoded, error = decode(pack(bytes(1_000_000)), name, limit=1000)
    assert decoded == bytes(1000)
    assert error == f"{name}: more than 1000 bytes when decoded"


@pytest.mark.parametrize("name", ["gzip", "zstd", "deflate", "br"])
def test_a_cut_body_gives_what_there_is(name: str) -> None:
    packs: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "zstd": zstd.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
    }
    decoded, error = decode(packs[name](DATA)[:-6], name)
    assert DATA.startswith(decoded)
    assert error == f"{name}: the stream is cut short"


def test_a_wrong_label_and_an_unknown_one_are_told() -> None:
    assert decode(DATA, "gzip")[1] is not None
    assert decode(DATA, "snappy") == (DATA, "snappy: no decoder")


@given(st.binary(max_size=100), st.sampled_from(["gzip", "zstd", "deflate", "br", "gzip, zstd", "??"]))
def test_nothing_raises(data: bytes, name: str) -> None:
    decode(data, name)
