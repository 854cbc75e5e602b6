"""The gateway's word counts, unless the bytes know better."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.domain.outcome import Outcome
from proxy.interpret.ending import ending_of
from proxy.interpret.reading import read_answer
from tests.support.recorded import SSE, chat_chunks, events, recorded

BROKEN = events({"error": {"message": "no"}})


@pytest.mark.parametrize(
    "outcome", [Outcome.CLIENT_GONE, Outcome.TIMED_OUT, Outcome.SHUT_DOWN, Outcome.UPSTREAM_ABORTED]
)
def test_an_ending_that_was_seen_is_not_explained_away(outcome: Outcome) -> None:
    for data in (BROKEN, chat_chunks({"content": "x"}), b""):
        call = recorded(data, media=SSE, outcome=outcome)
        assert ending_of(call, read_answer(call))[0] is outcome


def test_the_gateway_s_own_error_comes_first() -> None:
    call = recorded(BROKEN, media=SSE, outcome=Outcome.UPSTREAM_ABORTED)
    assert call.end is not None
    call = replace(call, end=replace(call.end, error_code="upstream_aborted", error_message="reset"))
    error = ending_of(call, read_answer(call))[1]
    assert error is not None
    assert (error.code, error.message) == ("upstream_aborted", "reset")
