"""Our own errors have all four members, real nulls, and stay one line inside a stream."""

from __future__ import annotations

import json

import pytest

from proxy.protocol.envelope import error_body, error_event


def test_the_envelope_has_all_members() -> None:
    error = json.loads(error_body("No.", kind="invalid_request_error", code="nope"))["error"]
    assert error == {"message": "No.", "type": "invalid_request_error", "param": None, "code": "nope"}


def test_a_chat_stream_gets_an_unnamed_event() -> None:
    event = error_event("chat", "line\nbreak", kind="upstream_error", code="upstream_aborted")
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")
    assert event.count(b"\n") == 2
    assert json.loads(event[6:])["error"]["code"] == "upstream_aborted"


def test_a_responses_stream_gets_flat_members_and_an_error() -> None:
    event = error_event("responses", "broke", kind="upstream_error", code="upstream_aborted")
    name, data, *_ = event.split(b"\n")
    payload = json.loads(data[6:])
    assert name == b"event: error"
    assert payload["code"] == payload["error"]["code"] == "upstream_aborted"
    assert payload["type"] == "error"


@pytest.mark.parametrize(
    ("after", "number"),
    [
        (b"", 0),
        (b'data: {"type":"a"}\n\n', 0),
        (b'data: {"sequence_number":3}\n\ndata: {"sequence_number" : 41,"x":1}\n\n', 42),
        (b'data: {"sequence_number":7,"delta":"\\"sequence_number\\":99"}\n\n', 8),
    ],
)
def test_a_responses_error_goes_on_counting(after: bytes, number: int) -> None:
    event = error_event("responses", "broke", kind="upstream_error", code="upstream_aborted", after=after)
    assert json.loads(event.partition(b"data: ")[2])["sequence_number"] == number
