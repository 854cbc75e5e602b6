"""A recorded call becomes a row that tells the truth, whatever was sent and however it ended."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.interaction import Entry
from proxy.domain.outcome import CostStatus, FinishKind, Outcome, UsageSource
from proxy.domain.recording import Piece, RecordedCall
from proxy.interpret.entry import interpret
from proxy.pricing.cost import cost_of
from tests.support.recorded import SSE, answer, chat_chunks, cut_up, events, recorded, response_events

USAGE = {"prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300}
ASKED = {
    "model": "gpt-5.4",
    "stream": True,
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "What is this in English please?"},
    ],
    "temperature": 0.5,
    "top_p": 0.9,
    "max_completion_tokens": 50,
    "tools": [{"type": "function", "function": {"name": "add"}}, {"type": "web_search"}],
    "user": "u-1",
}
STREAM = chat_chunks({"role": "assistant", "content": ""}, {"content": "Hello"}, {"content": " you"}, usage=USAGE)


def read(call: RecordedCall) -> Entry:
    entry = interpret(call, cost_of)
    # What the store will do with it must be possible.
    orjson.dumps(entry.interaction.usage_raw)
    for value in (entry.input_text, entry.output_text, entry.interaction.error_message, *entry.interaction.tool_names):
        assert value is None or ("\0" not in value and value.encode() is not None)
    return entry


def row(*args: Any, **facts: Any) -> Any:
    return read(recorded(*args, **facts)).interaction


def test_a_streamed_chat_call() -> None:
    entry = read(recorded(cut_up(STREAM, 100), request=ASKED, media=SSE, model="gpt-5.4", is_stream=True))
    item = entry.interaction
    assert (item.outcome, item.success, item.http_status) == (Outcome.COMPLETED, True, 200)
    assert (item.model_requested, item.model) == ("gpt-5.4", "gpt-5.4-2026-03-05")
    assert (item.temperature, item.top_p, item.max_tokens, item.tool_names) == (0.5, 0.9, 50, ("add", "web_search"))
    assert (item.input_tokens, item.output_tokens, item.usage_source) == (1000, 300, UsageSource.REPORTED)
    assert (item.finish_reason, item.finish_kind, item.is_stream) == ("stop", FinishKind.STOP, True)
    assert (item.cost_status, item.cost_pico_usd) == (CostStatus.COMPUTED, 7_000_000_000)
    assert entry.price is not None
    assert item.price_id == entry.price.id
    assert (entry.input_text, entry.output_text) == ("What is this in English please?", "Hello you")
    assert (item.input_preview, item.output_preview, item.output_length) == (entry.input_text, "Hello you", 9)
    assert (item.input_language, item.user_id, item.provider_request_id) == ("en", "u-1", "chatcmpl-1")
    assert entry.response is not None
    assert entry.response.content == STREAM
    assert [length for _, length in entry.response.timings] == [len(part) for part in cut_up(STREAM, 100)]
    assert entry.response.timings[1][0] == 10_000


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_the_cut_of_the_pieces_changes_nothing_but_the_times(size: int) -> None:
    pieces = cut_up(STREAM, size)
    entry = read(recorded(pieces, request=ASKED, media=SSE))
    assert entry.output_text == "Hello you"
    place = STREAM.index(b'"Hello"') + len(b'"Hello"},"finish_reason":null}]}\n\n')
    number = -(-place // size)
    assert entry.interaction.ttft_ms == 20 + 10 * number


def test_a_whole_answer_has_no_first_token() -> None:
    body = orjson.dumps(
        {"model": "gpt-5.4", "choices": [{"message": {"content": "Hi"}, "finish_reason": "length"}], "usage": USAGE}
    )
    item = row(body, request={**ASKED, "stream": False})
    assert (item.ttft_ms, item.finish_kind, item.output_preview) == (None, FinishKind.TRUNCATED, "Hi")


def test_a_responses_stream_and_its_fees() -> None:
    entry = read(
        recorded(answer("responses_stream.sse"), media=SSE, operation="responses", request={"input": "2 + 3?"})
    )
    item = entry.interaction
    assert (entry.input_text, entry.output_text) == ("2 + 3?", 'It is 5.\nadd({"a":2})')
    assert (item.finish_kind, item.service_tier, item.reasoning_tokens) == (FinishKind.TOOL_CALL, "default", 200)
    assert item.cost_pico_usd == 9_060_000_000 + 20_000_000_000


@pytest.mark.parametrize(
    ("stream", "outcome", "code"),
    [
        (chat_chunks({"content": "x"}), Outcome.COMPLETED, None),
        (chat_chunks({"content": "x"}, done=False), Outcome.COMPLETED, None),
        (chat_chunks({"content": "x"}, finish=None), Outcome.COMPLETED, None),
        (chat_chunks({"content": "x"}, finish=None, done=False), Outcome.UPSTREAM_ABORTED, "answer_incomplete"),
        (b"", Outcome.UPSTREAM_ABORTED, "answer_incomplete"),
        (chat_chunks({"content": "x"}, finish="error"), Outcome.UPSTREAM_ERROR, "finish_error"),
        (events({"error": {"message": "no", "code": 500}}) + b"data: [DONE]\n\n", Outcome.UPSTREAM_ERROR, "500"),
    ],
)
def test_what_the_stream_itself_says_about_its_end(stream: bytes, outcome: Outcome, code: str | None) -> None:
    item = row(stream, media=SSE)
    assert (item.outcome, item.error_code, item.http_status) == (outcome, code, 200)
    assert item.success is (outcome is Outcome.COMPLETED)


def test_what_was_not_kept_proves_nothing() -> None:
    assert (
        row(chat_chunks({"content": "x"}, finish=None, done=False), media=SSE, lost_bytes=9).outcome
        is Outcome.COMPLETED
    )


@pytest.mark.parametrize(
    "body",
    [{"error": {"message": "no", "type": "t", "code": None}}, {"error": "no"}, {"object": "error", "message": "no"}],
)
def test_an_error_inside_a_200(body: dict[str, object]) -> None:
    item = row(orjson.dumps(body))
    assert (item.outcome, item.error_message, item.http_status) == (Outcome.UPSTREAM_ERROR, "no", 200)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"no"}}', "no"),
        (b'[{"error":{"message":"no"}}]', "no"),
        (b'{"message":"no"}', "no"),
        (b'{"detail":[{"msg":"no"}]}', '[{"msg": "no"}]'),
        (b"<html>no</html>", None),
        (b"", None),
        (b"null", None),
        (orjson.dumps({"error": {"message": "x" * 9000}}), "x" * 500),
    ],
)
def test_error_answers_of_all_shapes(body: bytes, message: str | None) -> None:
    item = row(body, status=500, outcome=Outcome.UPSTREAM_ERROR)
    assert (item.error_message, item.cost_pico_usd, item.cost_status) == (message, 0, CostStatus.FREE)


def test_a_job_that_failed_was_read_without_a_failure() -> None:
    body = orjson.dumps({"id": "ftjob-1", "object": "fine_tuning.job", "error": {"message": "bad file"}})
    assert row(body, operation="fine_tuning", method="GET").outcome is Outcome.COMPLETED


def test_an_answer_that_may_be_read_again_has_a_name() -> None:
    stream = answer("responses_stream.sse")
    made = read(recorded(stream, media=SSE, operation="responses"))
    again = read(recorded(stream, media=SSE, operation="responses_read", method="GET"))
    assert made.answer_id is not None
    assert (again.answer_id, again.repeats, made.repeats) == (made.answer_id, True, False)
    assert read(recorded(STREAM, media=SSE)).answer_id is None


def test_an_answer_that_is_still_to_come_has_no_counts_yet() -> None:
    waiting: dict[str, object] = {
        "id": "resp_1",
        "object": "response",
        "status": "queued",
        "usage": None,
        "error": None,
        "output": [],
    }
    for operation in ("responses", "responses_read"):
        item = row(orjson.dumps(waiting), operation=operation)
        assert (item.outcome, item.output_tokens, item.usage_source) == (Outcome.COMPLETED, None, UsageSource.NONE)


@pytest.mark.parametrize(
    ("data", "media", "outcome"),
    [
        (STREAM, SSE, Outcome.COMPLETED),
        (answer("responses_stream.sse"), SSE, Outcome.INTERRUPTED),
        (STREAM[:-20], SSE, Outcome.INTERRUPTED),
        (b'{"choices":[]}', "application/json", Outcome.INTERRUPTED),
        (b"", SSE, Outcome.INTERRUPTED),
    ],
)
def test_a_call_whose_gateway_died(data: bytes, media: str, outcome: Outcome) -> None:
    item = row(data, media=media, outcome=None)
    assert (item.outcome, item.completed_at, item.duration_ms) == (outcome, None, None)


def test_a_responses_call_whose_terminal_event_was_kept_is_whole() -> None:
    assert (
        row(answer("responses_stream.sse"), media=SSE, outcome=None, operation="responses").outcome is Outcome.COMPLETED
    )


def test_a_client_that_left_pays_at_least_for_what_it_saw() -> None:
    cut = chat_chunks({"content": "twelve chars"}, finish=None, done=False)
    item = row(cut, media=SSE, outcome=Outcome.CLIENT_GONE)
    assert (item.outcome, item.output_tokens, item.usage_source) == (
        Outcome.CLIENT_GONE,
        3,
        UsageSource.ESTIMATED_CHARS,
    )
    assert (item.cost_status, item.cost_pico_usd) == (CostStatus.LOWER_BOUND, 45_000_000)
    assert (item.input_tokens, item.input_cost_pico_usd) == (None, None)


def test_without_usage_the_visible_output_is_estimated() -> None:
    item = row(chat_chunks({"content": "abcde"}), media=SSE)
    assert (item.output_tokens, item.usage_source, item.cost_status) == (
        2,
        UsageSource.ESTIMATED_CHARS,
        CostStatus.LOWER_BOUND,
    )
    assert row(chat_chunks({}), media=SSE).usage_source is UsageSource.NONE


def test_the_billed_tier_is_the_answer_s() -> None:
    body = {"model": "gpt-5", "service_tier": "priority", "choices": [{"message": {"content": "x"}}], "usage": USAGE}
    entry = read(recorded(orjson.dumps(body), request={"service_tier": "fast"}))
    assert entry.price is not None
    assert (entry.interaction.service_tier, entry.price.tier) == ("priority", "priority")


def test_compressed_both_ways() -> None:
    headers = (("content-encoding", "gzip"),)
    entry = read(
        recorded(
            gzip.compress(STREAM),
            body=gzip.compress(orjson.dumps(ASKED)),
            media=SSE,
            headers=headers,
            request_headers=headers,
        )
    )
    assert (entry.input_text, entry.output_text) == ("What is this in English please?", "Hello you")
    assert entry.interaction.ttft_ms is None
    broken = row(b"no gzip", media=SSE, headers=headers)
    assert broken.outcome is Outcome.COMPLETED
    assert broken.decode_error.startswith("gzip: ")


def test_ollama_s_own_stream() -> None:
    item = row(
        cut_up(answer("ollama_chat.ndjson"), 90),
        media="application/x-ndjson",
        operation="ollama_chat",
        provider_kind="ollama",
    )
    assert (item.finish_kind, item.output_tokens, item.cost_status) == (FinishKind.TRUNCATED, 2, CostStatus.LOCAL)
    assert item.ttft_ms == 40


def test_texts_and_objects_that_no_database_takes() -> None:
    chunks = b'data: {"model":"m\\u0000","choices":[{"index":0,'
    chunks += b'"delta":{"content":"a\\u0000\\ud83d"},"finish_reason":"\\ud83d"}],'
    chunks += b'"usage":{"prompt_tokens":1,"completion_tokens":1,"odd":"\\ud83d","big":' + b"9" * 30 + b"}}\n\n"
    body = b'{"model":"\\ud83d","messages":[{"role":"user","content":"x\\u0000\\ud83d"}],'
    body += b'"tools":[{"name":"t\\u0000\\ud83d"}],"temperature":1e400}'
    entry = read(recorded(chunks, body=body, media=SSE))
    assert entry.output_text == "a\ufffd\ufffd"
    assert (entry.interaction.model, entry.interaction.temperature) == ("m\ufffd", None)
    assert entry.interaction.usage_raw is not None


def test_a_call_without_an_answer() -> None:
    call = replace(recorded(outcome=Outcome.TIMED_OUT), head=None)
    item = read(call).interaction
    assert (item.outcome, item.cost_status, item.cost_pico_usd) == (Outcome.TIMED_OUT, CostStatus.UNPRICED, None)


_OPERATIONS = [
    "chat",
    "completions",
    "responses",
    "ollama_chat",
    "embeddings",
    "transcription",
    "responses_read",
    "other",
]
_PARTS = [
    *cut_up(STREAM, 40),
    *cut_up(answer("responses_stream.sse"), 60),
    *cut_up(answer("ollama_chat.ndjson"), 40),
    *(b"\xff\x00", b"\n\n", b"{", b"}", b"[", b"data: ", b'{"error":7}', response_events({"type": "error"})),
]
_CALLS = st.fixed_dictionaries(
    {
        "pieces": st.lists(st.sampled_from(_PARTS) | st.binary(max_size=30), max_size=12),
        "body": st.binary(max_size=60) | st.just(orjson.dumps(ASKED)),
        "media": st.sampled_from([SSE, "application/json", "", "application/x-ndjson", "text/plain"]),
        "operation": st.sampled_from(_OPERATIONS),
        "outcome": st.sampled_from([*Outcome, None]),
        "status": st.sampled_from([200, 400, 500]),
        "headers": st.sampled_from([(), (("content-encoding", "gzip"),), (("content-encoding", "zstd"),)]),
    }
)


@given(_CALLS)
def test_nothing_raises(facts: dict[str, Any]) -> None:
    item = row(**facts)
    times = (item.duration_ms, item.ttft_ms, item.upstream_ms, item.overhead_ms, item.cost_pico_usd)
    assert all(value is None or value >= 0 for value in times)


def test_pieces_with_equal_times_are_fine() -> None:
    call = recorded(STREAM, media=SSE)
    entry = read(replace(call, pieces=(Piece(5, STREAM[:50]), Piece(5, STREAM[50:]))))
    assert entry.response is not None
    assert entry.response.timings == ((0, 50), (0, len(STREAM) - 50))
