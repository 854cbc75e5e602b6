"""Whole bodies: nothing that must not be there is left, and all else is as it came."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.redaction.bodies import redact_body
from proxy.redaction.patterns import BUILT_IN
from proxy.redaction.redactor import Redactor
from tests.support.redacting import CANARIES, EVERYTHING, events, harmless, said

canaries = st.sampled_from(list(CANARIES.values()))


def redacted(data: bytes) -> bytes:
    found = redact_body(EVERYTHING, data)
    assert found is not None
    return found.data


@given(harmless, canaries, harmless, st.booleans())
def test_of_json_only_the_string_with_the_secret_changes(before: str, canary: str, after: str, is_ascii: bool) -> None:
    value = {
        "n": 4111111111111111,
        "messages": [{"role": "user", "content": f"{before} {canary} {after}"}],
        "b": [None],
    }
    made = json.loads(redacted(json.dumps(value, ensure_ascii=is_ascii, indent=1).encode()))
    name = next(name for name, text in CANARIES.items() if text == canary)
    assert made == {
        **value,
        "messages": [{"role": "user", "content": f"{before} [redacted:{name}] {after}"}],
    }


@given(harmless)
def test_without_a_secret_every_byte_stays(text: str) -> None:
    for data in (json.dumps({"a": text}).encode(), events(text), text.encode()):
        found = redact_body(EVERYTHING, data)
        assert found is not None
        assert (found.data, dict(found.counts), found.moved) == (data, {}, None)


@given(st.lists(st.one_of(harmless, canaries), min_size=1, max_size=6), st.data())
def test_in_a_stream_no_secret_survives_wherever_it_is_cut(parts: list[str], data: st.DataObject) -> None:
    text = "; ".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    deltas = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    stream = events(deltas, is_ascii=data.draw(st.booleans()))
    made = redacted(stream)
    expected = text
    for name, canary in CANARIES.items():
        expected = expected.replace(canary, f"[redacted:{name}]")
    assert said(made) == expected
    assert made.count(b"data: ") == stream.count(b"data: ")


@given(st.lists(st.one_of(harmless, canaries), max_size=6), st.binary(max_size=10))
def test_what_was_looked_through_once_has_nothing_more(parts: list[str], tail: bytes) -> None:
    for data in ("\n".join(parts).encode() + tail, json.dumps(parts).encode() + tail, events(parts)[:-9] + tail):
        found = redact_body(EVERYTHING, data)
        if found is not None:
            again = redact_body(EVERYTHING, found.data)
            assert again is not None
            assert again.moved is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":"kim\\u0040example.org"}', b'{"a":"[redacted:email]"}'),
        (b'{"a":"x\\nsk-abcdefghijklmnopqrst\\n"}', b'{"a":"x\\n[redacted:api_key]\\n"}'),
        (b'{"kim@example.org":1}', b'{"[redacted:email]":1}'),
        (b'{"cut off": "kim\\u0040example.org', b'{"cut off": "[redacted:email]'),
        (b"<p>kim@example.org</p>", b"<p>[redacted:email]</p>"),
        (b"event: kim@example.org\ndata: x\n\n", b"event: [redacted:email]\ndata: x\n\n"),
        (
            b"a\n-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nb",
            b"a\n[redacted:api_key]\nb",
        ),
        (b'{"a":1}\n{"a":"kim@example.org"}\n', b'{"a":1}\n{"a":"[redacted:email]"}\n'),
        (b"", b""),
    ],
)
def test_bodies_of_all_kinds(data: bytes, expected: bytes) -> None:
    assert redacted(data) == expected


def test_what_is_no_text_or_too_long_cannot_be_looked_through() -> None:
    assert redact_body(EVERYTHING, b"\xff\xd8\xff\xe0JFIF") is None
    assert redact_body(Redactor(BUILT_IN.values(), 10), b"x" * 11) is None
    assert redact_body(EVERYTHING, "cut off in a charact\u00e9r"[:-1].encode()[:-1]) is not None


def test_offsets_are_followed_through_what_was_replaced() -> None:
    data = b'{"user":"kim@example.org","model":"gpt"}'
    found = redact_body(EVERYTHING, data)
    assert found is not None
    at = data.index(b'"gpt"')
    assert found.data[found.place(at) : found.place(at + 5, is_end=True)] == b'"gpt"'


@given(st.binary(max_size=200))
def test_nothing_makes_it_fail(data: bytes) -> None:
    redact_body(EVERYTHING, data)
