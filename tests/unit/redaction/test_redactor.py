"""A set of patterns in many texts at once: each text for itself, each match once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.redaction import OwnPattern
from proxy.redaction.own import compiled
from proxy.redaction.patterns import BUILT_IN
from proxy.redaction.redactor import Match, Redactor
from tests.support.redacting import CANARIES, EVERYTHING


def test_nothing_is_found_across_two_texts() -> None:
    assert EVERYTHING.find([b"kim@exam", b"ple.org", b"4111 1111 1111", b"1111"]) == {}
    assert EVERYTHING.find([b"x", b"a@b.cd and e@f.gh"]) == {1: [Match(0, 6, "email"), Match(11, 17, "email")]}


def test_only_the_patterns_that_are_asked_for_are_looked_for() -> None:
    redactor = Redactor([BUILT_IN["phone"]], 1000)
    text = " ".join(CANARIES[name] for name in ("email", "phone", "api_key")).encode()
    ((match,),) = redactor.find([text]).values()
    assert (text[match.start : match.end].decode(), match.name) == (CANARIES["phone"], "phone")


def test_own_patterns_come_first_and_are_called_by_their_names() -> None:
    own = compiled(OwnPattern(name="staff", pattern=r"[a-z]+@corp\.example"))
    redactor = Redactor([*BUILT_IN.values(), own], 1000)
    text = b"kim@corp.example, kim@home.example"
    assert redactor.find([text]) == {0: [Match(0, 16, "staff"), Match(18, 34, "email")]}
    assert redactor.find([text], is_first=False) == {0: [Match(0, 16, "email"), Match(18, 34, "email")]}


@given(st.lists(st.text(max_size=100), max_size=4))
def test_whatever_stands_there_matches_are_in_order_and_of_whole_characters(texts: list[str]) -> None:
    for number, matches in EVERYTHING.find([text.encode() for text in texts]).items():
        text, before = texts[number].encode(), 0
        for match in matches:
            assert before <= match.start < match.end <= len(text)
            text[match.start : match.end].decode()
            before = match.end
