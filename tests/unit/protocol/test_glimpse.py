"""A body that is no plain JSON tells its model where that is cheap, and is opaque where it is not."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.glimpse import END_BYTES, Mentions, glimpse
from proxy.protocol.requests import OPAQUE, RequestFacts
from tests.support.forms import field, file, form

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ASKED = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"%s"}]}'
PACKED = [(gzip.compress, "gzip"), (zlib.compress, "deflate"), (brotli.compress, "br"), (zstd.compress, "zstd")]


@pytest.mark.parametrize(("pack", "name"), PACKED)
@pytest.mark.parametrize("length", [1, 500_000])
def test_a_compressed_request(pack: Callable[[bytes], bytes], name: str, length: int) -> None:
    packed = pack(ASKED % (b"x" * length))
    found = glimpse(packed, packed, name, len(packed))
    assert (found.model, found.is_stream, found.is_json) == ("gpt-4o", True, False)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 50_000_000 + ASKED)
    assert glimpse(bomb, bomb, "gzip", len(bomb)).model is None


def test_a_form_whose_model_stands_first_or_last() -> None:
    sound = file("file", "a.mp3", "audio/mpeg", bytes(100_000))
    first, last = form(field("model", "whisper-1"), sound), form(sound, field("stream", "true"), field("model", "m"))
    found = glimpse(first, first, None, len(first))
    assert found == RequestFacts("whisper-1", model_at=(first.index(b"whisper-1"), 9))
    found = glimpse(last[:END_BYTES], last[-END_BYTES:], None, len(last))
    assert found == RequestFacts("m", is_stream=True, model_at=(last.rindex(b"m\r\n--XX--"), 1))


@given(st.integers(0, 40_000), st.integers(0, 40_000))
def test_the_place_of_the_model_is_that_in_the_whole_body(before: int, behind: int) -> None:
    data = form(file("a", "a", "x/y", bytes(before)), field("model", "m-1"), file("b", "b", "x/y", bytes(behind)))
    for beginning, end in ((data, data), (data[:END_BYTES], data[-END_BYTES:])):
        found = glimpse(beginning, end, None, len(data))
        assert found.model_at in (None, (data.index(b"m-1"), 3))
        assert (found.model_at is None) == (found.model is None)


def test_a_model_that_is_said_twice_has_no_place() -> None:
    data = form(field("model", "a"), field("model", "b"))
    assert glimpse(data, data, None, len(data)) == RequestFacts("b")


HIDDEN = ('name="model"', "name=model", 'NAME = "model"', "name*=utf-8''m%6fdel", 'name="mo\\\\del"')


@pytest.mark.parametrize("words", HIDDEN)
@pytest.mark.parametrize("step", [7, 1000, 10**6])
def test_a_second_model_between_the_ends_is_noticed(words: str, step: int) -> None:
    other = field("model", "dear").replace(b'name="model"', words.encode())
    sound = file("file", "model", "x/y", bytes(50_000))
    for parts, count in (([sound], 1), ([sound, other, sound], 2)):
        data = form(field("model", "cheap"), *parts)
        mentions = Mentions()
        for start in range(0, len(data), step):
            mentions.feed(data[start : start + step])
        assert mentions.count == count
        assert (glimpse(data[:END_BYTES], data[-END_BYTES:], None, len(data), mentions).model_at is None) == (count > 1)


def test_a_form_in_a_file_leads_nowhere() -> None:
    inner = form(field("model", "of-the-file")).replace(b"--XX", b"--YY")
    data = form(field("model", "ours"), file("file", "a", "text/plain", inner))
    assert glimpse(data, data, None, len(data)).model == "ours"


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "snappy", "gzip, zstd", None])
def test_what_is_neither_is_opaque(encoding: str | None) -> None:
    assert glimpse(b"\x00\x01garbage", b"", encoding, 9) == OPAQUE


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "br", "zstd", None]))
def test_nothing_raises(data: bytes, encoding: str | None) -> None:
    assert not glimpse(data, data, encoding, len(data)).is_json
    assert not glimpse(b"--" + data, data, encoding, len(data) + 2).is_json
