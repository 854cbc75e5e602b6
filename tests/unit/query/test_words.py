"""What a word is: what is found in which text, and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.query.parsing import QueryError, parse
from proxy.query.words import LONGEST_WORD, Wanted, folded, phrase_of, places, read_wanted, wanted_of, words_in

SIGNS = st.sampled_from([*"aAbÄéßİпЙ09_-.,!?退款我ケー한글กา\u0301 \n😀'\"*()"])
LINES = st.text(SIGNS, max_size=30)


def wanted(query: str) -> Wanted:
    found = wanted_of(parse(query).terms)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("query", "text", "is_found"),
    [
        ("refund", "No REFUND, please", True),
        ("refund", "refunds", False),
        ("refund*", "refunds", True),
        ("fund", "refund", False),
        ('"a refund"', "give me a\nrefund!", True),
        ('"a refund"', "a late refund", False),
        ('"a ref"*', "a refund", True),
        ("zahler", "der Zähler", True),
        ("Zähler", "der zahler", True),
        ("zähler", "der Za\u0308hler", True),
        ("привет", "ПРИВЕТ", True),
        ("退款", "我想要退款。", True),
        ("款", "我想要退款。", True),
        ("想", "我想要退款。", True),
        ("要款", "我想要退款。", False),
        ("要退款", "我想要退款。", True),
        ('"退款 now"', "我要退款 now", True),
        ('"退款 now"', "我要退款的 now", False),
        ("gpt", "用GPT模型", True),
        ("用GPT模", "用GPT模型", True),
        ("100%", "100 times", True),
        ("snake_case", "a snake case", True),
        ("foo.bar", "see foo/bar", True),
        ("refund -please", "a refund please", False),
        ("refund -please", "a refund", True),
        ("refund -please*", "a refund pleased", False),
        ("a b", "b then a", True),
        ("a b", "b", False),
    ],
)
def test_a_text_holds_a_query_or_not(query: str, text: str, is_found: bool) -> None:
    assert wanted(query).is_in(text, None) is is_found
    assert wanted(query).is_in("x", text) is is_found


def test_words_may_stand_on_either_side_and_a_phrase_on_one() -> None:
    assert wanted("a b").is_in("a", "b")
    assert not wanted('"a b"').is_in("a", "b")
    assert not wanted("a -b").is_in("a", "b")
    assert not wanted("a").is_in(None, None)


@pytest.mark.parametrize("query", ["!!!", '"?!"', "-%", "*", '"*"', "😀", "_"])
def test_what_has_no_letter_and_no_digit_cannot_be_looked_for(query: str) -> None:
    with pytest.raises(QueryError, match="no letter and no digit"):
        parse(query)


@given(LINES, st.integers(0, 30), st.integers(1, 30), st.booleans())
def test_any_part_of_a_text_that_ends_between_words_is_found_in_it(
    text: str, at: int, length: int, is_open: bool
) -> None:
    part = text[at : at + length]
    starts_inside = at > 0 and (text[at - 1 : at + 1].isalnum() or part.startswith("\u0301"))
    ends_inside = text[at + length - 1 : at + length + 1].isalnum() or text[at + length : at + length + 1] == "\u0301"
    phrase = phrase_of(part, is_open=is_open)
    if phrase is None or (at < len(text) and (starts_inside or ends_inside)):
        return
    assert Wanted((phrase,)).is_in(text)
    assert places(text, [phrase])


@given(LINES, LINES)
def test_a_phrase_is_marked_where_it_is_found(text: str, part: str) -> None:
    phrase = phrase_of(part)
    if phrase is not None:
        assert bool(places(text, [phrase])) is Wanted((phrase,)).is_in(text)


@given(LINES)
def test_folding_again_changes_nothing_and_words_have_letters_and_digits_only(text: str) -> None:
    assert words_in(" ".join(words_in(text))) is not None
    assert all(letter.isalnum() for word in words_in(text) for letter in word)
    assert folded(folded(text)) == folded(text)


@given(st.lists(LINES, min_size=1, max_size=4), st.booleans())
def test_what_is_wanted_is_read_as_it_was_written(texts: list[str], is_open: bool) -> None:
    phrases = tuple(found for text in texts if (found := phrase_of(text, is_open=is_open)))
    assert read_wanted(Wanted(phrases, phrases[:1]).written()) == Wanted(phrases, phrases[:1])


def test_encoded_data_is_one_word_of_bounded_length() -> None:
    (word,) = words_in("A" * 4000)
    assert len(word) == LONGEST_WORD
    phrase = phrase_of("A" * 4000)
    assert phrase is not None
    assert Wanted((phrase,)).is_in("a" * 4000)
