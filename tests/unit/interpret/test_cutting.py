"""Slices at the cuts join to the body; borders lie where messages repeat."""

from __future__ import annotations

import itertools
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.interpret import cutting
from proxy.interpret.cutting import cuts_of


@pytest.fixture(autouse=True)
def _cut_small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MIN_LENGTH", 1)


def slices(body: bytes) -> list[bytes]:
    borders = [0, *cuts_of(body), len(body)]
    assert borders == sorted(set(borders)) or len(body) == 0
    return [body[start:end] for start, end in itertools.pairwise(borders)]


def test_each_message_is_a_slice_of_its_own() -> None:
    body = b'{"model":"m","messages":[{"a":[1,2]},"x,]",{"b":"}"}],"tools":[{"f":1}],"stream":true}'
    assert slices(body) == [
        b'{"model":"m","messages":[',
        b'{"a":[1,2]}',
        b',"x,]"',
        b',{"b":"}"}',
        b'],"tools":',
        b'[{"f":1}]',
        b',"stream":true}',
    ]


def test_instructions_and_input() -> None:
    body = b'{"instructions" : "be, \\"kind\\"", "input":[{"messages":[1,2]}, {"c":2}]}'
    assert slices(body)[1:4] == [b'"be, \\"kind\\""', b', "input":[', b'{"messages":[1,2]}']


def test_a_longer_history_repeats_the_slices_of_the_shorter() -> None:
    turns = [{"role": "user", "content": f"turn {number}, [said]"} for number in range(6)]
    short, long = (orjson.dumps({"model": "m", "messages": turns[:count]}) for count in (3, 6))
    assert set(slices(short)) - {b"]}"} < set(slices(long))


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["messages", "input", "tools", "instructions", 'a"b']), inner, max_size=4)
    ),
)


@given(_JSON | st.binary(max_size=80), st.integers(0, 80))
def test_joining_the_slices_gives_the_body(value: Any, cut: int) -> None:
    try:
        body = value if isinstance(value, bytes) else orjson.dumps(value)
    except TypeError:
        return
    for part in (body, body[:cut]):
        assert b"".join(slices(part)) == part


def test_small_bodies_and_mazes_are_left_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MAX_TOKENS", 50)
    assert cuts_of(b'{"messages":[' + b"1," * 100 + b"1]}") == ()
    monkeypatch.setattr(cutting, "MIN_LENGTH", 4096)
    assert cuts_of(b'{"messages":[1,2]}') == ()


@pytest.mark.parametrize("part", [b'\\"', b"\\", b'"', b'{"messages":["', b"["])
def test_no_body_takes_quadratic_time(part: bytes) -> None:
    body = b'{"messages":["' + part * (400_000 // len(part))
    before = time.process_time()
    cuts_of(body)
    assert time.process_time() - before < 5
