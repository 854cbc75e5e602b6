"""Usage that a stream did not ask for: asked for by Dashcam, and invisible to the client (section E of the cases).

The upstream answers as OpenAI does: with ``usage: null`` on every chunk and the counts at the end where it is asked for
usage, without either where it is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest

from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import exchange, request
from tests.support.scenarios import DONE, SSE, chunk
from tests.support.scripted_upstream import ScriptedUpstream, Turn

ASKED = b'{ "model":"gpt-4o", "messages":[{"role":"user","content":"\\u00e9\\/"}], "n":1.0,%b"stream":true }'
WORDS = (chunk(role="assistant", content=""), chunk(content="Hi, \u2028"), chunk(finish_reason="stop"))
COUNTS = b'"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}'
TOTALS = b'data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o-2024-08-06","created":1,%b}\n\n' % COUNTS
PLAIN = b"".join(WORDS) + DONE
WITH_USAGE = PLAIN.replace(b"}]}", b'}],"usage":null}').replace(DONE, TOTALS + DONE)


async def as_openai_does(turn: Turn) -> None:
    asks = (json.loads(turn.request.body).get("stream_options") or {}).get("include_usage") is True
    stream = WITH_USAGE if asks else PLAIN
    await turn.head(*SSE)
    for start in range(0, len(stream), 50):
        await turn.chunk(stream[start : start + 50])
    await turn.chunk(b"")


@pytest.fixture(autouse=True)
def scene(upstream: ScriptedUpstream) -> Iterator[None]:
    upstream.scenario = as_openai_does
    yield
    upstream.requests.clear()


OPTIONS = {
    "none": (b"", b'"stream_options":{"include_usage":true},'),
    "null": (b'"stream_options":null,', b'"stream_options":{"include_usage":true},'),
    "false": (b'"stream_options" : { "include_usage" : false },', b'"stream_options" : { "include_usage" : true },'),
    "another": (
        b'"stream_options":{"include_obfuscation":false},',
        b'"stream_options":{"include_usage":true,"include_obfuscation":false},',
    ),
}


@pytest.mark.parametrize(("options", "sent"), OPTIONS.values(), ids=OPTIONS)
def test_the_client_gets_the_bytes_it_would_get_directly(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, options: bytes, sent: bytes
) -> None:
    asked = ASKED % options
    direct = exchange(upstream.port, request(asked))
    through = exchange(dashcam.port, request(asked))
    assert (through.body, through.is_whole) == (direct.body, True) == (PLAIN, True)
    received = upstream.requests[-1].body
    assert json.loads(received) == json.loads(ASKED % sent)
    # Nothing moved but the one member: what is left without it is byte for byte the same.
    assert received.replace(sent.rstrip(b","), b"").replace(b"{,", b"{") == asked.replace(options.rstrip(b","), b"")
    row = dashcam.row(id=through.header("x-dashcam-id"))
    assert (row["usage_source"], row["input_tokens"], row["output_tokens"]) == ("reported", 5, 2)
    assert (row["request_modified"], row["output_preview"]) == (1, "Hi,")
    assert dashcam.body(row["id"], "request") == asked


def test_who_asks_for_usage_gets_it_and_nothing_is_changed(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    asked = ASKED % b'"stream_options":{"include_usage":true},'
    reply = exchange(dashcam.port, request(asked))
    assert (reply.body, upstream.requests[-1].body) == (WITH_USAGE, asked)
    assert dashcam.row(id=reply.header("x-dashcam-id"))["request_modified"] == 0


@pytest.mark.parametrize(
    "path", ["/v1/responses", "/v1/embeddings", "/v1/audio/speech", "/v1/images/generations", "/v1/messages"]
)
def test_other_endpoints_are_never_asked(dashcam: RunningDashcam, upstream: ScriptedUpstream, path: str) -> None:
    asked = ASKED % b""
    reply = exchange(dashcam.port, request(asked, path=path))
    assert (reply.body, upstream.requests[-1].body) == (PLAIN, asked)


def test_a_loop_that_takes_the_first_choice_of_each_chunk_works(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in stream) == "Hi, \u2028"
