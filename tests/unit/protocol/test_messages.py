"""Anthropic's dialect, streamed and not: the same text, tools, reason and counts."""

from __future__ import annotations

from typing import Any

import orjson

from proxy.protocol import messages, sse
from proxy.protocol.assembly import Assembly
from tests.support.recorded import response_events

USAGE: dict[str, Any] = {
    "input_tokens": 10,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 0,
    "output_tokens": 9,
}
WHOLE: dict[str, Any] = {
    "id": "msg_1", "type": "message", "model": "claude-x", "stop_reason": "tool_use", "usage": USAGE,
    "content": [
        {"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Look:"},
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 2}},
    ],
}  # fmt: skip
STREAM = response_events(
    {"type": "message_start", "message": {**WHOLE, "content": [], "usage": {**USAGE, "output_tokens": 1}}},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Look:"}},
    {"type": "content_block_start", "index": 2, "content_block": {**WHOLE["content"][2], "input": {}}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a": '}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "2}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
)


def facts(found: Assembly) -> tuple[object, ...]:
    usage = found.usage
    counts = (usage.input_tokens, usage.cached_tokens, usage.output_tokens)
    return (found.output_text(), found.choice(0).reasoning, found.finish_reasons(), found.response_id, counts)


def test_a_stream_is_what_the_whole_is() -> None:
    streamed = messages.assemble_events(sse.decode(STREAM))
    assert facts(streamed) == facts(messages.assemble_whole(WHOLE))
    assert facts(streamed) == ('Look:\nadd({"a": 2})', ["Hm."], ["tool_use"], "msg_1", (15, 5, 9))
    assert streamed.has_ended


def test_an_error_ends_it() -> None:
    error: dict[str, object] = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    for found in (messages.assemble_events(sse.decode(response_events(error))), messages.assemble_whole(error)):
        assert found.error is not None
        assert (found.error.kind, found.error.message) == ("overloaded_error", "busy")


def test_rubbish_is_skipped() -> None:
    kinds = ("message_start", "content_block_start", "content_block_delta", "message_delta", "error")
    nonsense: dict[str, object] = {"message": 1, "delta": [], "content_block": "x", "usage": 3}
    odd = [{"type": kind, **nonsense} for kind in kinds]
    assert messages.assemble_events(sse.decode(response_events(*odd))).output_text() == ""
    assert orjson.dumps(messages.assemble_whole({"content": 5, "usage": []}).usage_raw) == b"null"
