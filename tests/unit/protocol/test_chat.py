"""Chat and legacy completions are put together as the model meant them, whatever dialect the chunks speak."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.outcome import UsageSource
from proxy.protocol import sse
from proxy.protocol.assembly import Assembly
from proxy.protocol.chat import assemble_events, assemble_whole
from tests.support.recorded import answer, chat_chunks, events


def stream(data: bytes) -> Assembly:
    return assemble_events(sse.decode(data))


def chunk(index: int, delta: object, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def tools(*deltas: dict[str, Any]) -> list[tuple[str | None, str | None, str]]:
    made = stream(chat_chunks(*({"tool_calls": [delta]} for delta in deltas)))
    return [(call.id, call.name, "".join(call.arguments)) for call in made.choices[0].tool_calls]


def test_a_plain_stream() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    made = stream(chat_chunks({"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}, usage=usage))
    assert (made.output_text(), made.finish_reasons(), made.is_terminal, made.has_ended) == (
        "Hello",
        ["stop"],
        True,
        True,
    )
    assert (made.response_id, made.model) == ("chatcmpl-1", "gpt-5.4-2026-03-05")
    assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.source) == (3, 2, UsageSource.REPORTED)


def test_the_first_token_is_the_first_event_with_content() -> None:
    before = b": hi\n\n" + events(chunk(0, {"role": "assistant", "content": ""}), {"choices": [], "model": "x"})
    first = events(chunk(0, {"reasoning": "hm"}))
    assert stream(before + first + chat_chunks({"content": "x"})).first_token_end == len(before + first)
    assert stream(before).first_token_end is None


def test_azure_odd_chunks() -> None:
    made = stream(answer("azure_stream.sse"))
    assert (made.response_id, made.model, made.fingerprint) == ("chatcmpl-az", "gpt-4o-2024-11-20", "fp_az")
    assert (made.output_text(), made.usage.input_tokens, made.usage.cached_tokens) == ("Hi", 9, 0)


def test_interleaved_choices() -> None:
    made = stream(
        events(
            *(chunk(index, {"content": word}) for word in "ab" for index in (2, 0, 1)),
            *(chunk(index, {}, reason) for index, reason in enumerate(["stop", "length", "content_filter"])),
        )
    )
    assert made.output_text() == "ab\n\nab\n\nab"
    assert made.finish_reasons() == ["stop", "length", "content_filter"]
    assert made.has_ended
    assert not made.is_terminal


def test_parallel_tool_calls_by_index() -> None:
    assert tools(
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": '{"y":1}'}},
        {"index": 1, "function": {"name": "g", "arguments": ":2}"}},
    ) == [("a", "f", '{"y":1}'), ("b", "g", '{"x":2}')]


def test_a_repeated_index_with_a_new_id_is_a_new_call() -> None:
    assert tools(
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}},
        {"index": 0, "id": "b", "function": {"name": "f", "arguments": "2"}},
        {"index": 0, "function": {"arguments": "3"}},
    ) == [("a", "f", "1"), ("b", "f", "23")]


@pytest.mark.parametrize("index", [{}, {"index": None}])
def test_without_an_index_the_id_or_the_last_call_decides(index: dict[str, Any]) -> None:
    assert tools(
        {**index, "id": "a", "function": {"name": "f", "arguments": "1"}},
        {**index, "function": {"arguments": "2"}},
        {**index, "function": {"name": "g", "arguments": "3"}},
        {**index, "id": "a", "function": {"arguments": "4"}},
    ) == [("a", "f", "124"), (None, "g", "3")]


def test_refusal_reasoning_audio_and_the_legacy_function() -> None:
    deltas: list[object] = [{"reasoning": "a", "reasoning_content": "a"}, {"refusal": "I can"}, {"refusal": "not"}]
    made = stream(chat_chunks(*deltas)).choices[0]
    assert (made.reasoning, "".join(made.refusal)) == (["a"], "I cannot")
    audio = stream(
        chat_chunks(
            {"audio": {"id": "x", "data": "AAAA"}}, {"audio": {"transcript": "said"}}, {"audio": {"expires_at": 1}}
        )
    )
    assert audio.output_text() == "said"
    legacy = stream(chat_chunks({"function_call": {"name": "f"}}, {"function_call": {"arguments": "{}"}}))
    assert legacy.output_text() == "f({})"
    assert stream(events({"choices": [{"index": 0, "text": "abc", "finish_reason": "length"}]})).output_text() == "abc"


def test_what_follows_the_marker_is_ignored_and_what_is_no_json_too() -> None:
    made = stream(b"data: {broken\n\ndata: 7\n\n" + chat_chunks({"content": "x"}) + chat_chunks({"content": "y"}))
    assert made.output_text() == "x"


def test_a_number_that_is_none_does_not_lose_the_chunk() -> None:
    odd = b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"},"logprobs":[-Infinity]}]}\n\n'
    assert stream(odd).output_text() == "\ud83d"


def test_usage_of_all_dialects() -> None:
    def counts(*chunks: object) -> tuple[int | None, int | None]:
        usage = stream(events(*chunks)).usage
        return usage.input_tokens, usage.output_tokens

    real = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    zeros = dict.fromkeys(real, 0)
    content = chunk(0, {"content": "x"})
    assert counts({**content, "usage": zeros}, {"choices": [], "usage": real}) == (5, 7)
    assert counts({**content, "usage": zeros}) == (None, None)
    assert counts({**content, "usage": real}) == (5, 7)
    assert counts({**content, "usage": {**real, "completion_tokens": 3}}, {"choices": [], "usage": real}) == (5, 7)
    assert counts(content, {"choices": [], "x_groq": {"usage": real}}) == (5, 7)
    assert counts({"choices": [], "usage": real}, {"choices": [], "usage": {"completion_tokens": 9}}) == (5, 9)
    assert counts({"choices": [], "usage": real}, {**content, "usage": None}) == (5, 7)
    assert counts(content, {"choices": [], "timings": {"prompt_n": 4, "cache_n": 6, "predicted_n": 3}}) == (10, 3)


def test_custom_tools() -> None:
    begun = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "grep", "input": ""}}
    made = stream(chat_chunks({"tool_calls": [begun]}, {"tool_calls": [{"index": 0, "custom": {"input": "foo"}}]}))
    whole = assemble_whole({"choices": [{"message": {"tool_calls": [{"custom": {"name": "grep", "input": "foo"}}]}}]})
    assert made.output_text() == whole.output_text() == "grep(foo)"
    assert made.first_token_end is not None


def test_arguments_that_are_an_object() -> None:
    call = {"function": {"name": "f", "arguments": {"a": None}}}
    assert assemble_whole({"choices": [{"message": {"tool_calls": [call]}}]}).output_text() == 'f({"a": null})'


def test_content_in_parts() -> None:
    thought = {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}
    said = {"content": [{"type": "text", "text": "Hello"}]}
    made = stream(chat_chunks(thought, said, {"content": " you"}))
    assert (made.output_text(), made.choices[0].reasoning) == ("Hello you", ["hm"])
    first = stream(chat_chunks(thought, finish=None, done=False))
    assert made.first_token_end == first.first_token_end is not None


def test_errors_in_a_stream() -> None:
    first = {"content": "x"}
    made = stream(chat_chunks(first, finish=None, done=False) + events({"error": {"message": "no", "code": 502}}))
    assert made.error is not None
    assert (made.output_text(), made.error.message, made.error.code) == ("x", "no", "502")
    flat = b'event: error\ndata: {"code":"server_error","message":"no","param":null}\n\ndata: [DONE]\n\n'
    for last in (flat, b"event: error\ndata: no\n\n", events([{"error": {"message": "no"}}])):
        made = stream(chat_chunks(first, finish=None, done=False) + last)
        assert made.error is not None
        assert (made.output_text(), made.error.message) == ("x", "no")
    ended = stream(chat_chunks(first, finish="error"))
    assert ended.error is not None
    assert ended.error.code == "finish_error"


def test_a_whole_answer() -> None:
    message = {
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        "tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": "{}"}},
            {"id": "2", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    made = assemble_whole(
        {"id": "c", "choices": [{"message": message, "finish_reason": "tool_calls"}], "service_tier": "flex"}
    )
    assert made.output_text() == "ab\nf({})\ng({})"
    assert (made.service_tier, made.finish_reasons(), made.first_token_end) == ("flex", ["tool_calls"], None)


_NAMES = [
    "choices",
    "delta",
    "message",
    "content",
    "tool_calls",
    "function",
    "index",
    "usage",
    "audio",
    "error",
    "function_call",
    "x_groq",
    "timings",
    "prompt_tokens_details",
    "id",
    "name",
    "text",
]
_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["choices", "usage", "error", "timings", "x_groq", "id", "model"]), _JUNK))
def test_nothing_a_provider_sends_raises(values: dict[str, Any]) -> None:
    assemble_whole(values).output_text()
    stream(events(values)).output_text()


def test_the_same_index_for_every_call_still_tells_them_apart() -> None:
    """Gemini numbers each call 0, gives empty ids, and sends each of them whole."""
    calls = [
        {"index": 0, "id": "", "function": {"name": name, "arguments": arguments}}
        for name, arguments in (("look", '{"a":1}'), ("look", '{"a":2}'), ("note", "{}"))
    ]
    assert tools(*calls) == [(None, "look", '{"a":1}'), (None, "look", '{"a":2}'), (None, "note", "{}")]


def test_a_name_that_is_repeated_while_its_arguments_come_is_one_call() -> None:
    parts = [{"index": 0, "function": {"name": "look", "arguments": part}} for part in ('{"a"', ":1", "}")]
    assert tools(*parts) == [(None, "look", '{"a":1}')]


def test_an_error_that_stands_in_a_choice() -> None:
    error = {"code": 502, "message": "Upstream broke off"}
    made = stream(events({"choices": [{"index": 0, "delta": {"content": "half"}, "error": error}]}))
    whole = assemble_whole({"choices": [{"message": {"content": "half"}, "error": error, "finish_reason": "error"}]})
    for found in (made, whole):
        assert found.error is not None
        assert (found.error.message, found.error.code) == ("Upstream broke off", "502")


def _calls(index: int | None, identity: bool, name: str | None) -> Callable[[int], object]:
    def delta(number: int) -> object:
        call: dict[str, Any] = {"function": {"name": name, "arguments": "{}"}}
        call |= {"id": str(number)} if identity else {}
        return {"tool_calls": [call | ({"index": index} if index is not None else {})]}

    return delta


@pytest.mark.parametrize(
    "member",
    [
        lambda number: {"choices": [{"delta": _calls(None, True, None)(number)}]},
        lambda number: {"choices": [{"delta": _calls(0, True, "a")(number)}]},
        lambda number: {"choices": [{"delta": _calls(0, False, "a")(number)}]},
        lambda number: {"choices": [], "usage": {str(number): number}},
    ],
    ids=["ids", "ids of one index", "names of one index", "usage that grows"],
)
def test_no_stream_takes_quadratic_time(member: Callable[[int], object]) -> None:
    data = events(*(member(number) for number in range(60_000)))
    before = time.process_time()
    stream(data)
    assert time.process_time() - before < 10
