"""Injected usage is taken out byte for byte; what the client asked for, or did not, stays."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.stripping import MAX_HELD, UsageStripper

PLAIN = (
    b': comment\n\ndata: {"id":"1","choices":[{"index":0,"delta":{"content":"a \\"usage\\":null b"}}]}\n\n'
    b'data: {"choices":[],"prompt_filter_results":[]}\n\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\r\n\r\n'
    b"data: [DONE]\n\n"
)
WITH_USAGE = (
    b': comment\n\ndata: {"id":"1","choices":[{"index":0,"delta":{"content":"a \\"usage\\":null b"}}],"usage":null}\n\n'
    b'data: {"usage":null,"choices":[],"prompt_filter_results":[]}\n\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage" : null}\r\n\r\n'
    b'data: {"id":"1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)


def strip(pieces: list[bytes]) -> bytes:
    stripper = UsageStripper()
    return b"".join(stripper.feed(piece) for piece in pieces) + stripper.finish()


def test_the_stripped_stream_is_the_stream_without_injection() -> None:
    assert strip([WITH_USAGE]) == PLAIN


@given(st.lists(st.integers(0, len(WITH_USAGE)), max_size=12))
def test_any_cut_gives_the_same_bytes(cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), len(WITH_USAGE)]
    pieces = [WITH_USAGE[start:end] for start, end in itertools.pairwise(borders)]
    assert strip(pieces) == PLAIN


def test_usage_on_the_finish_chunk_keeps_the_chunk() -> None:
    event = b'data: {"choices":[{"finish_reason":"stop"}],"usage":{"total_tokens":5}}\n\n'
    assert strip([event]) == event


@pytest.mark.parametrize(
    "before", [b"id: 7\n", b"event: message\r\n", b": kept alive\n", b"\n", b"\xef\xbb\xbf", b"id: 1\r\n" * 9000]
)
def test_lines_before_the_data_change_nothing(before: bytes) -> None:
    chunk = before + b'data: {"choices":[{"delta":{}}]%b}\n\n'
    totals = before + b'data: {"choices":[],"usage":{"total_tokens":1}}\n\n'
    stripper = UsageStripper()
    assert stripper.feed(chunk % b',"usage":null' + totals + chunk % b"") == (chunk % b"") * 2
    assert stripper.finish() == b""


def test_data_in_several_lines_passes() -> None:
    event = b'data: {"choices":[],\ndata: "usage":{"total_tokens":1}}\n\n'
    assert UsageStripper().feed(event) == event


def test_an_event_is_handed_on_as_soon_as_it_is_whole() -> None:
    stripper = UsageStripper()
    event = b'data: {"choices":[{"delta":{"content":"x"}}],"usage":null}\n\n'
    assert stripper.feed(event + b'data: {"cho') == b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'


def test_an_unfinished_last_event_is_not_lost() -> None:
    assert strip([b"data: [DONE]"]) == b"data: [DONE]"


def test_an_event_too_long_to_hold_passes_unexamined() -> None:
    event = b'data: {"usage":null,"x":"' + b"y" * (3 << 20) + b'"}\n\n'
    pieces = [event[start : start + 65536] for start in range(0, len(event), 65536)]
    after = b'data: {"choices":[1],"usage":null}\n\n'
    assert strip([*pieces, after]) == event + b'data: {"choices":[1]}\n\n'


@pytest.mark.parametrize("border", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_the_end_of_a_long_event_is_seen_however_it_is_cut(border: bytes) -> None:
    event = b'data: {"x":"' + b"y" * (MAX_HELD + 1)
    rest = b'"}' + border + b'data: {"choices":[],"usage":{"total_tokens":5}}' + border
    for cut in range(1, len(border) + 3):
        assert strip([event, rest[:cut], rest[cut:]]) == event + b'"}' + border


@given(st.binary(max_size=300), st.integers(1, 50))
def test_bytes_that_are_no_chat_stream_pass(data: bytes, step: int) -> None:
    if b'"usage"' not in data:
        assert strip([data[start : start + step] for start in range(0, len(data), step)]) == data
