"""Events come out the same however the bytes were cut, and odd streams do not confuse the decoder."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.protocol import sse
from proxy.protocol.sse import Event, EventDecoder

_LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data:  c",
        b"data",
        b"data:",
        b": comment",
        b":",
        b"event: x",
        b"id: 7",
        b"retry: 1",
        b"",
        b"",
        b"odd: y",
        "data: é\u2028z".encode(),
        b"\xef\xbb\xbfdata: bom",
        b"data: \xff\xfe",
    ]
)
_STREAMS = st.lists(st.tuples(_LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def data_of(stream: bytes) -> list[bytes]:
    return [event.data for event in sse.decode(stream)]


def feed(stream: bytes, cuts: list[int]) -> list[Event]:
    decoder, found, start = EventDecoder(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        found += decoder.feed(stream[start:cut])
        start = cut
    return found + decoder.finish()


@given(_STREAMS, st.binary(max_size=12), st.data())
@example(b"data: a\r\n\r\n", b"", None)
def test_any_cut_gives_the_same_events(stream: bytes, tail: bytes, data: st.DataObject | None) -> None:
    stream += tail
    whole = sse.decode(stream)
    places = st.lists(st.integers(0, len(stream)), max_size=8)
    assert feed(stream, data.draw(places) if data else [8, 9, 10]) == whole
    assert feed(stream, list(range(len(stream)))) == whole


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata:b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b": OPENROUTER PROCESSING\n\n: keep-alive\n\n:\n\ndata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: first\n\n", [b"first"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"event: ping\n\ndata: a\n\n", [b"a"]),
        (b"id: 7\ndata: a\n\n\n\n", [b"a"]),
        (b"data: no blank line", [b"no blank line"]),
        (b"data: \xe2\x80\xa8 is text\n\n", [b"\xe2\x80\xa8 is text"]),
        (b"", []),
    ],
)
def test_well_and_ill_formed_streams(stream: bytes, expected: list[bytes]) -> None:
    assert data_of(stream) == expected


def test_an_event_tells_its_name_and_where_it_was_whole() -> None:
    first, second = sse.decode(b"event: x\ndata: a\n\ndata: b")
    assert (first.name, first.end) == ("x", 18)
    assert (second.name, second.end) == ("", 25)


def test_an_unterminated_last_event_comes_at_the_end() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert [event.data for event in decoder.finish()] == [b"a"]


def test_an_event_is_as_long_as_what_was_kept() -> None:
    long = b"x" * (9 * 1024 * 1024)
    assert data_of(b"data: " + long + b"\n\ndata: next\n\n") == [long, b"next"]
