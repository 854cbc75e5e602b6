"""The built-in model says back what it was told, in the words of each dialect, and never fails on what it is asked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.echo import EchoAnswer, EchoUpstream
from proxy.upstream.body import FileBody
from proxy.upstream.origins import Origin
from proxy.upstream.request import RequestHead

NOTHING = "(nothing was said)"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["role", "content", "text", "type", "include_usage"]), inner, max_size=4)
    ),
    max_leaves=12,
)
PATHS = st.sampled_from([b"/v1/chat/completions", b"/v1/responses"])


def head(target: bytes = b"/v1/chat/completions") -> RequestHead:
    return RequestHead(Origin(host="echo", port=1), "POST", target, b"", 1.0, 1.0)


def ask(target: bytes = b"/v1/chat/completions", **request: Any) -> EchoAnswer:
    return EchoUpstream().begin(head(target), json.dumps({"model": "dashcam/echo", **request}).encode())


def said(*contents: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": content} for content in contents]


def whole(answer: EchoAnswer) -> dict[str, Any]:
    """Return the body of an answer that is not streamed."""
    assert answer.is_complete
    body = b"".join(piece for _, piece in answer.take_ready())
    assert dict(answer.headers)[b"Content-Length"] == b"%d" % len(body)
    found: dict[str, Any] = json.loads(body)
    return found


async def events(answer: EchoAnswer) -> list[tuple[str, Any]]:
    """Listen to a stream to its end; return (event, payload), the last of a chat's as text."""
    heard = asyncio.Event()
    answer.listen(heard.set)
    pieces: list[bytes] = []
    while not answer.is_complete:
        await heard.wait()
        heard.clear()
        pieces += [piece for _, piece in answer.take_ready()]
    found = []
    for event in b"".join(pieces).decode().removesuffix("\n\n").split("\n\n"):
        name, _, data = event.rpartition("data: ")
        found.append((name.removeprefix("event: ").strip(), data if data == "[DONE]" else json.loads(data)))
    return found


@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=3))
def test_the_last_message_comes_back_and_words_are_tokens(texts: list[str]) -> None:
    answer = whole(ask(messages=said(*texts)))
    spoken = texts[-1] or NOTHING
    assert answer["choices"][0]["message"]["content"] == spoken
    assert answer["choices"][0]["finish_reason"] == "stop"
    asked, completion = sum(len(text.split()) for text in texts), len(spoken.split())
    assert answer["usage"] == {
        "prompt_tokens": asked, "completion_tokens": completion, "total_tokens": asked + completion,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi you", "hi you"),
        ([{"type": "text", "text": "hi"}, {"type": "image_url"}, "rubbish", {"text": "you"}], "hi  you"),
        ([{"type": "text", "text": 7}], NOTHING),
        ([], NOTHING),
        (None, NOTHING),
        ({"text": "hi"}, NOTHING),
    ],
)
def test_the_text_of_any_content_is_found(content: object, text: str) -> None:
    assert whole(ask(messages=said("before", content)))["choices"][0]["message"]["content"] == text
    response = whole(ask(b"/v1/responses", input=said("before", content)))
    assert response["output"][0]["content"][0]["text"] == text


@given(text=st.text(min_size=1, max_size=30))
def test_responses_take_plain_text_too(text: str) -> None:
    answer = whole(ask(b"/v1/responses?x=/chat/completions", input=text))
    assert answer["status"] == "completed"
    assert answer["output"][0]["content"][0]["text"] == text
    words = len(text.split())
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (words, words)


@pytest.mark.parametrize("text", ["one", "one two  three", " \n ", "grüße 🙂\u2028ok"])
@pytest.mark.parametrize("usage", [None, False, True])
async def test_a_chat_streams_word_by_word_and_tells_usage_only_when_asked(text: str, usage: bool | None) -> None:
    options = None if usage is None else {"include_usage": usage}
    answer = ask(messages=said(text), stream=True, stream_options=options)
    assert dict(answer.headers)[b"Content-Type"] == b"text/event-stream"
    assert b"Content-Length" not in dict(answer.headers)
    *found, (_, done) = await events(answer)
    chunks = [payload for _, payload in found]
    assert done == "[DONE]"
    counted = chunks.pop() if usage else None
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(deltas) == text
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all(("usage" in chunk) is bool(usage) for chunk in chunks)
    if counted is not None:
        assert (counted["choices"], counted["usage"]["completion_tokens"]) == ([], len(text.split()))


async def test_a_response_streams_its_events_in_order() -> None:
    found = await events(ask(b"/v1/responses", input="one two", stream=True))
    assert all(name == payload["type"] for name, payload in found)
    assert [payload["sequence_number"] for _, payload in found] == list(range(len(found)))
    assert found[0][1]["response"]["status"] == "in_progress"
    assert [payload["delta"] for name, payload in found if name.endswith(".delta")] == ["one ", "two"]
    assert found[-1][1]["response"]["output"][0]["content"][0]["text"] == "one two"


async def test_an_aborted_stream_says_nothing_more() -> None:
    answer = ask(messages=said("one two three"), stream=True)
    heard = asyncio.Event()
    answer.listen(heard.set)
    await heard.wait()
    assert len(answer.take_ready()) == 1
    heard.clear()
    answer.abort()
    other = ask(messages=said("as long as it would have taken"), stream=True)
    await events(other)
    assert not heard.is_set()
    assert answer.take_ready() == []


@pytest.mark.parametrize("target", [b"/v1/embeddings", b"/v1/chat/completions/x", b"/", b"/v1/x?/chat/completions"])
def test_other_endpoints_are_told_what_it_can(target: bytes) -> None:
    answer = ask(target, messages=said("hi"), stream=True)
    assert answer.status == 404
    assert whole(answer)["error"]["code"] == "unsupported_endpoint"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 5000, b'{"a":"\\ud800"}'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    assert EchoUpstream().begin(head(), body).status == 404


@given(target=PATHS, key=st.sampled_from(["messages", "input"]), value=JSON, options=JSON)
def test_any_request_is_answered(target: bytes, key: str, value: object, options: object) -> None:
    answer = ask(target, **{key: value}, stream_options=options)
    assert (answer.status, answer.has_head, answer.failure) == (200, True, None)
    assert whole(answer)["object"] in ("chat.completion", "response")


async def test_a_large_request_from_a_file_is_answered(tmp_path: Path) -> None:
    body = json.dumps({"messages": said("x" * 300_000)}).encode()
    (tmp_path / "body").write_bytes(body)
    source = FileBody(str(tmp_path / "body"), len(body))
    for answer in (await EchoUpstream().send(head(), source), await EchoUpstream().dial(head(), source)):
        piece = await answer.read()
        assert piece is not None
        assert len(json.loads(piece[1])["choices"][0]["message"]["content"]) == 300_000
        assert await answer.read() is None
