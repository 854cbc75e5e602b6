"""Pictures, sound, runs, batches and unknown answers: identity, usage, plain text, and whether they are over."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.domain.outcome import UsageSource
from proxy.protocol import sse
from proxy.protocol.assembly import Assembly
from proxy.protocol.outputs import assemble_events, assemble_whole


def stream(*events: tuple[str, dict[str, Any]], done: bool = False) -> Assembly:
    lines = [b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(values)) for name, values in events]
    return assemble_events(sse.decode(b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")))


COUNTS = {"input_tokens": 7, "output_tokens": 9, "total_tokens": 16}


def test_an_image_stream_has_its_first_picture_and_its_usage() -> None:
    early = ("image_generation.partial_image", {"type": "image_generation.partial_image", "b64_json": "AAAA"})
    last = ("image_generation.completed", {"type": "image_generation.completed", "b64_json": "BB", "usage": COUNTS})
    whole = stream(early, last)
    assert whole.first_token_end == len(b"event: %s\ndata: %s\n\n" % (early[0].encode(), orjson.dumps(early[1])))
    assert (whole.is_terminal, whole.usage.output_tokens, whole.output_text()) == (True, 9, "")
    assert not stream(early).has_ended


@pytest.mark.parametrize("has_deltas", [True, False])
def test_a_transcript_is_its_deltas_or_else_its_end(has_deltas: bool) -> None:
    done = {"type": "transcript.text.done", "text": "Hello there", "usage": {"type": "tokens", **COUNTS}}
    deltas = [("", {"type": "transcript.text.delta", "delta": part}) for part in ("Hello", " there")]
    whole = stream(*(deltas if has_deltas else []), ("", done))
    assert (whole.output_text(), whole.usage.input_tokens, whole.is_terminal) == ("Hello there", 7, True)


def test_a_transcript_billed_by_the_second_keeps_what_it_said() -> None:
    whole = assemble_whole({"text": "Hi", "usage": {"type": "duration", "seconds": 3}})
    assert (whole.output_text(), whole.usage.source, whole.usage.raw) == (
        "Hi",
        UsageSource.NONE,
        {"type": "duration", "seconds": 3},
    )


def test_a_run_streams_its_message_and_ends_with_its_counts() -> None:
    text = {"delta": {"content": [{"index": 0, "type": "text", "text": {"value": "Hi"}}]}, "object": "thread.message"}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    run = {"id": "run_1", "model": "gpt-4o", "status": "completed", "usage": usage}
    whole = stream(
        ("thread.run.created", {"id": "run_1", "status": "queued", "usage": None}),
        ("thread.message.delta", text),
        ("thread.message.completed", {"id": "msg_1"}),
        ("thread.run.step.completed", {"id": "step_1"}),
        ("thread.run.completed", run),
        done=True,
    )
    assert (whole.output_text(), whole.response_id, whole.model) == ("Hi", "run_1", "gpt-4o")
    assert (whole.usage.input_tokens, whole.usage.output_tokens, whole.is_terminal) == (1, 2, True)


def test_a_run_that_failed_says_why() -> None:
    error = {"code": "rate_limit_exceeded", "message": "too fast"}
    whole = stream(("thread.run.failed", {"id": "run_1", "status": "failed", "last_error": error}))
    assert whole.error is not None
    assert (whole.error.code, whole.error.message) == ("rate_limit_exceeded", "too fast")
    assert assemble_whole({"id": "run_1", "status": "failed", "last_error": error}).error == whole.error


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling", "queued"])
def test_a_batch_under_way_has_no_counts_yet(status: str) -> None:
    batch = {"id": "batch_1", "status": status, "model": "gpt-5", "usage": COUNTS}
    whole = assemble_whole(batch)
    assert (whole.is_terminal, whole.usage.source, whole.usage.output_tokens) == (False, UsageSource.NONE, None)
    assert assemble_whole({**batch, "status": "completed"}).usage.output_tokens == 9


def test_zeros_before_the_end_are_no_counts() -> None:
    zeros = {"input_tokens": 0, "output_tokens": 0, "input_tokens_details": {"cached_tokens": 0}}
    early = stream(("response.started", {"id": "x", "usage": zeros}))
    assert (early.usage.source, early.usage.raw) == (UsageSource.NONE, zeros)
    assert assemble_whole({"object": "list", "usage": zeros}).usage.source is UsageSource.REPORTED


def test_anthropics_messages() -> None:
    begun = {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 5}}}
    whole = stream(
        ("message_start", begun),
        ("content_block_delta", {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}}),
        ("message_delta", {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 2}}),
        ("message_stop", {"type": "message_stop"}),
    )
    assert (whole.response_id, whole.model, whole.output_text()) == ("msg_1", "claude", "Hi")
    assert (whole.usage.input_tokens, whole.usage.output_tokens, whole.is_terminal) == (5, 2, True)
    told = {"id": "msg_1", "type": "message", "content": [{"type": "text", "text": "Hi"}], "usage": {"input_tokens": 5}}
    assert assemble_whole(told).output_text() == "Hi"


def test_an_error_in_a_stream() -> None:
    told = stream(("error", {"type": "error", "error": {"message": "died", "code": "c"}}))
    assert told.error is not None
    assert (told.error.message, told.error.code) == ("died", "c")


@pytest.mark.parametrize(
    "values", [{}, {"usage": []}, {"usage": {"x": "y"}}, {"delta": 7, "type": "a.delta"}, {"id": 7}]
)
def test_nothing_of_an_unknown_shape_is_made_up(values: dict[str, Any]) -> None:
    for whole in (assemble_whole(values), stream(("", values))):
        assert (whole.usage.input_tokens, whole.response_id, whole.output_text()) == (None, None, "")


def test_drawing_has_tokens_of_its_own() -> None:
    drawn = {"model": "gpt-5.4", "input_tokens": 9, "output_tokens": 300, "total_tokens": 309}
    made = assemble_whole({"data": [], "usage": COUNTS, "svg_usage": drawn})
    assert made.usage_raw == {**COUNTS, "svg_usage": drawn}
    assert (made.usage.input_tokens, made.usage.output_tokens) == (7, 9)
