"""Answers of every kind: the client gets the bytes, the row says what they were (sections B to H of the cases).

The shapes that providers document are in ``test_shapes``; here is what is about framing, labels and endings.
"""

from __future__ import annotations

import json

import openai
import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.forms import HEADER, field, file, form
from tests.support.raw_http import RawClient, exchange, request
from tests.support.recorded import answer, response_events
from tests.support.scenarios import DONE, JSON, PLAIN, SSE, STREAM, answers, ask, chunk, put, streams
from tests.support.scripted_upstream import ScriptedUpstream, Turn, in_thread
from tests.support.waiting import wait_until

TEXT = b"Content-Type: text/plain; charset=utf-8"
FORM = form(field("model", "whisper-1"), file("file", "a.mp3", "audio/mpeg", b"ID3"))
WORDS = (chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo", finish_reason="stop"))


# -- labels, status, bodies that are no JSON ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "label"),
    [
        (b"Good day.\n", TEXT),
        (b"1\n00:00:00,000 --> 00:00:01,000\nGood day.\n", b"Content-Type: text/plain"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\nGood day.\n", b"Content-Type: text/vtt"),
    ],
)
def test_a_transcript_is_the_text_it_is(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, body: bytes, label: bytes
) -> None:
    upstream.scenario = answers(body, label)
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n{HEADER}\r\nContent-Length: {len(FORM)}\r\n\r\n"
    )
    reply = exchange(dashcam.port, head.encode() + FORM)
    assert (reply.body, reply.header("content-type")) == (body, label.partition(b": ")[2].decode())
    row = dashcam.row(id=reply.header("x-dashcam-id"))
    assert row["output_preview"] == " ".join(body.decode().split())
    assert (row["usage_source"], row["model_requested"]) == ("none", "whisper-1")


