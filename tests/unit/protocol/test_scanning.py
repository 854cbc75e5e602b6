"""The top level of a whole body: however it is looked at, the members are those that the scanner finds in slices."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.scanner import TopLevelScanner
from proxy.protocol.scanning import measured, scan

WANTED = frozenset({b"model", b"stream", b"stream_options"})

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=30)


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
