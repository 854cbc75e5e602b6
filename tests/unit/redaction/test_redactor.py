"""A set of patterns in many texts at once: each text for itself, each match once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.redaction import OwnPattern
from proxy.redaction.own import compiled
from proxy.redaction.patterns import BUILT_IN
from proxy.redaction.redactor import Match, Redactor
from tests.support.redacting import CANARIES, EVERYTHING, harmless


def test_nothing_is_found_across_two_texts() -> None:
    assert EVERYTHING.find([b"kim@exam", b"ple.org", b"4111 1111 1111", b"1111"]) == {}
    assert EVERYTHING.find([b"x", b"a@b.cd and e@f.gh"]) == {1: [Match(0, 6, "email"), Match(11, 17, "email")]}


def test_only_the_patterns_that_are_asked_for_are_looked_for() -> None:
    redactor = Redactor([BUILT_IN["phone"]], 1000)
    text = " ".join(CANARIES[name] for name in ("email", "phone", "api_key")).encode()
    assert redactor.replace(text, Counter()) == text.replace(CANARIES["phone"].encode(), b"[redacted:phone]")


def test_own_patterns_come_first_and_are_called_by_their_names() -> None:
    own = compiled(OwnPattern(name="staff", pattern=r"[a-z]+@corp\.example"))
    counts: Counter[str] = Counter()
    text = Redactor([*BUILT_IN.values(), own], 1000).replace(b"kim@corp.example, kim@home.example", counts)
    assert text == b"[redacted:staff], [redacted:email]"
    assert counts == {"staff": 1, "email": 1}


@given(st.lists(st.one_of(harmless, st.sampled_from(list(CANARIES.values()))), max_size=8))
def test_what_was_looked_through_once_has_nothing_more(parts: list[str]) -> None:
    counts: Counter[str] = Counter()
    text = EVERYTHING.replace(" ".join(parts).encode(), counts)
    assert EVERYTHING.find([text]) == {}
    assert not any(canary.encode() in text for canary in CANARIES.values())
    text.decode()


@given(st.text(max_size=200))
def test_whatever_stands_there_the_rest_stays_text(text: str) -> None:
    EVERYTHING.replace(text.encode(), Counter()).decode()
