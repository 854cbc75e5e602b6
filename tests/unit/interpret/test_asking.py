"""The newest user turn and the parameters are found in every form of request."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.interpret.asking import deployment_of, newest_turn, read_request
from tests.support.forms import HEADER, field, file, form
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


FORM_HEADERS = (("content-type", HEADER.partition(": ")[2]),)


def test_a_form_is_read_like_an_object() -> None:
    body = form(
        field("temperature", "0.5"), field("prompt", "spell it well"), field("model", "whisper-1"),
        file("file", "a.mp3", "audio/mpeg", b"12345"),
    )  # fmt: skip
    found = read_request(recorded(body=body, request_headers=FORM_HEADERS))
    assert (found.model, found.temperature, found.input_text) == ("whisper-1", 0.5, "spell it well")
    assert [(item.filename, item.size) for item in found.files] == [("a.mp3", 5)]
    assert found.decode_error is None


def test_a_form_without_a_prompt_is_told_by_its_files() -> None:
    body = form(file("image[]", "a.png", "image/png", b"1"), file("image[]", "b.png", "image/png", b"22"))
    found = read_request(recorded(body=body, request_headers=FORM_HEADERS))
    assert found.input_text == "a.png (image/png, 1 bytes)\nb.png (image/png, 2 bytes)"


def test_a_form_that_breaks_off_is_told() -> None:
    body = form(field("model", "m"))[:-5]
    found = read_request(recorded(body=body, request_headers=FORM_HEADERS))
    assert found.decode_error == "request: the form was read only in part"


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/azure/openai/deployments/my%20gpt/chat/completions?api-version=1", "my gpt"),
        ("/openai/deployments/d/images/generations", "d"),
        ("/v1/deployments/d", None),
        ("/v1/x?y=/openai/deployments/d/", None),
    ],
)
def test_a_deployment_stands_for_the_model(target: str, name: str | None) -> None:
    assert deployment_of(target) == name
    assert read_request(recorded(body=b'{"messages":[]}', target=target)).model == name
    assert read_request(recorded(body=b"opaque", target=target)).model == name
