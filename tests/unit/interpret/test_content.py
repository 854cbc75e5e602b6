"""Bodies are kept as they came, with what is needed to read them again."""

from __future__ import annotations

from dataclasses import replace

from proxy.domain.outcome import ContentState
from proxy.interpret.content import content_state_of, request_body_of, response_body_of
from tests.support.recorded import recorded


def test_pieces_keep_their_lengths_and_distances() -> None:
    body = response_body_of(recorded([b"ab", b"c"]))
    assert body is not None
    assert (body.content, body.timings, body.length) == (b"abc", ((30_000, 2), (10_000, 1)), 3)


def test_the_request_is_the_client_s_own_with_what_was_changed() -> None:
    body = request_body_of(recorded(body=b"{}", edits=((1, 0, "x"),)))
    assert body is not None
    assert (body.content, body.edits, body.length) == (b"{}", ((1, 0, "x"),), 2)


def test_what_was_not_kept_is_told() -> None:
    call = recorded(b"x")
    assert content_state_of(call, keeps=True) is ContentState.STORED
    assert content_state_of(call, keeps=False) is ContentState.OFF
    assert content_state_of(replace(call, request=None), keeps=True) is ContentState.TRUNCATED
    assert request_body_of(replace(call, request=None)) is None
    assert response_body_of(replace(call, head=None)) is None
