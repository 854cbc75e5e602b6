"""The top-level scanner: any cut gives the same members, and spans point at the bytes."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.scanner import TopLevelScanner
from proxy.protocol.scanning import scan

WANTED = frozenset({b"model", b"stream", b"stream_options"})

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=30)
documents = st.dictionaries(
    st.sampled_from(["model", "stream", "messages", "x"]) | st.text(max_size=8),
    st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8),
    max_size=6,
)
spellings = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(),
    documents,
    st.sampled_from([None, 2]),
    st.booleans(),
)


@given(spellings, st.data())
def test_any_cut_finds_the_members_that_a_parser_finds(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    scanner = TopLevelScanner(WANTED)
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        scanner.feed(body[start:end])
    assert scanner.finish()
    parsed = json.loads(body)
    for name in WANTED:
        member = scanner.members.get(name)
        assert (member is not None) == (name.decode() in parsed)
        if member is not None and member.raw is not None:
            assert json.loads(member.raw) == parsed[name.decode()]
            assert body[member.start : member.end] == member.raw


INNER = st.lists(
    st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b'"a"', b":", b",", b'\\"', b"xyz", b"\n"]), max_size=25
)


@given(INNER, st.data())
def test_below_the_top_level_any_cut_means_the_same(parts: list[bytes], data: st.DataObject) -> None:
    body = b'{"x":[{"model":' + b"".join(parts) + b'}],"model":"real"}'
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    scanner, whole = TopLevelScanner(WANTED), scan(body, WANTED)
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        scanner.feed(body[start:end])
    assert (scanner.finish(), scanner.members) == (whole.is_sound, whole.members)
    with contextlib.suppress(ValueError):
        assert json.loads(body)["model"] == "real" == json.loads(whole.members[b"model"].raw or b"0")


LONG_TEXTS = st.lists(
    st.builds(
        lambda piece, count: piece * count,
        st.sampled_from([b'\\"', b"\\\\", b"\\n", b"x", b"[", b'","', b'"],["']),
        st.integers(1, 5) | st.integers(2040, 4100),
    ),
    max_size=4,
)  # fmt: skip


@given(LONG_TEXTS, st.data())
def test_where_a_long_text_ends_is_found_whatever_is_escaped_in_it(parts: list[bytes], data: st.DataObject) -> None:
    body = b'{"x":[["' + b"".join(parts) + b'"]],"model":"real"}'
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    scanner = TopLevelScanner(WANTED)
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        scanner.feed(body[start:end])
    assert scanner.finish()
    assert json.loads(body)["model"] == "real"
    assert scanner.members[b"model"].raw == scan(body, WANTED).members[b"model"].raw == b'"real"'


@pytest.mark.parametrize("depth", range(12))
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_brackets_are_told_apart_from_texts_at_every_depth(depth: int, size: int) -> None:
    body = b'{"x":%b1,"]}",{"a":"}"}%b,"model":"real"}' % (b"[" * (depth + 1), b"]" * (depth + 1))
    scanner = TopLevelScanner(WANTED)
    for start in range(0, len(body), size):
        scanner.feed(body[start : start + size])
    assert scanner.finish()
    assert scanner.members == scan(body, WANTED).members
    assert scanner.members[b"model"].raw == b'"real"'


@pytest.mark.parametrize(
    "part",
    [
        *(b":", b",", b'"', b"{", b"[", b"[]", b"[],", b'"":', b'"a":1,', b'"\\"",', b'\\"'),
        *(b'"\\\\', b'\\\\"', b'{"a":[{"b":[{"c":"\\""', b'"' + b"x" * 600 + b'",', b'{}"\\"",{'),
    ],
    ids=str,
)
@pytest.mark.parametrize("before", [b"{", b'{"a":', b'{"a":[', b'{"a":"', b'{"model":{'], ids=str)
def test_no_body_holds_the_event_loop(before: bytes, part: bytes) -> None:
    slices = [before, *[part * (65_536 // len(part))] * 40]
    scanner, started = TopLevelScanner(WANTED), time.process_time()
    for piece in slices:
        scanner.feed(piece)
    # Two and a half megabytes: some milliseconds a slice, on a machine that is busy with other tests too.
    assert time.process_time() - started < 5
