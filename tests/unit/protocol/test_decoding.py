"""Bodies are decoded within a cap; what goes wrong is a word, never an exception."""

from __future__ import annotations

import gzip
import random
import sys
import zlib
from collections.abc import Callable
from functools import partial

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.decoding import MAX_ENCODINGS, MAX_MEMBERS, decode, encodings_of

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


@pytest.mark.parametrize(("pack", "name"), [(gzip_of, "gzip"), (zstd.compress, "zstd")])
def test_members_may_be_many_but_not_countless(pack: Callable[[bytes], bytes], name: str) -> None:
    whole = b"".join(pack(b"%03d" % number) for number in range(MAX_MEMBERS))
    assert decode(whole, name) == (b"".join(b"%03d" % number for number in range(MAX_MEMBERS)), None)
    # Not timed: a member of nine bytes, a million times, took the better part of an hour.
    assert decode(pack(b"") * 1_000_000, name) == (b"", f"{name}: more than {MAX_MEMBERS} members")


@pytest.mark.parametrize(("pack", "name"), [(gzip_of, "gzip"), (zlib.compress, "deflate"), (zstd.compress, "zstd")])
def test_what_is_longer_than_a_slice(pack: Callable[[bytes], bytes], name: str) -> None:
    data = random.Random(7).randbytes(200_000)
    assert decode(pack(data), name) == (data, None)
    cut, error = decode(pack(data)[:-70_000], name)
    assert error == f"{name}: the stream is cut short"
    assert data.startswith(cut)
    assert cut


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], None),
        (["identity"], None),
        ([""], None),
        (["gzip"], "gzip"),
        (["gzip", "br"], "gzip, br"),
        (["gzip, identity", "zstd,BR"], "gzip, zstd, br"),
    ],
)
def test_lines_are_one_list(lines: list[str], said: str | None) -> None:
    headers = [("content-type", "x"), *[("content-encoding", line) for line in lines], ("accept", "gzip")]
    assert encodings_of(headers) == said


def test_encodings_around_encodings_end_somewhere() -> None:
    data = DATA
    for _ in range(MAX_ENCODINGS):
        data = gzip_of(data)
    assert decode(data, "gzip, identity, gzip, gzip, , gzip") == (DATA, None)
    assert decode(gzip_of(data), ",".join(["gzip"] * 5)) == (gzip_of(data), f"more than {MAX_ENCODINGS} encodings")