def test_five_megabytes_of_sound_arrive_as_they_come(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    sound = bytes(range(256)) * 20_000

    async def scenario(turn: Turn) -> None:
        await turn.head(b"Content-Type: application/octet-stream", b"Transfer-Encoding: chunked")
        for start in range(0, len(sound), 65_536):
            await turn.chunk(sound[start : start + 65_536])
        await turn.chunk(b"")

    asked = b'{"model":"tts-1","input":"hi","voice":"alloy"}'
    reply, row = put(dashcam, upstream, scenario, "/v1/audio/speech", asked)
    assert reply.body == sound
    assert (row["operation"], row["outcome"], row["usage_source"]) == ("speech", "completed", "none")
    assert (row["response_bytes"], row["input_preview"], row["decode_error"]) == (len(sound), "hi", None)
    assert row["ttft_ms"] is None


def test_a_redirect_is_passed_on_and_not_followed(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    before = len(upstream.requests)
    reply, row = put(
        dashcam, upstream, answers(b"", b"Location: /v2/x", status=b"307 Temporary Redirect"), "/v1/models/x"
    )
    assert (reply.status, reply.header("location"), len(upstream.requests) - before) == (307, "/v2/x", 1)
    assert row["http_status"] == 307


def test_an_error_page_is_passed_on_as_it_is(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    page = b"<html><title>500</title></html>"
    scenario = answers(page, b"Content-Type: text/html", status=b"500 Internal Server Error")
    reply, row = ask(dashcam, upstream, scenario, PLAIN)
    assert (reply.status, reply.body, reply.header("content-type")) == (500, page, "text/html")
    assert (row["outcome"], row["http_status"], row["decode_error"]) == ("upstream_error", 500, None)


ERRORS = {
    400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError,
    404: openai.NotFoundError, 409: openai.ConflictError, 422: openai.UnprocessableEntityError,
    429: openai.RateLimitError, 500: openai.InternalServerError, 503: openai.InternalServerError,
}  # fmt: skip


@pytest.mark.parametrize("status", ERRORS)
def test_the_client_raises_what_it_raises_directly(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream, status: int
) -> None:
    body = {"error": {"message": f"no {status}", "type": "t", "param": None, "code": f"c{status}"}}
    upstream.scenario = answers(json.dumps(body).encode(), JSON, b"x-request-id: req_9", status=b"%d Whatever" % status)
    caught = []
    with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="k", max_retries=0) as direct:
        for asking in (direct, client):
            with pytest.raises(openai.APIStatusError) as raised:
                asking.chat.completions.create(model="gpt-4o", messages=[])
            caught.append(raised.value)
    facts = [(type(error), error.code, error.type, error.request_id, error.message) for error in caught]
    assert facts[0] == facts[1]
    assert facts[0][0] is ERRORS[status]
    row = dashcam.row(id=caught[1].response.headers["x-dashcam-id"])
    assert (row["outcome"], row["error_code"], row["http_status"]) == ("upstream_error", f"c{status}", status)


# -- events ---------------------------------------------------------------------------------------------------

ODD_STREAMS: dict[str, tuple[bytes, str]] = {
    "crlf": ((b"".join(WORDS) + DONE).replace(b"\n", b"\r\n"), "Hello"),
    "cr": ((b"".join(WORDS) + DONE).replace(b"\n", b"\r"), "Hello"),
    "comments": (b": OPENROUTER PROCESSING\n\n:\n\n" + b": keep-alive\n\n".join(WORDS) + DONE, "Hello"),
    "no space": ((b"".join(WORDS) + DONE).replace(b"data: ", b"data:"), "Hello"),
    "no done": (b"".join(WORDS), "Hello"),
    "byte-order mark": (b"\xef\xbb\xbf" + chunk(content="First ") + b"".join(WORDS) + DONE, "First Hello"),
    "data behind done": (b"".join(WORDS) + DONE + chunk(content="ignored"), "Hello"),
    "ping": (b"event: ping\n\n" + WORDS[0] + b"event: ping\ndata:\n\n" + b"".join(WORDS[1:]) + DONE, "Hello"),
    "ids": (b"id: 7\nretry: 10\n" + b"".join(WORDS) + DONE, "Hello"),
    "no number": (chunk(content="x").replace(b'"created": 1', b'"created": NaN') + b"".join(WORDS) + DONE, "xHello"),
    "too large": (chunk(content="x").replace(b'"created": 1', b'"created": 1e400') + b"".join(WORDS) + DONE, "xHello"),
    "separators": (chunk(content="a\u2028b\x85c") + b"".join(WORDS) + DONE, "a\u2028b\x85cHello"),
    "cut character": ((chunk(content="ü") + b"".join(WORDS) + DONE).replace(b"\\u00fc", "ü".encode()), "üHello"),
}


@pytest.mark.parametrize(("stream", "said"), ODD_STREAMS.values(), ids=ODD_STREAMS)
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["byte by byte", "at once"])
def test_an_odd_stream_passes_and_is_understood(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, stream: bytes, said: str, size: int
) -> None:
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    reply, row = ask(dashcam, upstream, streams(*pieces), STREAM)
    assert (reply.body, reply.is_whole) == (stream, True)
    assert (row["outcome"], row["finish_reason"], row["decode_error"]) == ("completed", "stop", None)
    (text,) = dashcam.query("select output_text from interaction_text where interaction_id = ?", row["id"])
    assert text["output_text"] == said
    assert dashcam.body(row["id"], "response") == stream


def test_a_comment_is_no_first_token(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.head(*SSE)
        await turn.chunk(b": keep-alive\n\n" + WORDS[0])
        await turn.released()
        await turn.chunk(b"".join(WORDS[1:]) + DONE)
        await turn.chunk(b"")

    upstream.gate.clear()
    upstream.scenario = scenario
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="k", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=[], stream=True, stream_options={"include_usage": True}
        )
        next(stream)
        upstream.release()
        list(stream)
    row = dashcam.row(id=stream.response.headers["x-dashcam-id"])
    (attempt,) = dashcam.query("select first_byte_ms from attempt where interaction_id = ?", row["id"])
    assert row["ttft_ms"] > attempt["first_byte_ms"]


FIRST_TOKENS = {
    "text": {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "x"},
    "reasoning": {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "x"},
    "function": {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "f", "delta": "{"},
    "refusal": {"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": "x"},
}


@pytest.mark.parametrize("token", FIRST_TOKENS.values(), ids=FIRST_TOKENS)
def test_a_response_that_is_created_is_no_first_token(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream, token: dict[str, object]
) -> None:
    response: dict[str, object] = {"id": "resp_t", "object": "response", "model": "m", "output": [], "error": None}
    last = {**response, "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}
    created, delta, completed = (
        event + b"\n\n"
        for event in response_events(
            {"type": "response.created", "response": response}, token, {"type": "response.completed", "response": last}
        ).split(b"\n\n")[:3]
    )

    async def scenario(turn: Turn) -> None:
        await turn.head(*SSE)
        await turn.chunk(created)
        await turn.released()
        await turn.chunk(delta + completed)
        await turn.chunk(b"")

    upstream.gate.clear()
    upstream.scenario = scenario
    stream = client.responses.create(model="m", input="hi", stream=True)
    next(stream)
    upstream.release()
    list(stream)
    row = dashcam.row(id=stream.response.headers["x-dashcam-id"])
    (attempt,) = dashcam.query("select first_byte_ms from attempt where interaction_id = ?", row["id"])
    assert row["ttft_ms"] > attempt["first_byte_ms"]
    assert (row["outcome"], row["output_tokens"]) == ("completed", 1)


def test_an_event_of_8_mb_passes(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    picture = {"type": "image_generation.partial_image", "b64_json": "A" * 8_000_000, "partial_image_index": 0}
    last = {"type": "image_generation.completed", "usage": {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14}}
    stream = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in (picture, last))
    reply, row = put(dashcam, upstream, streams(stream[:70_000], stream[70_000:]), "/v1/images/generations")
    assert reply.body == stream
    assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("completed", 5, 9)


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/responses", "/v1/audio/transcriptions", "/v1/threads/runs"]
)
def test_a_stream_that_ends_cleanly_too_early_is_told(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, path: str
) -> None:
    shapes = {
        "/v1/chat/completions": WORDS[1],
        "/v1/responses": answer("responses_text.sse")[:2000],
        "/v1/audio/transcriptions": b'data: {"type":"transcript.text.delta","delta":"Hel"}\n\n',
        "/v1/threads/runs": answer("thread_run.sse").partition(b"event: thread.message.completed")[0],
    }
    reply, row = put(dashcam, upstream, streams(shapes[path]), path, STREAM)
    assert reply.body == shapes[path]
    assert (row["outcome"], row["error_code"]) == ("upstream_aborted", "answer_incomplete")


def test_who_leaves_in_mid_stream_pays_for_what_was_seen_at_least(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.head(*SSE)
        await turn.chunk(WORDS[1])
        await turn.client_closed()
        upstream.release()

    upstream.gate.clear()
    upstream.scenario = scenario
    with RawClient(dashcam.port) as leaving:
        leaving.send(request(PLAIN[:-1] + b',"stream":true}'))
        while b"Hel" not in leaving.read_line():
            pass
    wait_until(upstream.gate.is_set, "the upstream is free", seconds=1)
    row = wait_until(lambda: dashcam.rows()[-1:], "it is on record")[0]
    assert (row["outcome"], row["output_preview"], row["usage_source"]) == ("client_gone", "Hel", "estimated:chars")
    assert (row["cost_status"], row["input_tokens"], row["output_tokens"]) == ("lower_bound", None, 1)
    assert row["cost_pico_usd"] > 0


# -- chat -----------------------------------------------------------------------------------------------------


def test_the_model_and_the_tier_that_answered_are_on_record(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    whole = {
        "model": "gpt-5-2025-08-07", "service_tier": "priority", "choices": [
            {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
                  "prompt_tokens_details": None, "brand_new_details": {"x": 1}},
    }  # fmt: skip
    asked = b'{"model":"gpt-5","service_tier":"fast","messages":[]}'
    _, row = ask(dashcam, upstream, answers(json.dumps(whole).encode(), JSON), asked)
    assert (row["model_requested"], row["model"]) == ("gpt-5", "gpt-5-2025-08-07")
    assert row["service_tier"] == "priority"
    assert json.loads(row["usage_raw"])["brand_new_details"] == {"x": 1}


def test_where_nobody_asks_for_usage_it_is_estimated_and_labelled(start_dashcam: Starter) -> None:
    with in_thread(ScriptedUpstream()) as upstream:
        dashcam = start_dashcam("--upstream", f"custom={upstream.url}/v1")
        sent = b'{"model":"m","stream":true,"messages":[]}'
        _, row = ask(dashcam, upstream, streams(*WORDS, DONE), sent)
        assert upstream.requests[-1].body == sent
        assert (row["usage_source"], row["input_tokens"], row["output_tokens"]) == ("estimated:chars", None, 2)
        assert row["request_modified"] == 0


# -- responses ------------------------------------------------------------------------------------------------


def test_a_lone_error_event_is_an_upstream_error(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    stream = response_events(
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        {"type": "error", "code": "rate_limit", "message": "too fast", "param": None},
    )
    reply, row = put(dashcam, upstream, streams(stream), "/v1/responses", STREAM)
    assert reply.body == stream
    assert (row["outcome"], row["error_code"], row["error_message"]) == ("upstream_error", "rate_limit", "too fast")
    assert row["http_status"] == 200


def test_deltas_serve_where_the_terminal_event_is_missing(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    stream = answer("responses_text.sse").partition(b"event: response.completed")[0]
    _, row = put(dashcam, upstream, streams(stream), "/v1/responses", STREAM)
    assert (row["output_preview"], row["outcome"]) == ("It is five.", "upstream_aborted")


def test_an_event_that_nobody_knows_yet_passes(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    before, name, after = answer("responses_text.sse").partition(b"event: response.in_progress")
    stream = before + b'event: response.dreams\ndata: {"type":"response.dreams"}\n\n' + name + after
    reply, row = put(dashcam, upstream, streams(stream), "/v1/responses", STREAM)
    assert (reply.body, row["output_preview"], row["outcome"]) == (stream, "It is five.", "completed")
    assert dashcam.body(row["id"], "response") == stream


def test_hosted_searches_and_an_earlier_answer(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    whole: dict[str, object] = {
        "id": "resp_2", "object": "response", "status": "completed", "model": "gpt-5.4", "output": [],
        "usage": {"input_tokens": 50, "output_tokens": 5, "total_tokens": 55},
        "tool_usage": {"web_search": {"num_requests": 2}}, "previous_response_id": "resp_1",
    }  # fmt: skip
    asked = b'{"model":"gpt-5.4","previous_response_id":"resp_1","input":"and then?"}'
    _, row = put(dashcam, upstream, answers(json.dumps(whole).encode(), JSON), "/v1/responses", asked)
    assert (row["input_tokens"], row["usage_source"], row["cost_status"]) == (50, "reported", "computed")
    # 50 and 5 tokens cost less than a cent; two searches cost two.
    assert row["cost_usd"] > 0.02


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", "incomplete", "failed", "completed"])
def test_each_state_of_a_response(dashcam: RunningDashcam, upstream: ScriptedUpstream, status: str) -> None:
    error = {"code": "server_error", "message": "broke"} if status == "failed" else None
    whole: dict[str, object] = {
        "id": f"resp_{status}",
        "object": "response",
        "status": status,
        "model": "m",
        "output": [],
        "error": error,
    }
    _, row = put(dashcam, upstream, answers(json.dumps(whole).encode(), JSON), "/v1/responses")
    expected = ("upstream_error", "broke") if status == "failed" else ("completed", None)
    assert (row["outcome"], row["error_message"]) == expected
    assert row["finish_reason"] == status
