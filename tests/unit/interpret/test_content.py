"""Bodies are kept as they came, with what is needed to read them again."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import orjson

from proxy.domain.outcome import ContentState, CostStatus
from proxy.interpret.content import content_state_of, request_body_of, response_body_of, sent_sha256
from proxy.interpret.entry import interpret
from proxy.pricing.cost import cost_of
from proxy.protocol.injection import apply
from proxy.protocol.multipart import model_place, reduce
from tests.support.forms import HEADER, field, file, form
from tests.support.recorded import recorded


def test_pieces_keep_their_lengths_and_distances() -> None:
    body = response_body_of(recorded([b"ab", b"c"]), "hash")
    assert body is not None
    assert (body.content, body.timings, body.length, body.sha256) == (b"abc", ((30_000, 2), (10_000, 1)), 3, "hash")


def test_the_request_is_the_client_s_own_with_what_was_changed() -> None:
    body = request_body_of(recorded(body=b"{}", edits=((1, 0, "x"),)))
    assert body is not None
    assert (body.content, body.edits, body.length) == (b"{}", ((1, 0, "x"),), 2)


def test_a_form_without_its_files_still_tells_what_was_sent() -> None:
    whole = form(file("file", "a", "audio/mpeg", bytes(5000)), field("model", "dictation"))
    place = model_place(whole, b"XX")
    assert place is not None
    form_, kept = reduce(whole, b"XX")
    call = recorded(body=kept, edits=((*place, "whisper-large-v3"),))
    headers = (("content-type", HEADER.partition(": ")[2]),)
    call = replace(call, start=replace(call.start, request_headers=headers, sent_model="whisper-large-v3"))
    body = request_body_of(call, has_files=bool(form_.files))
    assert body is not None
    assert apply(body.content, body.edits) == kept.replace(b"dictation", b"whisper-large-v3")


def test_what_was_not_kept_is_told() -> None:
    call = recorded(b"x")
    assert content_state_of(call, keeps=True) is ContentState.STORED
    assert content_state_of(call, keeps=False) is ContentState.OFF
    assert content_state_of(replace(call, request=None), keeps=True) is ContentState.TRUNCATED
    assert request_body_of(replace(call, request=None)) is None


def test_an_answer_with_a_gap_says_so() -> None:
    """Pieces that the power took although it left what came after them."""
    call = recorded([b"ab", b"cd"])
    assert call.end is not None
    assert content_state_of(replace(call, pieces=call.pieces[1:]), keeps=True) is ContentState.TRUNCATED
    assert content_state_of(replace(call, pieces=call.pieces[1:], end=None), keeps=True) is ContentState.STORED


def test_a_form_is_kept_without_its_files() -> None:
    call = recorded(b"x", body=b"short", request_bytes=5000)
    assert content_state_of(call, keeps=True, has_files=True) is ContentState.REDACTED
    assert content_state_of(call, keeps=True) is ContentState.TRUNCATED
    assert content_state_of(replace(call, lost_bytes=1), keeps=True, has_files=True) is ContentState.TRUNCATED
    assert response_body_of(replace(call, head=None), None) is None


def test_what_the_client_was_handed_is_hashed_without_what_it_did_not_see() -> None:
    call = recorded([b"ab", b"cd", b"ef"])
    assert call.end is not None
    whole = replace(call, end=replace(call.end, sent_bytes=6))
    left_early = replace(call, end=replace(call.end, sent_bytes=3))
    assert sent_sha256(whole) == hashlib.sha256(b"abcdef").hexdigest()
    assert sent_sha256(left_early) == hashlib.sha256(b"abc").hexdigest()


def test_the_gateway_s_own_hash_wins_and_what_is_not_here_has_none() -> None:
    call = recorded([b"ab"])
    assert call.end is not None
    assert sent_sha256(replace(call, end=replace(call.end, sent_bytes=1, sha256="noted"))) == "noted"
    assert sent_sha256(replace(call, end=replace(call.end, sent_bytes=9))) is None
    assert sent_sha256(replace(call, end=replace(call.end, sent_bytes=2), lost_bytes=1)) is None
    assert sent_sha256(replace(call, end=None)) is None


def test_a_routed_call_names_its_route_and_is_priced_by_who_answered() -> None:
    call = recorded(
        orjson.dumps({"model": "llama3", "choices": [], "usage": {"prompt_tokens": 1}}),
        request={"model": "fast"},
        model="fast",
        route="fast",
        sent_model="llama",
        provider="a",
    )
    assert call.end is not None
    call.end.provider, call.end.provider_kind, call.end.upstream = "home", "ollama", "http://127.0.0.1:11434/v1"
    call.end.sent_model, call.end.edits = "llama3", ((9, 6, '"llama3"'),)
    entry = interpret(call, cost_of)
    item = entry.interaction
    assert (item.route, item.provider, item.model_requested) == ("fast", "home", "fast")
    assert (item.cost_status, item.request_modified) == (CostStatus.LOCAL, True)
    assert entry.request is not None
    assert entry.request.edits == ((9, 6, '"llama3"'),)


def test_without_an_answer_the_model_is_the_one_that_was_sent() -> None:
    call = recorded(b"", request={"model": "fast"}, outcome=None, model="fast", route="fast", sent_model="llama")
    item = interpret(call, cost_of).interaction
    assert (item.model_requested, item.model) == ("fast", "llama")
