"""The strings of a document: what they mean, and where each part of that stands."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from proxy.redaction.strings import Hidden, strings_of

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(texts, st.booleans(), st.data())
def test_a_part_of_a_text_is_found_in_the_document(text: str, is_ascii: bool, data: st.DataObject) -> None:
    document = json.dumps({"a": text}, ensure_ascii=is_ascii).encode()
    name, token = strings_of(document)
    assert (name.text, token.text) == (b"a", text.encode())
    borders = [len(text[:end].encode()) for end in range(len(text) + 1)]
    start, end = sorted((data.draw(st.sampled_from(borders)), data.draw(st.sampled_from(borders))))
    if start == end:
        return
    first, last = token.place(start, end)
    without = document[:first] + document[last:]
    assert json.loads(without)["a"].encode() == token.text[:start] + token.text[end:]


def test_half_a_character_alone_is_read_as_what_it_cannot_be() -> None:
    (token,) = strings_of(rb'"a\ud800b\ud83d\ude00"')
    assert token.text == "a\ufffdb😀".encode()


def test_of_what_is_no_json_a_string_ends_with_its_line() -> None:
    document = b'{"a": "b\\u0041\nnext "c'
    assert [token.text for token in strings_of(document, is_sound=False)] == [b"a", b"bA", b"c"]


@given(st.binary(max_size=100))
def test_nothing_makes_it_fail(document: bytes) -> None:
    for is_sound in (True, False):
        for token in strings_of(document, is_sound=is_sound):
            token.text.decode("utf-8", "replace")


def test_what_is_hidden_is_not_seen_and_moves_nothing() -> None:
    (token,) = strings_of(b'"abcdef"')
    token.hide(Hidden(1, 3, "x"))
    assert (token.left(), token.text) == (b"a\0\0def", b"abcdef")
    assert token.place(1, 3) == (2, 4)
    (later,) = strings_of(b'"a\\nb"', base=100)
    assert (later.text, later.place(1, 3)) == (b"a\nb", (102, 105))
