"""An answer put together is one object, with everything that was said and nothing that cannot be written down."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.interpret.assembled import as_object
from proxy.protocol import sse
from proxy.protocol.chat import assemble_events, assemble_whole
from tests.support.recorded import answer, events


def choices(name: str) -> list[dict[str, Any]]:
    found: Any = as_object(assemble_events(sse.decode(answer(name))))
    assert orjson.loads(orjson.dumps(found)) == found
    return list(found["choices"])


def test_each_choice_has_its_own_text_reason_and_logprobs() -> None:
    found = choices("openai_three_choices.sse")
    assert [(item["index"], item["content"], item["finish_reason"]) for item in found] == [
        (0, "A1", "stop"), (1, "B2", "length"), (2, "C", "content_filter"),
    ]  # fmt: skip
    assert [[part["token"] for part in item["logprobs"]["content"]] for item in found] == [
        ["A", "1"],
        ["B", "2"],
        ["C"],
    ]


def test_sound_is_told_by_its_size() -> None:
    (found,) = choices("openai_audio.sse")
    assert (found["transcript"], found["audio_bytes"], found["content"]) == ("Good day.", 15, None)


def test_a_refusal_is_one_and_brings_its_logprobs() -> None:
    parts = ({"refusal": word} for word in ("I can", "not."))
    logged = ({"content": None, "refusal": [{"token": word}]} for word in "ab")
    stream = events(
        *(
            {"choices": [{"index": 0, "delta": part, "logprobs": each}]}
            for part, each in zip(parts, logged, strict=True)
        )
    )
    found: Any = as_object(assemble_events(sse.decode(stream)))
    (choice,) = found["choices"]
    assert (choice["refusal"], choice["content"]) == ("I cannot.", None)
    assert choice["logprobs"] == {"refusal": [{"token": "a"}, {"token": "b"}]}


def test_whole_answers_and_legacy_ones_have_theirs() -> None:
    legacy = {"text": " upon", "logprobs": {"tokens": [" up", "on"], "token_logprobs": [None, -1.5]}, "index": 0}
    found: Any = as_object(assemble_whole({"id": "c", "model": "m", "choices": [legacy], "usage": {"total_tokens": 1}}))
    assert (found["id"], found["model"], found["usage"]) == ("c", "m", {"total_tokens": 1})
    assert found["choices"][0]["logprobs"] == {"tokens": [" up", "on"], "token_logprobs": [None, -1.5]}
    assert found["choices"][0]["content"] == " upon"


def test_where_nothing_was_answered_there_is_none() -> None:
    assert as_object(None) is None
    assert as_object(assemble_whole({"error": {"message": "no"}})) is None


ODD = st.text(st.characters(codec=None), max_size=5) | st.integers() | st.floats() | st.lists(st.integers(), max_size=2)


@pytest.mark.parametrize("place", ["content", "reasoning", "refusal", "tool_calls", "audio"])
@given(value=ODD, index=st.integers())
def test_whatever_came_can_be_written_down(place: str, value: object, index: int) -> None:
    inner = {"tool_calls": [{"id": value, "function": {"name": value, "arguments": value}}], "audio": {"data": value}}
    message = {place: inner.get(place, value)}
    whole = {"index": index, "message": message, "logprobs": {"content": [value]}, "finish_reason": value}
    assert orjson.dumps(as_object(assemble_whole({"id": value, "choices": [whole], "usage": {"n": value}})))
