"""Each group of a row's columns says what it is called for."""

from __future__ import annotations

import orjson

from proxy.domain.outcome import ContentState
from proxy.domain.recording import PromptFact
from tests.support.recorded import SSE, cut_up, recorded
from tests.unit.interpret.test_entry import ASKED, STREAM, read, row


def test_times_are_told_apart() -> None:
    item = row(cut_up(STREAM, 100), media=SSE)
    last = 20 + 10 * len(cut_up(STREAM, 100))
    assert (item.duration_ms, item.upstream_ms, item.overhead_ms) == (last + 2, last - 5 + 3, 4)
    assert item.attempts == 1
    assert item.completed_at - item.started_at == last + 2


def test_several_choices_keep_several_reasons() -> None:
    choices = [
        {"index": index, "message": {"content": word}, "finish_reason": reason}
        for index, (word, reason) in enumerate([("a", "stop"), ("b", None)])
    ]
    item = row(orjson.dumps({"choices": choices}))
    assert (item.finish_reason, item.output_preview) == ('["stop",null]', "a b")


def test_other_endpoints_by_their_facts() -> None:
    item = row(
        b"\x00\x01" * 50,
        media="audio/mpeg",
        operation="speech",
        target="/v1/audio/speech?x=1",
        request={"model": "tts-1"},
    )
    assert (item.endpoint, item.model, item.response_bytes, item.output_preview) == (
        "/v1/audio/speech",
        "tts-1",
        100,
        None,
    )
    assert item.decode_error is None
    said = read(recorded(b"1\n00:00 hello", media="text/plain; charset=utf-8", operation="transcription"))
    assert said.output_text == "1\n00:00 hello"
    embedded = row(
        orjson.dumps(
            {"model": "text-embedding-3-small", "data": [], "usage": {"prompt_tokens": 10, "total_tokens": 10}}
        ),
        operation="embeddings",
    )
    assert (embedded.input_tokens, embedded.output_tokens, embedded.cost_pico_usd) == (10, None, 200_000)


def test_bodies_that_were_not_to_be_kept_leave_no_text() -> None:
    entry = read(recorded(STREAM, request=ASKED, media=SSE, content="off"))
    assert (entry.request, entry.response, entry.input_text, entry.output_text) == (None, None, None, None)
    assert (entry.interaction.input_preview, entry.interaction.content_state) == (None, ContentState.OFF)
    assert row(STREAM, media=SSE, lost_bytes=1).content_state is ContentState.TRUNCATED


def test_a_trace_is_recognised() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    assert row(request_headers=(("traceparent", f"00-{trace}-b7ad6b7169203331-01"),)).trace_id == trace
    assert row(request_headers=(("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01"),)).trace_id is None


def test_an_interrupted_answer_is_as_long_as_what_came_of_it_also_where_not_all_is_kept() -> None:
    assert row(b"data: {", media=SSE, outcome=None, lost_bytes=9).response_bytes == 16


def test_the_stored_prompt_of_a_call_stands_in_its_row() -> None:
    fact = PromptFact(name="short", version=7, label="next", variables={"a": 1}, fallback_for="other@2")
    item = row(cut_up(STREAM, 100), media=SSE, prompt=fact)
    assert (item.prompt_name, item.prompt_version, item.prompt_label) == ("short", 7, "next")
    assert item.prompt_variables == {"a": 1}
    assert item.metadata == {"dashcam_prompt_fallback": "other@2"}
    plain = row(cut_up(STREAM, 100), media=SSE)
    assert (plain.prompt_name, plain.prompt_version, plain.prompt_variables, plain.metadata) == (None, None, None, None)
