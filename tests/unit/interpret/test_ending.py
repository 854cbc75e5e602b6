"""The gateway's word counts, unless the bytes know better."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.domain.outcome import Outcome
from proxy.interpret.ending import ending_of
from proxy.interpret.reading import read_answer
from tests.support.recorded import SSE, chat_chunks, events, recorded, response_events

BROKEN = events({"error": {"message": "no"}})


@pytest.mark.parametrize(
    "outcome", [Outcome.CLIENT_GONE, Outcome.TIMED_OUT, Outcome.SHUT_DOWN, Outcome.UPSTREAM_ABORTED]
)
def test_an_ending_that_was_seen_is_not_explained_away(outcome: Outcome) -> None:
    for data in (BROKEN, chat_chunks({"content": "x"}), b""):
        call = recorded(data, media=SSE, outcome=outcome)
        assert ending_of(call, read_answer(call))[0] is outcome


EDITS = ((1, 0, '"stream_options":{"include_usage":true},'),)
WHOLE = chat_chunks({"content": "x"})
USAGE = events({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})


@pytest.mark.parametrize(
    ("data", "sent", "is_injected", "expected"),
    [
        (WHOLE, len(WHOLE), False, Outcome.COMPLETED),
        (WHOLE, len(WHOLE) - 1, False, Outcome.CLIENT_GONE),
        (WHOLE[:-9], len(WHOLE) - 9, False, Outcome.CLIENT_GONE),
        (USAGE + WHOLE, len(WHOLE), True, Outcome.COMPLETED),
        (USAGE + WHOLE, len(WHOLE) - 1, True, Outcome.CLIENT_GONE),
        (USAGE + WHOLE, len(WHOLE), False, Outcome.CLIENT_GONE),
    ],
)
def test_who_leaves_with_the_whole_stream_is_not_gone(
    data: bytes, sent: int, is_injected: bool, expected: Outcome
) -> None:
    call = recorded(data, media=SSE, outcome=Outcome.CLIENT_GONE, edits=EDITS if is_injected else ())
    assert call.end is not None
    call = replace(call, end=replace(call.end, sent_bytes=sent))
    assert ending_of(call, read_answer(call))[0] is expected


def test_the_gateway_s_own_error_comes_first() -> None:
    call = recorded(BROKEN, media=SSE, outcome=Outcome.UPSTREAM_ABORTED)
    assert call.end is not None
    call = replace(call, end=replace(call.end, error_code="upstream_aborted", error_message="reset"))
    error = ending_of(call, read_answer(call))[1]
    assert error is not None
    assert (error.code, error.message) == ("upstream_aborted", "reset")


def test_a_last_event_that_repeats_a_large_image_ends_the_answer_all_the_same() -> None:
    image = {"type": "image_generation_call", "result": "A" * (9 * 1024 * 1024)}
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    whole = {"id": "r", "status": "completed", "output": [image], "usage": usage}
    call = recorded(
        response_events({"type": "response.completed", "response": whole}), media=SSE, operation="responses"
    )
    reading = read_answer(call)
    assert ending_of(call, reading) == (Outcome.COMPLETED, None)
    assert reading.assembly is not None
    assert reading.assembly.usage.total_tokens == 7
