"""Byte for byte: what passes is what was sent, and what the official client makes of it is what it would make directly.

The scripted upstream plays what a real server cannot be made to do; the row says what was understood of it.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable

import brotli
import openai
import pytest
from openai.types.chat import ChatCompletionToolUnionParam

from tests.acceptance.conftest import Starter
from tests.support import scripted_upstream
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import exchange, request
from tests.support.scenarios import DONE, JSON, PLAIN, SSE, STREAM, ask, chunk, streams
from tests.support.scripted_upstream import ScriptedUpstream, Turn

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# What the SDKs and people read of an answer's head, beside what frames it.
READ = {
    "content-type": "application/json; charset=utf-8", "x-request-id": "req_7", "openai-processing-ms": "42",
    "openai-organization": "org-1", "openai-version": "2020-10-01", "x-ratelimit-limit-requests": "10",
    "x-ratelimit-limit-tokens": "20", "x-ratelimit-remaining-requests": "9", "x-ratelimit-remaining-tokens": "19",
    "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s", "retry-after": "3", "retry-after-ms": "7",
    "x-should-retry": "false", "apim-request-id": "a-1", "x-ms-region": "here", "cf-ray": "8f-AMS",
    "x-generation-id": "gen-1", "strict-transport-security": "max-age=1",
}  # fmt: skip


def test_request_and_answer_pass_byte_for_byte(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    sent = (
        b' {"model" : "gpt-4o",\r\n "x":1.0, "y":1e2, "x":123456789012345678901234567890, "t":"\\u00e9\\/\xc3\xa9"}\n'
    )
    back = b'{"choices": [], "odd":  1.00, "model":"gpt-4o-2024-08-06" }\r\n'

    async def scenario(turn: Turn) -> None:
        await turn.answer(
            back,
            JSON,
            b"x-request-id: req_1",
            b"x-ratelimit-remaining-tokens: 7",
            b"Set-Cookie: a=1",
            b"Set-Cookie: b=2",
            b"Date: Mon, 01 Jan 2024 00:00:00 GMT",
            b"Server: theirs",
        )

    upstream.scenario = scenario
    headers = (
        "OpenAI-Organization: org-1",
        "X-Stainless-Retry-Count: 0",
        "Accept-Encoding: gzip, br",
        "traceparent: 00-aa-bb-01",
    )
    answer = exchange(dashcam.port, request(sent, "Authorization: Bearer sk-real-key", *headers))
    received = upstream.requests[-1]
    assert received.body == sent
    assert received.request_line == b"POST /v1/chat/completions HTTP/1.1"
    for line in (*headers, "Authorization: Bearer sk-real-key"):
        name, _, value = line.partition(": ")
        assert received.header(name.lower().encode()) == value.encode()
    assert answer.body == back
    assert [value for name, value in answer.headers if name.lower() == "set-cookie"] == ["a=1", "b=2"]
    assert [value for name, value in answer.headers if name.lower() in ("date", "server")] == [
        "Mon, 01 Jan 2024 00:00:00 GMT",
        "theirs",
    ]
    row = dashcam.row(id=answer.header("x-dashcam-id"))
    assert (row["provider_request_id"], row["request_modified"]) == ("req_1", 0)
    assert (dashcam.body(row["id"], "request"), dashcam.body(row["id"], "response")) == (sent, back)


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_every_header_that_is_not_about_framing_passes(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, method: str
) -> None:
    body = b'{"choices":[]}'

    async def scenario(turn: Turn) -> None:
        lines = [f"{name}: {value}".encode() for name, value in READ.items()]
        hops = (b"Connection: keep-alive, X-Hop", b"Keep-Alive: timeout=5", b"X-Hop: 1", b"Proxy-Authenticate: Basic")
        await turn.answer(b"" if method == "HEAD" else body, *lines, *hops, length=len(body))

    upstream.scenario = scenario
    answer = exchange(dashcam.port, request(b"{}" if method == "POST" else b"", method=method), method)
    assert {name: answer.header(name) for name in READ} == READ
    assert (answer.header("content-length"), answer.body) == (str(len(body)), b"" if method == "HEAD" else body)
    assert {"keep-alive", "x-hop"}.isdisjoint(name.lower() for name, _ in answer.headers)


def test_a_piece_reaches_the_client_before_the_next_one_is_sent(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.head(*SSE)
        await turn.chunk(chunk(role="assistant", content="first"))
        await turn.released()
        await turn.chunk(chunk(content=" second", finish_reason="stop") + DONE)
        await turn.chunk(b"")

    upstream.scenario = scenario
    upstream.gate.clear()
    stream = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True)
    assert next(stream).choices[0].delta.content == "first"
    upstream.release()
    assert [piece.choices[0].delta.content for piece in stream] == [" second"]
    assert dashcam.row(id=stream.response.headers["x-dashcam-id"])["outcome"] == "completed"


def test_a_client_that_closes_behind_done_has_not_left_too_early(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    async def never_ends(turn: Turn) -> None:
        await turn.head(*SSE)
        await turn.chunk(chunk(content="all of it", finish_reason="stop") + DONE)
        await turn.client_closed()

    upstream.scenario = never_ends
    with client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True
    ) as stream:
        assert [piece.choices[0].delta.content for piece in stream] == ["all of it"]
    row = dashcam.row(id=stream.response.headers["x-dashcam-id"])
    assert (row["outcome"], row["output_preview"]) == ("completed", "all of it")


def test_usage_is_asked_for_and_taken_out_again(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    sent = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}'
    words = chunk(content="hello", finish_reason="stop")
    counts = b'"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}'
    usage = (
        b'data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o-2024-08-06","created":1,%b}\n\n' % counts
    )
    answer, row = ask(
        dashcam, upstream, streams(words.replace(b'"choices"', b'"usage": null, "choices"'), usage, DONE), sent
    )
    at_upstream = json.loads(upstream.requests[-1].body)
    assert at_upstream.pop("stream_options") == {"include_usage": True}
    assert at_upstream == json.loads(sent)
    assert b"usage" not in answer.body
    assert answer.body.endswith(DONE)
    assert (row["input_tokens"], row["output_tokens"], row["usage_source"], row["request_modified"]) == (
        5,
        2,
        "reported",
        1,
    )
    assert dashcam.body(row["id"], "request") == sent


def test_an_upstream_that_refuses_the_usage_option_gets_the_untouched_request(
    start_dashcam: Starter,
) -> None:
    async def refuse(turn: Turn) -> None:
        await turn.answer(
            b'{"error":{"message":"unknown field stream_options"}}', JSON, status=b"422 Unprocessable Entity"
        )

    accept = streams(chunk(content="fine", finish_reason="stop"), DONE)
    sent = b'{"model":"gpt-4o","stream":true,"messages":[]}'
    with scripted_upstream.in_thread(ScriptedUpstream(scripted_upstream.one_after_another(refuse, accept))) as upstream:
        dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
        first, second = (exchange(dashcam.port, request(sent)) for _ in range(2))
        assert (first.status, second.status, len(upstream.requests)) == (200, 200, 3)
        assert [item.body == sent for item in upstream.requests] == [False, True, True]
        row = dashcam.row(id=first.header("x-dashcam-id"))
        assert (row["attempts"], row["request_modified"]) == (2, 0)
        assert dashcam.cli("show", row["id"], "--raw", "--sent").stdout == sent


def test_tool_calls_stream_and_are_assembled(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    def call(index: int, text: str, **first: str) -> bytes:
        function = {"arguments": text, **({"name": first["name"]} if first else {})}
        return chunk(
            tool_calls=[
                {"index": index, **({"id": first["id"], "type": "function"} if first else {}), "function": function}
            ]
        )

    upstream.scenario = streams(
        call(0, "", id="t0", name="weather"), call(1, "", id="t1", name="time"), call(0, '{"city":'),
        call(1, '{"zone":'), call(0, '"Rome"}'), call(1, '"CET"}'), chunk(finish_reason="tool_calls"),
        DONE,
    )  # fmt: skip
    tools: list[ChatCompletionToolUnionParam] = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("weather", "time")
    ]
    stream = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "?"}], tools=tools, stream=True
    )
    arguments = {0: "", 1: ""}
    for piece in stream:
        for part in piece.choices[0].delta.tool_calls or ():
            arguments[part.index] += (part.function and part.function.arguments) or ""
    assert [json.loads(text) for text in arguments.values()] == [{"city": "Rome"}, {"zone": "CET"}]
    row = dashcam.row(id=stream.response.headers["x-dashcam-id"])
    assert (row["finish_reason"], row["finish_kind"]) == ("tool_calls", "tool_call")
    assert json.loads(row["tool_names"]) == ["weather", "time"]


def test_a_rate_limit_reaches_the_client_with_its_headers(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(
            b'{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}',
            JSON,
            b"retry-after-ms: 10",
            b"x-request-id: req_429",
            status=b"429 Too Many Requests",
        )

    upstream.scenario = scenario
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[])
    assert (caught.value.code, caught.value.request_id) == ("rate_limit_exceeded", "req_429")
    assert caught.value.response.headers["retry-after-ms"] == "10"
    row = dashcam.row(id=caught.value.response.headers["x-dashcam-id"])
    assert (row["outcome"], row["http_status"], row["error_code"]) == ("upstream_error", 429, "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("pack", "name"),
    [(gzip.compress, "gzip"), (brotli.compress, "br"), (zlib.compress, "deflate"), (zstd.compress, "zstd")],
)
def test_a_compressed_answer_passes_compressed_and_is_read_in_the_record(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, pack: Callable[[bytes], bytes], name: str
) -> None:
    said = {"role": "assistant", "content": "squeezed"}
    body = pack(
        json.dumps({"model": "gpt-4o", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}).encode()
    )

    async def scenario(turn: Turn) -> None:
        await turn.answer(body, JSON, b"Content-Encoding: " + name.encode())

    answer, row = ask(dashcam, upstream, scenario, PLAIN)
    assert (answer.body, answer.header("content-encoding")) == (body, name)
    assert (row["output_preview"], row["outcome"]) == ("squeezed", "completed")


def test_encodings_in_two_lines_pass_and_are_undone_in_the_record(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    message = {"role": "assistant", "content": "squeezed twice"}
    whole = {"model": "gpt-4o", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    body = brotli.compress(gzip.compress(json.dumps(whole).encode()))

    async def scenario(turn: Turn) -> None:
        await turn.answer(body, JSON, b"Content-Encoding: gzip", b"Content-Encoding: br")

    answer, row = ask(dashcam, upstream, scenario, PLAIN)
    assert answer.body == body
    assert (row["output_preview"], row["decode_error"]) == ("squeezed twice", None)


def test_a_bomb_passes_and_is_not_unpacked_without_bound(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    bomb = gzip.compress(b" " * 300_000_000, 9)

    async def scenario(turn: Turn) -> None:
        await turn.answer(bomb, JSON, b"Content-Encoding: gzip")

    answer, row = ask(dashcam, upstream, scenario, PLAIN)
    assert answer.body == bomb
    assert (row["outcome"], row["http_status"]) == ("completed", 200)
    assert row["decode_error"]


def test_a_stream_without_its_last_line_is_complete(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    answer, row = ask(dashcam, upstream, streams(chunk(content="all", finish_reason="stop")), STREAM)
    assert (answer.is_whole, row["outcome"], row["finish_reason"]) == (True, "completed", "stop")


def test_answers_with_the_same_id_are_rows_of_their_own(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(b'{"id":"the-same","choices":[]}', JSON, b"x-request-id: the-same")

    rows = [ask(dashcam, upstream, scenario, PLAIN)[1] for _ in range(2)]
    assert rows[0]["id"] != rows[1]["id"]
    assert {row["provider_request_id"] for row in rows} == {"the-same"}


def test_an_endpoint_we_do_not_know_is_relayed_and_recorded(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(b"\x00\x01binary", b"Content-Type: application/octet-stream", status=b"203 Whatever")

    upstream.scenario = scenario
    answer = exchange(dashcam.port, request(b"\xff\x00", path="/v1/brand_new_thing?a=b%2Fc", method="PATCH"), "PATCH")
    assert (answer.status, answer.body) == (203, b"\x00\x01binary")
    assert upstream.requests[-1].request_line == b"PATCH /v1/brand_new_thing?a=b%2Fc HTTP/1.1"
    row = dashcam.row(id=answer.header("x-dashcam-id"))
    assert (row["operation"], row["method"], row["response_bytes"]) == ("other", "PATCH", 8)


def test_a_path_below_a_providers_name_goes_to_its_root(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    upstream.scenario = scripted_upstream.answer_ok
    answer = exchange(dashcam.port, request(b"{}", path="/openai/api/anything"))
    assert upstream.requests[-1].request_line == b"POST /api/anything HTTP/1.1"
    assert dashcam.row(id=answer.header("x-dashcam-id"))["provider"] == "openai"
