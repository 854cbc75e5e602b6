"""The top-level scanner: any cut gives the same members, and spans point at the bytes."""

from __future__ import annotations

import contextlib
import json
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.scanning import TopLevelScanner, measured, scan

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


def test_what_nobody_sends_is_given_up() -> None:
    members = b"{" + b",".join(b'"k%d":1' % number for number in range(2000)) + b',"model":"m"}'
    assert not scan(members, WANTED).is_sound
    below = scan(b'{"x":[' + members + b'],"model":"n"}', WANTED)
    assert (below.is_sound, below.members[b"model"].raw) == (True, b'"n"')
    maze = TopLevelScanner(WANTED)
    maze.feed(b'{"a":' + b"[" * 20_000)
    assert not maze.is_sound


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(body: bytes) -> None:
    scan(body, WANTED)


def test_words_inside_strings_and_below_the_top_level_are_not_members() -> None:
    body = b'{"messages":[{"model":"inner"}],"x":"\\"model\\":\\"fake\\"","model":"real"}'
    assert scan(body, WANTED).members[b"model"].raw == b'"real"'


def test_the_last_of_two_equal_keys_counts() -> None:
    assert scan(b'{"model":"a","model":"b"}', WANTED).members[b"model"].raw == b'"b"'


def test_a_long_value_is_noted_by_its_span_only() -> None:
    body = b'{"model":"' + b"m" * 10_000 + b'","stream":true}'
    scanner = scan(body, WANTED)
    assert scanner.is_sound
    assert scanner.members[b"model"].raw is None
    assert scanner.members[b"stream"].raw == b"true"


def test_what_is_no_object_is_not_sound() -> None:
    for body in (b"", b"[1]", b'"text"', b"nope", b'{"a":1', b'{"a":1}}', b'{"a":1} {"b":2}'):
        assert not scan(body, WANTED).is_sound, body


_BLANKS = st.sampled_from(["", " ", "\n\t", "  \r\n"])


@st.composite
def _bodies(draw: st.DrawFn) -> bytes:
    """Objects in any spelling, some of them broken."""
    members = []
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(["model", "stream", "metadata", "x", "mod\\u0065l", 'a\\"b', ""]))
        value = draw(
            st.one_of(
                st.recursive(
                    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.floats(allow_nan=True),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
                    max_leaves=6,
                ).map(json.dumps),
                st.sampled_from(["", "1 2", '"a" "b"', "[1}", "{]", '"open', "]", "[[", '"' + "y" * 5000 + '"', "nul"]),
            )
        )
        blanks = [draw(_BLANKS) for _ in range(4)]
        members.append(f'{blanks[0]}"{name}"{blanks[1]}:{blanks[2]}{value}{blanks[3]}')
    end = draw(st.sampled_from(["}", "} ", "", "}}", ",}", "} x"]))
    return ("{" + ",".join(members) + end).encode()


@given(_bodies(), st.integers(1, 50))
def test_a_whole_body_is_seen_as_it_is_in_slices(body: bytes, size: int) -> None:
    wanted = frozenset({b"model", b"stream", b"metadata", b"x"})
    sliced, whole = TopLevelScanner(wanted), scan(body, wanted)
    for start in range(0, len(body), size):
        sliced.feed(body[start : start + size])
    sliced.finish()
    assert whole.is_sound == sliced.is_sound
    if whole.is_sound:
        for name in ("members", "doubles", "open_brace", "has_members", "has_escaped_key"):
            assert getattr(whole, name) == getattr(sliced, name), name


KEYS = st.sampled_from(["model", "stream", "x", 'a"b', "\u00e9", "", " ", "a b", "\n"]) | st.text(max_size=4)
LONG = st.just("m" * 5000)


@given(st.dictionaries(KEYS, st.recursive(scalars | LONG | st.floats(), lambda inner: st.lists(inner, max_size=3))))
def test_a_compact_body_is_measured_as_it_is_scanned(values: dict[str, object]) -> None:
    wanted = frozenset({b"model", b"stream", b"x", "\u00e9".encode(), b"a b"})
    try:
        body = orjson.dumps(values)
    except TypeError:
        return
    found, sliced = measured(body, orjson.loads(body), wanted), TopLevelScanner(wanted)
    sliced.feed(body)
    assert sliced.finish()
    assert found is not None
    for name in ("members", "doubles", "open_brace", "has_members", "has_escaped_key"):
        assert getattr(found, name) == getattr(sliced, name), name


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}', b'{"a":1} ', b' {"a":1}', b'{"a":1.10}', b'{"a":1,"a":1}', b'{"a":1,"a":2}', b'{"a":"\\u00e9"}',
        b'{"a":1e400}', b'{"a":"\\ud800"}', b'{"a":123456789012345678901234567890}', b'{"\\u0061":1}', b'{"a":NaN}',
        b"{ }",
        b'{"a":' + b"[" * 200 + b"]" * 200 + b',"b":1e400}',
    ],
)  # fmt: skip
def test_what_is_spelled_otherwise_is_not_measured(body: bytes) -> None:
    assert measured(body, json.loads(body), WANTED) is None
