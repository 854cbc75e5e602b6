"""A body looked through while it comes: in whatever slices, it is what the whole body is."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.redaction import MAX_BYTES
from proxy.redaction import reading as module
from proxy.redaction.bodies import redact_body
from proxy.redaction.patterns import Pattern
from proxy.redaction.reading import Reading
from proxy.redaction.redactor import Redactor
from tests.support.redacting import CANARIES, EVERYTHING, events, harmless, said

parts = st.lists(st.one_of(harmless, st.sampled_from(list(CANARIES.values()))), max_size=6)


@given(parts, st.lists(st.integers(0, 1000), max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_slices_do_not_matter(deltas: list[str], borders: list[int], ending: str) -> None:
    data = events(deltas).replace(b"\n", ending.encode())
    cuts = sorted({0, len(data), *(border % (len(data) + 1) for border in borders)})
    reading = Reading(EVERYTHING)
    for start, end in itertools.pairwise(cuts):
        reading.feed(data[start:end])
    found, whole = redact_body(EVERYTHING, data, reading), redact_body(EVERYTHING, data)
    assert found is not None
    assert whole is not None
    assert (found.data, found.counts) == (whole.data, whole.counts)
    text = said(found.data.replace(ending.encode(), b"\n"))
    assert not any(canary in text for canary in CANARIES.values())


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_secret_in_two_halves_is_found_whatever_ends_the_lines(ending: str) -> None:
    mail = CANARIES["email"]
    data = b"\xef\xbb\xbf" + events([mail[:9], mail[9:]])
    found = redact_body(EVERYTHING, data.replace(b"\n", ending.encode()))
    assert found is not None
    assert found.data.replace(ending.encode(), b"\n").removeprefix(b"\xef\xbb\xbf") == events(["[redacted:email]", ""])


def test_what_was_hidden_by_what_stood_before_it_comes_to_light() -> None:
    """A number behind a letter is no card; once the word before it is gone, it is."""

    def find_word(text: bytes) -> list[tuple[int, int]]:
        at = text.find(b"word")
        return [(at, at + 4)] if at >= 0 else []

    redactor = Redactor([*(EVERYTHING._built_in), Pattern("word", "a word", find_word)], MAX_BYTES)
    for data in (b"word4111111111111111", json.dumps({"a": "word4111111111111111"}).encode()):
        found = redact_body(redactor, data)
        assert found is not None
        assert b"[redacted:word][redacted:payment_card]" in found.data


def test_what_never_ends_is_left_out() -> None:
    def find_first(text: bytes) -> list[tuple[int, int]]:
        at = next((at for at, sign in enumerate(text) if sign), None)
        return [] if at is None else [(at, at + 1)]

    redactor = Redactor([Pattern("each", "one more each time", find_first)], MAX_BYTES)
    assert redact_body(redactor, b"x" * (module.MAX_ROUNDS + 2)) is None
    assert redact_body(redactor, b"x" * module.MAX_ROUNDS) is not None


def test_each_text_is_searched_once_however_often_it_comes() -> None:
    searched: list[int] = []

    def count(text: bytes) -> list[tuple[int, int]]:
        searched.append(len(text))
        return []

    redactor = Redactor([Pattern("none", "counts what it is given", count)], MAX_BYTES)
    stream = events(["x"] * 2000)
    assert redact_body(redactor, stream) is not None
    assert sum(searched) < len(stream) / 10


@pytest.mark.parametrize("size", [1000, 4000])
def test_work_grows_as_the_body_does(size: int) -> None:
    """What is searched in all is at most a small multiple of the body, also where it comes in single bytes."""
    searched: list[int] = []

    def count(text: bytes) -> list[tuple[int, int]]:
        searched.append(len(text))
        return []

    redactor = Redactor([Pattern("none", "counts what it is given", count)], MAX_BYTES)
    data = events([f"{number} words {number}" for number in range(size // 50)])
    reading = Reading(redactor)
    for at in range(len(data)):
        reading.feed(data[at : at + 1])
    assert redact_body(redactor, data, reading) is not None
    assert sum(searched) <= 3 * len(data)


def spelt(text: str) -> str:
    """Return a text as JSON may write it, sign by sign."""
    return "".join(f"\\u{ord(sign):04x}" for sign in text)


@given(harmless, st.sampled_from(list(CANARIES.items())), harmless)
def test_json_in_a_string_is_read_as_what_it_means(before: str, secret: tuple[str, str], after: str) -> None:
    """As the arguments of a tool are, whatever signs the model has escaped."""
    name, canary = secret
    arguments = f'{{"a":{json.dumps(before)},"to":"{spelt(canary)}","b":{json.dumps(after)}}}'
    data = json.dumps({"tool_calls": [{"function": {"name": "mail", "arguments": arguments}}]}).encode()
    found = redact_body(EVERYTHING, data)
    assert found is not None
    kept = json.loads(json.loads(found.data)["tool_calls"][0]["function"]["arguments"])
    assert kept == {"a": before, "to": f"[redacted:{name}]", "b": after}
    assert found.counts == {name: 1}


@given(st.sampled_from(list(CANARIES.items())), st.lists(st.integers(0, 200), max_size=6))
def test_so_is_json_that_a_stream_says_in_pieces(secret: tuple[str, str], borders: list[int]) -> None:
    name, canary = secret
    arguments = f'{{"to":"{spelt(canary)}"}}'
    cuts = sorted({0, len(arguments), *(border % (len(arguments) + 1) for border in borders)})
    found = redact_body(EVERYTHING, events([arguments[start:end] for start, end in itertools.pairwise(cuts)]))
    assert found is not None
    assert json.loads(said(found.data)) == {"to": f"[redacted:{name}]"}
