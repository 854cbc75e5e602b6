"""What is read follows what the answer is, not what was asked for."""

from __future__ import annotations

from proxy.interpret.reading import read_answer
from tests.support.recorded import SSE, chat_chunks, recorded

STREAM = chat_chunks({"content": "x"})


def test_a_mislabelled_stream_is_read_as_one() -> None:
    reading = read_answer(recorded(STREAM, media="text/plain"))
    assert reading.is_event_stream
    assert reading.assembly is not None
    assert reading.assembly.output_text() == "x"


def test_a_whole_answer_to_a_stream_request() -> None:
    reading = read_answer(recorded(b'\n\n {"choices":[{"message":{"content":"x"}}]}', is_stream=True))
    assert (reading.is_event_stream, reading.first_token_ns) == (False, None)
    assert reading.assembly is not None
    assert reading.assembly.output_text() == "x"


def test_the_first_token_arrives_with_the_piece_that_made_it_whole() -> None:
    assert read_answer(recorded([STREAM[:5], STREAM[5:]], media=SSE)).first_token_ns == 40_000_000


def test_what_cannot_be_read_is_told() -> None:
    assert read_answer(recorded(b"{", media="application/json")).decode_error == "the answer is no JSON"
    assert read_answer(recorded(b"x", headers=(("content-encoding", "snappy"),))).decode_error == "snappy: no decoder"
    assert read_answer(recorded(b"", media="application/json")).decode_error is None
