"""A language is told when it is plain, and not when it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.interpret.language import language_of


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("Please write a short poem about the sea and the wind.", "en"),
        ("Bitte schreibe mir ein kurzes Gedicht über das Meer und den Wind.", "de"),
        ("Écris-moi un petit poème sur la mer et le vent, avec des rimes.", "fr"),
        ("Escribe un poema corto sobre el mar y el viento, por favor.", "es"),
        ("Scrivi una breve poesia che parla del mare e della luna con il vento.", "it"),
        ("Escreva um poema curto sobre o mar e o vento, não muito longo, por favor.", "pt"),
        ("Schrijf een kort gedicht over de zee en het strand voor mij.", "nl"),
        ("Napisz krótki wiersz o morzu i wietrze, ale nie za długi, dla mnie to jest ważne.", "pl"),
        ("Напиши короткое стихотворение о море, пожалуйста, чтобы было красиво и мы запомнили.", "ru"),  # noqa: RUF001
        ("Напиши короткий вірш про море і вітер.", "uk"),  # noqa: RUF001
        ("海について短い詩を書いてください。", "ja"),
        ("请写一首关于大海的短诗。", "zh"),
        ("바다에 대한 짧은 시를 써 주세요.", "ko"),
        ("اكتب قصيدة قصيرة عن البحر والرياح", "ar"),
        ("یک شعر کوتاه درباره دریا بنویس لطفا پرنده", "fa"),
        ("כתוב שיר קצר על הים", "he"),
        ("समुद्र पर एक छोटी कविता लिखो", "hi"),
        ("เขียนบทกวีสั้นเกี่ยวกับทะเล", "th"),
        ("Γράψε ένα μικρό ποίημα για τη θάλασσα", "el"),  # noqa: RUF001
    ],
)
def test_plain_cases(said: str, language: str) -> None:
    assert language_of(said) == language


@pytest.mark.parametrize(
    "said", [None, "", "hi", "12345 67890 !!!", "foo bar baz qux quux corge", "x = [i for i in y]", "\ud83d" * 30]
)
def test_unsure_is_none(said: str | None) -> None:
    assert language_of(said) is None


@given(st.text(max_size=300))
def test_nothing_raises(said: str) -> None:
    language_of(said)
