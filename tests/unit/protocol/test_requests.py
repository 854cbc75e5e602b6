"""What the gateway reads of a request, whatever its JSON looks like."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.requests import OPAQUE, RequestFacts, facts_of_scan, read
from proxy.protocol.requests import WANTED as FACTS
from proxy.protocol.scanning import scan


def test_a_plain_chat_request() -> None:
    facts = read(b'{"model":"gpt-5","stream":true,"messages":[]}')[0]
    assert facts == RequestFacts(model="gpt-5", is_stream=True, is_json=True)


@pytest.mark.parametrize("body", [b"", b"not json", b"[1,2]", b'"text"', b"{", b"\x00", b'{"a":' * 2000])
def test_what_is_no_object_is_opaque(body: bytes) -> None:
    assert read(body)[0] == OPAQUE


@pytest.mark.parametrize(
    "odd", [b'"\\ud800"', b"123456789012345678901234567890", b"1e400", b"NaN", b'{"a":1,"a":2}', b'"\\u0000"']
)
def test_odd_values_elsewhere_do_not_hide_the_model(odd: bytes) -> None:
    assert read(b'{"x":' + odd + b',"model":"gpt-5","stream":true}')[0].model == "gpt-5"


@pytest.mark.parametrize("stream", [b"1", b'"true"', b"null", b"false", b"{}"])
def test_only_a_literal_true_is_a_stream(stream: bytes) -> None:
    assert not read(b'{"model":"m","stream":' + stream + b"}")[0].is_stream


def test_a_model_that_is_no_short_text_is_none() -> None:
    assert read(b'{"model":7}')[0].model is None
    assert read(b'{"model":"' + b"m" * 300 + b'"}')[0].model is None


def test_usage_options_are_told_apart() -> None:
    assert read(b'{"stream_options":{"include_usage":true}}')[0].include_usage is True
    assert read(b'{"stream_options":{"include_usage":false}}')[0].include_usage is False
    absent, null = read(b"{}")[0], read(b'{"stream_options":null}')[0]
    assert (absent.include_usage, absent.usage_options) == (None, False)
    assert (null.include_usage, null.usage_options) == (None, True)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "model": st.text(max_size=20) | st.none() | st.integers(),
            "stream": st.booleans() | st.none(),
            "stream_options": st.none() | st.dictionaries(st.just("include_usage"), st.booleans()),
            "messages": st.lists(st.text(max_size=10), max_size=3),
        },
    )
)
def test_scanned_and_parsed_bodies_tell_the_same(values: dict[str, object]) -> None:
    body = json.dumps(values).encode()
    assert facts_of_scan(scan(body, FACTS)) == read(body)[0]


@pytest.mark.parametrize(
    ("body", "is_unstored"),
    [
        (b'{"metadata":{"a":"b"}}', True),
        (b'{"metadata":{},"store":false}', True),
        (b'{"metadata":{"a":"b"},"store":null}', True),
        (b'{"metadata":{"a":"b"},"store":"true"}', True),
        (b'{"metadata":{"a":"b"},"store":true}', False),
        (b'{"metadata":null}', False),
        (b'{"x":{"metadata":{}}}', False),
        (b'{"store":false}', False),
        (b'{"metadata":{"a":"' + b"b" * 5000 + b'"}}', True),
    ],
)
def test_metadata_that_is_not_to_be_stored_is_seen_either_way(body: bytes, is_unstored: bool) -> None:
    assert read(body)[0].unstored_metadata is is_unstored
    assert facts_of_scan(scan(body, FACTS)).unstored_metadata is is_unstored


@pytest.mark.parametrize(
    ("said", "prompt"),
    [
        (b'"a text"', None), (b"null", None), (b"[]", None), (b'{"id":"short"}', "short"), (b"{}", ""),
        (b'{"id":7}', ""), (b'{"id":"%b"}' % (b"x" * 300), ""), (b'{ "variables" : { "id" : "x" } }', ""),
        (b'{"prompt_id":"short"}', "short"), (b'{"id":"short","prompt_id":"other"}', "short"),
    ],
)  # fmt: skip
def test_the_id_of_a_prompt_is_told_by_a_scan_too(said: bytes, prompt: str | None) -> None:
    body = b'{"model":"m","prompt": ' + said + b"}"
    assert read(body)[0].prompt == facts_of_scan(scan(body, FACTS)).prompt == prompt


def test_a_prompt_that_is_too_long_to_be_looked_at_or_cannot_be_read_is_one_without_an_id() -> None:
    for said in (b'{"id":"short","variables":{"x":"%b"}}' % (b"x" * 5000), b'{"id":"short","x":1e400}'):
        assert facts_of_scan(scan(b'{"prompt":' + said + b"}", FACTS)).prompt == ""
