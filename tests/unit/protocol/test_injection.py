"""Usage is asked for by the smallest edit; every other byte stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.injection import apply, edits_of_scan, usage_edits
from proxy.protocol.requests import WANTED, parse
from proxy.protocol.scanning import scan

OPTIONS = [
    b"",
    b'"stream_options":null,',
    b'"stream_options":{},',
    b'"stream_options" : { } ,',
    b'"stream_options":{"include_usage":false},',
    b'"stream_options":{"include_obfuscation": false , "include_usage" : false },',
    b'"stream_options":{"x":{"include_usage":true}},',
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_sent_body_asks_for_usage_and_keeps_the_rest(options: bytes) -> None:
    body = b'{ "messages":[{"content":"\\u00e9 \\/ 1.0"}],' + options + b'"n":1.0, "stream":true}'
    sent = apply(body, usage_edits(body, parse(body)))
    assert json.loads(sent)["stream_options"]["include_usage"] is True
    rest = json.loads(sent)
    original = json.loads(body)
    others = original.get("stream_options") or {}
    assert {**rest.pop("stream_options")} == {**others, "include_usage": True}
    original.pop("stream_options", None)
    assert rest == original
    assert b"\\u00e9 \\/ 1.0" in sent


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream":true,"stream_options":{"include_usage":true}}',
        b'{"stream":false}',
        b'{"stream":"true"}',
        b'{"model":"m"}',
        b"[]",
        b"",
    ],
)
def test_nothing_is_edited_where_nothing_is_needed(body: bytes) -> None:
    assert usage_edits(body, parse(body)) == ()


def test_options_that_are_no_object_are_left_to_the_provider() -> None:
    body = b'{"stream":true,"stream_options":7}'
    assert usage_edits(body, parse(body)) == ()


@given(st.sampled_from(OPTIONS), st.text(max_size=40))
def test_a_scanned_large_body_gets_the_same_meaning(options: bytes, text: str) -> None:
    body = b'{"a":' + json.dumps(text).encode() + b"," + options + b'"stream":true}'
    sent = apply(body, edits_of_scan(scan(body, WANTED)))
    assert json.loads(sent)["stream_options"]["include_usage"] is True


@given(st.binary(max_size=60))
def test_no_edits_is_the_same_bytes(body: bytes) -> None:
    assert apply(body, ()) == body
