"""A rendered prompt in a request: the template's messages first, and what the client says itself stays."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.gateway.composing import compose
from proxy.prompting.rendering import Rendered

TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
SYSTEM = {"role": "system", "content": "Be brief."}


def rendered(**changes: Any) -> Rendered:
    values: dict[str, Any] = {
        "messages": [SYSTEM], "parameters": {"temperature": 0.2, "model": "gpt", "max_tokens": 9}, "tools": [TOOL],
        "response_format": FORMAT, "variables": {}, "unused": [], **changes,
    }  # fmt: skip
    return Rendered(**values)


def made(operation: str, values: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(compose(operation, values, rendered(**changes)))
    return found


def test_a_chat_gets_messages_and_what_it_does_not_say() -> None:
    own = {"model": "prompt/short", "prompt": {"id": "short"}, "messages": [{"role": "user", "content": "Hi"}]}
    assert made("chat", own) == {
        "model": "gpt", "temperature": 0.2, "max_tokens": 9, "messages": [SYSTEM, {"role": "user", "content": "Hi"}],
        "tools": [TOOL], "response_format": FORMAT,
    }  # fmt: skip


def test_what_the_client_says_stays() -> None:
    own = {
        "model": "mine", "temperature": 1, "tools": [], "response_format": {"type": "text"}, "stream": True,
        "max_completion_tokens": 5, "messages": [],
    }  # fmt: skip
    found = made("chat", own)
    assert {name: found[name] for name in own if name != "messages"} == {
        name: value for name, value in own.items() if name != "messages"
    }
    assert "max_tokens" not in found


def test_a_responses_request_gets_them_in_its_own_words() -> None:
    messages = [
        {"role": "user", "content": [
            {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x"}},
        ]},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
    ]  # fmt: skip
    found = made("responses", {"input": "Hi", "prompt": {"id": "short"}}, messages=messages)
    assert found["input"] == [
        {"role": "user", "content": [
            {"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:x", "detail": "auto"},
        ]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"role": "user", "content": "Hi"},
    ]  # fmt: skip
    assert found["tools"] == [{"type": "function", "name": "look", "parameters": {}}]
    assert found["text"] == {"format": {"type": "json_schema", "name": "a", "schema": {}}}
    assert found["max_output_tokens"] == 9
    assert "messages" not in found
    assert "prompt" not in found


@pytest.mark.parametrize("said", [None, [{"role": "user", "content": "Hi"}]])
def test_input_may_be_a_list_or_nothing(said: Any) -> None:
    own = {} if said is None else {"input": said}
    assert made("responses", own)["input"] == [SYSTEM, *(said or [])]
