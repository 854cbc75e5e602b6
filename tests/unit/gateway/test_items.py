"""A prompt's messages as items of Responses: calls of tools too, and nothing that is known is lost."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.gateway.items import items_of, renamed

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
ITEM = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}

FILE, INPUT_FILE = {"type": "file", "file": {"file_id": "f"}}, {"type": "input_file", "file_id": "f"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}
INPUT_IMAGE = {"type": "input_image", "image_url": "data:x", "detail": "low"}


@pytest.mark.parametrize(
    ("message", "items"),
    [
        ({"role": "user", "content": "Hi"}, [{"role": "user", "content": "Hi"}]),
        ({"role": "assistant", "content": None, "tool_calls": [CALL, CALL]}, [ITEM, ITEM]),
        (
            {"role": "assistant", "content": "See", "tool_calls": [CALL]},
            [{"role": "assistant", "content": "See"}, ITEM],
        ),
        (
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
            [{"type": "function_call_output", "call_id": "call_1", "output": "42"}],
        ),
        ({"role": "user", "content": [FILE, IMAGE]}, [{"role": "user", "content": [INPUT_FILE, INPUT_IMAGE]}]),
    ],
)  # fmt: skip
def test_a_message_becomes_items(message: dict[str, Any], items: list[dict[str, Any]]) -> None:
    assert items_of(message) == items


@pytest.mark.parametrize("item", [{"type": "message", "role": "user", "content": [], "id": "m"}, {**ITEM, "role": "x"}])
def test_what_is_an_item_already_stays(item: dict[str, Any]) -> None:
    assert items_of(item) == [item]


@pytest.mark.parametrize(
    "content", [["text"], [None], [{}], [{"type": "image_url"}], [{"type": "image_url", "image_url": "x"}], 5, None, {}]
)
def test_a_content_of_no_known_shape_stays_for_the_provider_to_judge(content: Any) -> None:
    assert items_of({"role": "user", "content": content, "tool_calls": 7}) == [{"role": "user", "content": content}]
    (item,) = items_of({"role": "assistant", "content": None, "tool_calls": ["x"]})
    assert item == "x"


def test_what_is_said_in_the_words_of_responses_counts_above_those_of_chat() -> None:
    said = {"reasoning_effort": "low", "reasoning": {"effort": "high", "summary": "auto"}, "temperature": 1}
    assert renamed(said) == {"reasoning": {"effort": "high", "summary": "auto"}, "temperature": 1}
