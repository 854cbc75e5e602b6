"""Where texts and brackets end, whatever is in them, wherever a slice cuts them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.skipping import RUN, end_of_nested, end_of_text

PIECES = st.lists(
    st.builds(
        lambda piece, count: piece * count,
        st.sampled_from([b'\\"', b"\\\\", b"\\n", b"x", b"[", b"\xc3\xa9"]),
        st.integers(1, 4) | st.integers(2040, 4100),
    ),
    max_size=4,
).map(b"".join)


@given(PIECES, st.integers(0, 3))
def test_a_text_ends_at_the_first_quote_that_is_not_escaped(text: bytes, before: int) -> None:
    begun = b'{"a'[:before]
    assert end_of_text(begun + text + b'","b"]', before) == before + len(text)


@given(PIECES, st.sampled_from([b"", b"x", b"\\"]))
def test_without_a_quote_it_goes_to_the_end_or_to_what_escapes_the_next_byte(text: bytes, last: bytes) -> None:
    whole = text + last
    assert end_of_text(whole + b"y", 0) == len(whole) + 1
    if whole:
        assert end_of_text(whole, 0) == len(text) + (last == b"x")


VALUES = st.recursive(
    st.none() | st.integers() | st.text('a"\\[]{}', max_size=6) | st.just('x\\"' * 400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('k"\\', max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(VALUES), st.integers(0, 9), st.binary(max_size=5))
def test_brackets_end_where_they_are_closed(values: list[object], depth: int, behind: bytes) -> None:
    body = b"[" * depth + json.dumps(values).encode() + b"]" * depth
    assert end_of_nested(body + behind, 1) == len(body)
    assert end_of_nested(body[:-1], 1) == -1


@pytest.mark.parametrize("body", [b'["a', b"[" * 20_000 + b"]" * 20_000, b'[[1,"\\"]]', b""])
def test_what_never_ends_or_goes_too_deep_has_no_end(body: bytes) -> None:
    assert end_of_nested(body, 1) == -1


@given(VALUES)
def test_what_is_whole_is_run_over_at_once_where_its_texts_are_short(value: object) -> None:
    body = b"[1," + json.dumps(value).encode() + b",2]"
    found = [item.group() for item in RUN.finditer(body)]
    assert b"".join(found) == body
    if b"x" not in body and body.count(b"[") + body.count(b"{") <= 4:
        assert found == [body]
