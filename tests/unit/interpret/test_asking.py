"""The newest user turn and the parameters are found in every form of request."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.interpret.asking import newest_turn, read_request
from tests.support.recorded import recorded


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "a"),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "image_url"}]},
                ]
            },
            "b",
        ),
        ({"messages": [{"role": "system", "content": "s"}]}, "s"),
        ({"input": "a"}, "a"),
        ({"input": ["a", "b"]}, "b"),
        ({"input": [[1, 2, 3]]}, None),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                    {"type": "function_call_output", "output": "9"},
                ]
            },
            "a",
        ),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                    {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a thought"}]},
                    {"type": "function_call_output", "output": "9"},
                ]
            },
            "a",
        ),
        ({"input": [{"type": "message", "content": "a"}, {"content": "b"}]}, "b"),
        ({"prompt": "a"}, "a"),
        ({"prompt": ["a", "b"]}, "a\nb"),
        ({"messages": None}, None),
        ({"messages": 7, "prompt": 9}, None),
        ({}, None),
    ],
)
def test_the_newest_turn(values: dict[str, Any], said: str | None) -> None:
    assert newest_turn(values) == said


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_output_tokens": 5}, 5),
        ({"options": {"num_predict": 5}}, 5),
        ({"max_tokens": 0}, 0),
        ({"max_tokens": -1}, None),
        ({"max_tokens": "5"}, None),
        ({"max_tokens": 2**40}, None),
        ({"options": 7}, None),
    ],
)
def test_the_limit_of_the_answer(values: dict[str, Any], limit: int | None) -> None:
    assert read_request(recorded(request=values)).max_tokens == limit


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"--form"])
def test_what_is_no_object_says_nothing(body: bytes) -> None:
    request = read_request(recorded(body=body))
    assert (request.values, request.model, request.input_text, request.tool_names) == ({}, None, None, ())
