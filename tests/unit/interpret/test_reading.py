"""What is read follows what the answer is, not what was asked for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.domain.interaction import Entry
from proxy.domain.outcome import CostStatus, FinishKind, Outcome, UsageSource
from proxy.interpret.entry import interpret
from proxy.interpret.reading import Reading, read_answer
from proxy.pricing.cost import cost_of
from tests.support.recorded import SSE, chat_chunks, events, recorded, response_events

STREAM = chat_chunks({"content": "x"})


def read(*args: Any, **facts: Any) -> Entry:
    return interpret(recorded(*args, **facts), cost_of)


def row(*args: Any, **facts: Any) -> Any:
    return read(*args, **facts).interaction


def test_a_mislabelled_stream_is_read_as_one() -> None:
    reading = read_answer(recorded(STREAM, media="text/plain"))
    assert reading.is_stream
    assert reading.assembly is not None
    assert reading.assembly.output_text() == "x"


def test_a_whole_answer_to_a_stream_request() -> None:
    reading = read_answer(recorded(b'\n\n {"choices":[{"message":{"content":"x"}}]}', is_stream=True))
    assert (reading.is_stream, reading.first_token_ns) == (False, None)
    assert reading.assembly is not None
    assert reading.assembly.output_text() == "x"


def test_lines_that_were_not_asked_for_are_a_stream() -> None:
    lines = [b'{"message":{"content":"a"},"done":false}\n', b'{"done":true,"eval_count":1}\n']
    item = row(lines, media="application/x-ndjson", operation="ollama_chat")
    assert (item.is_stream, item.ttft_ms) == (True, 30)
    died = row(lines, media="application/x-ndjson", operation="ollama_chat", outcome=None)
    assert died.outcome is Outcome.COMPLETED
    assert not row(lines[1], operation="ollama_chat").is_stream


def test_the_first_token_arrives_with_the_piece_that_made_it_whole() -> None:
    assert read_answer(recorded([STREAM[:5], STREAM[5:]], media=SSE)).first_token_ns == 40_000_000


def test_what_cannot_be_read_is_told() -> None:
    assert read_answer(recorded(b"{", media="application/json")).decode_error == "the answer is no JSON"
    page = b"<html>Log in first</html>"
    assert read_answer(recorded(page, media="text/html")).decode_error == "the answer is no JSON"
    assert read_answer(recorded(page, media="text/html", status=502)).decode_error is None
    assert read_answer(recorded(b"x", headers=(("content-encoding", "snappy"),))).decode_error == "snappy: no decoder"
    assert read_answer(recorded(b"", media="application/json")).decode_error is None


@pytest.mark.parametrize(
    ("operation", "event"),
    [
        ("chat", b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}'),
        ("responses", b'data: {"type":"response.output_text.delta","delta":"hi"}'),
        ("messages", b'data: {"type":"content_block_delta","delta":{"text":"hi"}}'),
        ("llamacpp", b'data: {"content":"hi"}'),
        ("transcription", b'data: {"type":"transcript.text.delta","delta":"hi"}'),
    ],
)
def test_events_that_are_no_json_are_counted(operation: str, event: bytes) -> None:
    def told(*events: bytes, end: bytes = b"\n\n") -> Reading:
        return read_answer(recorded(b"\n\n".join(events) + end, operation=operation, media="text/event-stream"))

    spoilt = told(event, b"data: <html>", b"event: ping\ndata:", b"data: {broken", b"data: [DONE]")
    assert spoilt.decode_error == "not read, for they are no JSON: 2 events of the stream"
    assert spoilt.assembly is not None
    assert spoilt.assembly.output_text() == "hi"
    assert told(event, b": comment", b"data:", b"data: [DONE]").decode_error is None
    # Where the stream itself broke off, the outcome says so.
    assert told(event, b'data: {"choi', end=b"").decode_error is None


def test_lines_that_are_no_json_are_counted() -> None:
    def told(data: bytes) -> str | None:
        return read_answer(recorded(data, media="application/x-ndjson", operation="ollama_chat")).decode_error

    assert (
        told(b'{"done":false}\nnonsense\n{"done":true}\n') == "not read, for they are no JSON: 1 events of the stream"
    )
    assert told(b'{"done":false}\n\n{"done":') is None


def test_an_error_says_its_usage_and_reason_too() -> None:
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    last = {"id": "g", "model": "gpt-5.4", "error": {"code": 502, "message": "died"}, "choices": [choice]}
    counts = {"prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300}
    item = row(events({**last, "usage": counts}), media=SSE)
    assert (item.outcome, item.error_code, item.finish_kind) == (Outcome.UPSTREAM_ERROR, "502", FinishKind.ERROR)
    assert (item.model, item.output_tokens, item.cost_pico_usd) == ("gpt-5.4", 300, 7_000_000_000)


def test_one_object_under_the_label_of_a_stream() -> None:
    item = row(b'{"error":{"message":"no","code":"c"}}', media=SSE, status=400, outcome=Outcome.UPSTREAM_ERROR)
    assert (item.error_message, item.error_code) == ("no", "c")
    said = row(b'\n{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}', media=SSE, is_stream=True)
    assert (said.outcome, said.output_preview, said.is_stream) == (Outcome.COMPLETED, "hi", True)


def test_an_error_in_a_plain_sentence() -> None:
    facts: dict[str, Any] = {"media": "text/plain", "status": 503, "outcome": Outcome.UPSTREAM_ERROR}
    assert row(b"no healthy upstream\n", **facts).error_message == "no healthy upstream"
    assert (row(b" ", **facts).error_message, row(b"", **facts).error_message) == (None, None)
    assert row(b"1" * 9000 + b"x", **facts).error_message == "1" * 500


def test_what_cannot_be_decoded_is_said_so() -> None:
    label = (("content-encoding", "zstd"),)
    broken = row(b'{"choices":[]}', body=b"\x28\xb5\x2f\xfdno", request_headers=label)
    assert (broken.decode_error or "").startswith("request: zstd: ")
    assert (row(b'{"choices":[]}', headers=label).decode_error or "").startswith("zstd: ")
    assert row(b'{"choices":[]}').decode_error is None


@pytest.mark.parametrize("depth", [300, 980, 1000, 1010, 1020])
def test_deep_values_where_words_belong(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    assert row(b'{"error":{"message":%s}}' % deep, status=400, outcome=Outcome.UPSTREAM_ERROR).error_message
    assert row(b'{"detail":%s}' % deep, status=400, outcome=Outcome.UPSTREAM_ERROR).error_message
    assert row(b'{"choices":[],"usage":{"prompt_tokens":1,"x":%s}}' % deep).input_tokens == 1
    called = b'{"output":[{"type":"function_call","name":"f","arguments":%s}]}' % deep
    assert (read(called, operation="responses").output_text or "").startswith("f(")


def test_arguments_that_are_no_text_are_shown_as_json() -> None:
    called = {"output": [{"type": "function_call", "name": "f", "arguments": {"a": None, "b": True}}]}
    assert read(orjson.dumps(called), operation="responses").output_text == 'f({"a": null, "b": true})'


def test_custom_tools_have_their_names() -> None:
    tools = [{"type": "custom", "custom": {"name": "grep"}}, {"type": "web_search"}]
    assert row(b"{}", request={"tools": tools}).tool_names == ("grep", "web_search")
    called = {"status": "completed", "output": [{"type": "custom_tool_call", "name": "grep", "input": "foo"}]}
    item = row(orjson.dumps(called), operation="responses")
    assert (item.output_preview, item.finish_reason, item.finish_kind) == (
        "grep(foo)",
        "tool_calls",
        FinishKind.TOOL_CALL,
    )


def test_a_character_that_streams_in_two_halves() -> None:
    halves = chat_chunks({"content": "H"}, {"content": "L"})
    halves = halves.replace(b'"H"', b'"\\ud83d"').replace(b'"L"', b'"\\ude00"')
    assert read(halves, media=SSE).output_text == "\U0001f600"


def test_an_edited_image_is_priced_as_an_image() -> None:
    counts = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "input_tokens_details": {"text_tokens": 200, "image_tokens": 800},
    }
    body = orjson.dumps({"data": [], "usage": counts})
    item = row(body, operation="images", model="gpt-image-1", target="/v1/images/edits")
    assert (item.cost_status, item.cost_pico_usd) == (CostStatus.COMPUTED, 13_000_000_000)


def test_what_drew_beside_the_priced_model_makes_a_lower_bound() -> None:
    counts = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    plain = {"data": [], "usage": counts}
    facts: dict[str, Any] = {"operation": "images", "model": "gpt-image-1"}
    assert row(orjson.dumps(plain), **facts).cost_status is CostStatus.COMPUTED
    drawn = row(orjson.dumps({**plain, "svg_usage": counts}), **facts)
    assert drawn.cost_status is CostStatus.LOWER_BOUND


def test_what_runs_in_the_background_is_not_estimated() -> None:
    """Part of its tokens here would keep the whole from being counted by whoever reads its end."""
    created: dict[str, object] = {
        "type": "response.created",
        "response": {"id": "r", "status": "queued", "background": True},
    }
    delta: dict[str, object] = {"type": "response.output_text.delta", "delta": "half"}
    item = row(response_events(created, delta), media=SSE, operation="responses")
    assert (item.output_preview, item.output_tokens, item.usage_source) == ("half", None, UsageSource.NONE)


@pytest.mark.parametrize("start", [b": keep-alive\n\n", b"\xef\xbb\xbf", b""])
def test_events_under_a_wrong_label_are_known_by_how_they_begin(start: bytes) -> None:
    item = row(start + STREAM, media="text/plain", is_stream=True)
    assert (item.output_preview, item.is_stream, item.outcome) == ("x", True, Outcome.COMPLETED)


def test_reading_what_failed_is_no_failure_streamed_or_not() -> None:
    failed = {"id": "r", "status": "failed", "error": {"code": "server_error", "message": "broke"}, "output": []}
    event: dict[str, object] = {"type": "response.failed", "response": failed}
    for data, media in ((orjson.dumps(failed), "application/json"), (response_events(event), SSE)):
        read_again = row(data, media=media, operation="responses_read", method="GET")
        assert (read_again.outcome, read_again.error_code) == (Outcome.COMPLETED, None)
        assert row(data, media=media, operation="responses").outcome is Outcome.UPSTREAM_ERROR
    alone: dict[str, object] = {"type": "error", "code": "not_found", "message": "gone"}
    assert row(response_events(alone), media=SSE, operation="responses_read").outcome is Outcome.UPSTREAM_ERROR


def test_a_moderation_says_which_model_looked() -> None:
    body = {"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": [{"flagged": True}]}
    item = row(orjson.dumps(body), operation="moderations", request={"input": "hi"})
    assert (item.model, item.cost_status, item.input_preview) == (body["model"], CostStatus.FREE, "hi")
