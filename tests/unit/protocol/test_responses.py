"""A Responses answer is the terminal event's, else what the items and deltas had said when it broke off."""

from __future__ import annotations

import pytest

from proxy.protocol import sse
from proxy.protocol.assembly import Assembly
from proxy.protocol.responses import assemble_events, assemble_whole
from tests.support.recorded import answer, response_events

STREAM = answer("responses_stream.sse")
SAID = 'It is 5.\nadd({"a":2})'


def stream(data: bytes) -> Assembly:
    return assemble_events(sse.decode(data))


def until(event: str) -> bytes:
    return STREAM[: STREAM.index(b"event: " + event.encode())]


def test_the_terminal_event_is_the_answer() -> None:
    made = stream(STREAM)
    assert (made.output_text(), made.choices[0].reasoning) == (SAID, ["Adding"])
    assert (made.response_id, made.model, made.service_tier) == ("resp_1", "gpt-5.6-sol", "default")
    usage = made.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens) == (1000, 400, 500)
    assert (usage.output_tokens, usage.reasoning_tokens, usage.web_searches) == (300, 200, 2)
    assert (made.finish_reasons(), made.is_terminal, made.error) == (["tool_calls"], True, None)


def test_the_first_token_is_the_first_delta() -> None:
    end = stream(STREAM).first_token_end
    assert end is not None
    assert STREAM[:end].endswith(b'"delta":"Adding","sequence_number":3}\n\n')


def test_without_the_terminal_event_items_and_deltas_serve() -> None:
    made = stream(until("response.completed"))
    assert (made.output_text(), made.is_terminal, made.has_ended) == (SAID, False, False)
    cut = stream(STREAM[: STREAM.index(b'" 5."')].rpartition(b"event: ")[0])
    assert (cut.output_text(), cut.choices[0].reasoning) == ("It is", ["Adding"])
    started = until("response.output_item.done")
    assert stream(started).choices[0].reasoning == ["Adding"]
    partial = STREAM[: STREAM.index(b"event: response.function_call_arguments.delta")]
    assert stream(partial).output_text() == "It is 5.\nadd()"


def test_a_terminal_event_without_output_does_not_lose_the_deltas() -> None:
    bare = response_events({"type": "response.completed", "response": {"status": "completed", "output": []}})
    made = stream(until("response.completed") + bare)
    assert (made.output_text(), made.is_terminal) == (SAID, True)


@pytest.mark.parametrize(
    ("last", "message", "code"),
    [
        (
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "server_error", "message": "no"}},
            },
            "no",
            "server_error",
        ),
        ({"type": "response.failed", "response": {"status": "failed", "error": None}}, "the response failed", None),
        ({"type": "error", "code": "rate", "message": "slow", "param": None}, "slow", "rate"),
        ({"type": "error", "code": "x", "message": "y", "error": {"code": "x", "message": "y"}}, "y", "x"),
    ],
)
def test_errors(last: dict[str, object], message: str, code: str | None) -> None:
    made = stream(until("response.completed") + response_events(last))
    assert made.error is not None
    assert (made.error.message, made.error.code) == (message, code)
    assert made.output_text() == SAID


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter", "steered"])
def test_incomplete_answers_tell_why(reason: str) -> None:
    response: dict[str, object] = {
        "status": "incomplete",
        "incomplete_details": {"reason": reason},
        "error": None,
        "output": [],
    }
    made = stream(response_events({"type": "response.incomplete", "response": response}))
    assert (made.finish_reasons(), made.error, made.is_terminal) == ([reason], None, True)


def test_a_whole_answer_and_a_refusal() -> None:
    output = [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]
    made = assemble_whole({"id": "r", "status": "completed", "error": None, "output": output})
    assert (made.output_text(), made.finish_reasons(), made.error) == ("No.", ["completed"], None)


@pytest.mark.parametrize(
    "value", [None, 7, "x", [], {}, [None], {"output": 7}, {"usage": 7, "error": 7, "output": [{"content": 1}]}]
)
def test_odd_objects_do_not_raise(value: object) -> None:
    for kind in (
        "response.completed",
        "response.output_text.delta",
        "response.output_item.done",
        "response.created",
        "error",
    ):
        stream(
            response_events({"type": kind, "response": value, "delta": value, "item": value, "output_index": value})
        ).output_text()
    assemble_whole(value if isinstance(value, dict) else {})
