"""Slices at the cuts join to the body; borders lie where messages repeat."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
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


def test_a_question_and_what_is_around_the_messages_are_slices() -> None:
    body = b'{"model":"m","messages":[{"role":"system","a":[1,2]},{"b":"},]","role":"user"}],"tools":[{"f":1}],"n":1}'
    assert slices(body) == [
        b'{"model":"m","messages":[',
        b'{"role":"system","a":[1,2]}',
        b',{"b":"},]","role":"user"}',
        b'],"tools":',
        b'[{"f":1}]',
        b',"n":1}',
    ]


def test_what_comes_with_one_request_is_one_slice() -> None:
    said, result = {"role": "assistant", "content": None}, {"role": "tool", "content": '"role":"assistant"'}
    asked = {"role": "user", "content": [{"type": "web_search_call"}]}
    turns = [asked, said, result, result, said, said, asked, said, asked, asked]
    assert together(turns) == [[asked], [said, result, result], [said, said, asked], [said, asked], [asked]]
    call, output = {"id": "1", "type": "function_call"}, {"type": "function_call_output", "output": "x"}
    reasoning, message = {"type": "reasoning"}, {"type": "message", "role": "user"}
    turns = [message, reasoning, call, call, output, output, reasoning, message]
    assert together(turns) == [[message], [reasoning, call, call, output, output], [reasoning, message]]


def test_what_is_large_is_a_slice_of_its_own_and_no_slice_grows_for_ever() -> None:
    said, large = {"role": "assistant", "content": "a"}, {"role": "tool", "content": "t" * cutting.FULL}
    assert together([said, large, said]) == [[said], [large], [said]]
    assert together([said, large, large]) == [[said], [large], [large]]
    body = orjson.dumps({"input": list(range(20_000))})
    assert all(len(part) < cutting.FULL + 10 for part in slices(body))
    assert len(slices(body)) < 20


def together(turns: Sequence[object]) -> list[list[Any]]:
    """Return the messages of each slice of a request."""
    first, *parts, last = slices(orjson.dumps({"messages": turns}))
    assert (first, last) == (b'{"messages":[', b"]}")
    return [orjson.loads(b"[" + part.lstrip(b",") + b"]") for part in parts]


def test_instructions_and_input() -> None:
    body = b'{"instructions" : "be, \\"kind\\"", "input":[{"role":"user"}, {"role" : "user"}]}'
    assert slices(body)[1:] == [b'"be, \\"kind\\""', b', "input":[', b'{"role":"user"}', b', {"role" : "user"}', b"]}"]


_TURNS = st.lists(
    st.sampled_from(["system", "user", "assistant", "tool", None]).flatmap(
        lambda role: st.builds(
            lambda size: {"role": role, "content": "x" * size},
            st.sampled_from([0, 10, cutting.FULL // 3, cutting.FULL]),
        )
    ),
    max_size=12,
)


@given(_TURNS, st.integers(0, 12))
def test_a_longer_history_repeats_the_slices_of_the_shorter(turns: list[dict[str, Any]], count: int) -> None:
    short, long = (slices(orjson.dumps({"model": "m", "messages": some})) for some in (turns[:count], turns))
    # All but the end and the slice before it, to which the next request may add.
    assert short[:-2] == long[: len(short) - 2]


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
